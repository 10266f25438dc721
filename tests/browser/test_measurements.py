"""How long, how large and in which unit: the page against numbers computed with numpy."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import numpy as np
import pytest

pytestmark = pytest.mark.peers


def test_lengths_use_the_spacing_of_rows_and_columns(call):
    frame = {"pixel_spacing": [0.7, 0.5], "rows": 100, "columns": 100}
    got = call("return MKISO.measure.distance(arguments[0], [10, 10], [40, 50])", frame)
    assert got["value"] == pytest.approx(np.hypot(30 * 0.5, 40 * 0.7))
    assert (got["unit"], got["source"]) == ("mm", "patient")


@pytest.mark.parametrize(
    ("attributes", "value", "unit", "source"),
    [
        ({"imager_pixel_spacing": [0.2, 0.2]}, 10, "mm", "detector"),
        (
            {
                "imager_pixel_spacing": [0.2, 0.2],
                "estimated_radiographic_magnification_factor": 1.25,
            },
            8,
            "mm",
            "magnified",
        ),
        ({"pixel_spacing": [0.2, 0.2], "imager_pixel_spacing": [0.2, 0.2]}, 10, "mm", "detector"),
        ({"pixel_spacing": [0.1, 0.1], "imager_pixel_spacing": [0.2, 0.2]}, 5, "mm", "patient"),
        ({"nominal_scanned_pixel_spacing": [0.3, 0.3]}, 15, "mm", "nominal"),
        ({}, 50, "px", "none"),
    ],
)
def test_what_a_length_stands_for_is_said(call, attributes, value, unit, source):
    got = call("return MKISO.measure.distance(arguments[0], [10, 10], [40, 50])", attributes)
    assert (got["value"], got["unit"], got["source"]) == (pytest.approx(value), unit, source)


def test_ultrasound_regions_have_their_own_scale(call):
    frame = {
        "ultrasound_regions": [
            {"bounds": [0, 0, 99, 99], "units_x": 3, "units_y": 3, "delta_x": 0.05, "delta_y": 0.04},
            {"bounds": [0, 100, 99, 199], "units_x": 4, "units_y": 7, "delta_x": 0.01, "delta_y": -0.5},
        ]
    }  # fmt: skip
    tissue = call("return MKISO.measure.distance(arguments[0], [10, 10], [40, 50])", frame)
    assert tissue["value"] == pytest.approx(np.hypot(30 * 0.5, 40 * 0.4))
    assert tissue["unit"] == "mm"
    doppler = call("return MKISO.measure.distance(arguments[0], [10, 110], [40, 150])", frame)
    assert doppler["parts"] == [[pytest.approx(0.3), "s"], [pytest.approx(20), "cm/s"]]
    across = call("return MKISO.measure.distance(arguments[0], [10, 10], [40, 150])", frame)
    assert across["unit"] == "px"


def test_angles_use_the_spacing(call):
    frame = {"pixel_spacing": [2, 1]}
    got = call("return MKISO.measure.angle(arguments[0], [10, 0], [0, 0], [0, 10])", frame)
    assert got == pytest.approx(90)
    got = call("return MKISO.measure.angle(arguments[0], [10, 0], [0, 0], [10, 5])", frame)
    assert got == pytest.approx(45)


def test_an_ellipse_counts_the_pixels_inside(call):
    rng = np.random.default_rng(5)
    pixels = rng.integers(-1000, 1000, (50, 60))
    y, x = np.mgrid[0:50, 0:60]
    inside = ((x - 25.5) / 15.5) ** 2 + ((y - 22) / 9) ** 2 <= 1
    values = pixels[inside] * 2.0 - 1024
    got = call(
        """
        const pixels = arguments[0], frame = { rows: 50, columns: 60, pixel_spacing: [0.7, 0.5] };
        return MKISO.measure.ellipse(frame, [10, 13], [41, 31], (x, y) => pixels[y * 60 + x] * 2 - 1024);
        """,
        pixels.reshape(-1).tolist(),
    )
    assert got["count"] == inside.sum()
    assert got["mean"] == pytest.approx(values.mean())
    assert got["deviation"] == pytest.approx(values.std())
    assert (got["least"], got["most"]) == (values.min(), values.max())
    assert got["area"] == pytest.approx(np.pi * 15.5 * 0.5 * 9 * 0.7)


def test_where_ultrasound_regions_overlap_the_one_of_high_priority_counts(call):
    low = {
        "bounds": [0, 0, 99, 99],
        "units_x": 3,
        "units_y": 3,
        "delta_x": 0.05,
        "delta_y": 0.05,
        "flags": 1,
    }
    high = {**low, "bounds": [20, 20, 60, 60], "delta_x": 0.1, "delta_y": 0.1, "flags": 2}
    frame = {"ultrasound_regions": [low, high]}
    length = "return MKISO.measure.distance(arguments[0], [30, 30], [arguments[1], 30]).value"
    assert call(length, frame, 50) == pytest.approx(20)
    assert call(length, frame, 90) == pytest.approx(30)


@pytest.mark.parametrize(
    ("attributes", "source"),
    [({"modality": "CR"}, "unsaid"), ({"modality": "CR", "pixel_spacing_calibration_type": "FIDUCIAL"}, "patient"),
     ({"modality": "CT"}, "patient"), ({"modality": "XA", "image_position_patient": [0, 0, 0]}, "patient")],
)  # fmt: skip
def test_a_projection_without_word_of_its_calibration_says_so(call, attributes, source):
    frame = {"pixel_spacing": [0.2, 0.2], **attributes}
    got = call("return MKISO.measure.distance(arguments[0], [0, 0], [10, 0])", frame)
    assert (got["value"], got["source"]) == (pytest.approx(2), source)


RULER = "return MKISO.ruler.lengthFor(arguments[0], arguments[1], 200)"


def test_the_ruler_is_the_longest_round_length_that_has_room(call):
    assert call(RULER, {"pixel_spacing": [0.7, 0.5]}, 2) == {"mm": 50, "points": pytest.approx(200)}
    assert call(RULER, {"pixel_spacing": [0.7, 0.5]}, 2.1)["mm"] == 20
    assert call(RULER, {"pixel_spacing": [0.0007, 0.0005]}, 1)["mm"] == 0.1


def test_there_is_no_ruler_where_no_one_scale_holds(call):
    one = {"bounds": [0, 0, 9, 9], "units_x": 3, "units_y": 3, "delta_x": 0.05, "delta_y": 0.05}
    other = {**one, "bounds": [10, 0, 19, 9], "delta_x": 0.1}
    assert call(RULER, {"ultrasound_regions": [one]}, 1)["mm"] == 100
    for frame in (
        {},
        {"ultrasound_regions": [one, other]},
        {"imager_pixel_spacing": [0.2, 0.2]},
        {"pixel_spacing": [0.2, 0.2], "modality": "CR"},
        {"pixel_aspect_ratio": [1, 1]},
    ):
        assert call(RULER, frame, 1) is None

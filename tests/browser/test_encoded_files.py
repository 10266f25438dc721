"""pydicom's own files through the program's encoder into the page: the stored values are pydicom's,
and what stands on the canvas is what numpy computes from them."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

from pathlib import Path

import numpy as np
import pydicom
import pytest
from browser import viewer_files
from browser.encoded_disc import NOT_COMPARED, compare, frames_of, painted, write_disc
from pydicom.pixels import apply_color_lut, apply_modality_lut
from received import bundled, bundled_files

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def files(chromium, tmp_path_factory):
    """The page with one series for each file; gives {name of the file: series entry id}."""
    folder = tmp_path_factory.mktemp("encoded")
    paths = [
        path
        for path in bundled_files()
        if "charset" not in str(path) and "palettes" not in str(path)
    ]
    order = write_disc(paths, folder / "disc", folder / "work")
    viewer_files.protect(folder / "disc")
    chromium.open((folder / "disc" / "INDEX.HTM").as_uri())
    chromium.wait_for("document.documentElement.dataset.viewer === 'ready'")
    chromium.log()
    yield {Path(path).name: f"S{number:05d}" for number, path in enumerate(order, 1)}
    viewer_files.unprotect(folder / "disc")


def test_every_stored_value_is_pydicoms(chromium, files):
    compared = sum(
        compare(chromium, files[path.name], path)
        for path in bundled_files()
        if path.name in files and path.name not in NOT_COMPARED
    )
    assert compared > 80


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "693_J2KI.dcm",
        "rtdose.dcm",
        "examples_overlay.dcm",
    ],
)
def test_grey_is_modality_and_window_of_the_file(chromium, files, name):
    data_set = pydicom.dcmread(bundled(name))
    values = apply_modality_lut(frames_of(bundled(name))[0], data_set).astype(float)
    values *= float(data_set.get("DoseGridScaling", 1))
    rgb, voi = painted(chromium, files[name])
    if "WindowCenter" in data_set:
        first = lambda value: float(value[0] if hasattr(value, "__len__") else value)  # noqa: E731
        center, width = first(data_set.WindowCenter), first(data_set.WindowWidth)
        wanted = np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
    elif data_set.Modality == "CT":  # soft tissue: percentiles would be those of the air
        wanted = np.clip((values - 49.5) / 399 + 0.5, 0, 1) * 255
    else:
        assert voi["kind"] == "LINEAR_EXACT"
        wanted = np.clip((values - voi["center"]) / voi["width"] + 0.5, 0, 1) * 255
    assert np.abs(rgb[..., 0] - wanted).max() <= 1
    assert (rgb[..., 0] == rgb[..., 2]).all()


def test_palette_colour_is_pydicoms(chromium, files):
    data_set = pydicom.dcmread(bundled("examples_palette.dcm"))
    wanted = apply_color_lut(frames_of(bundled("examples_palette.dcm"))[0], data_set) >> 8
    rgb, _ = painted(chromium, files["examples_palette.dcm"])
    assert (rgb == wanted).all()


@pytest.mark.parametrize(
    "name",
    [
        "examples_rgb_color.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_rle_16bit.dcm",
        "SC_rgb_small_odd.dcm",
        "examples_jpeg2k.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
    ],
)
def test_colours_are_pydicoms(chromium, files, name):
    pixels = frames_of(bundled(name))[0]
    rgb, _ = painted(chromium, files[name])
    wanted = pixels >> 8 if pixels.dtype == np.uint16 else pixels
    assert (rgb == wanted).all()


JPEG = """
    const entry = MKISO.disc.entries().find(each => each.name === arguments[0]);
    const frame = (await MKISO.disc.open(entry)).frames[0];
    if (frame.coding !== "jpeg") return null;
    const bitmap = (await MKISO.frames.get(frame)).bitmap, canvas = document.createElement("canvas");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data);
"""


def test_jpeg_colours_are_the_ones_pydicom_decodes(chromium, files):
    """Within what two decoders may differ; a wrong colour transform is off by far more."""
    compared = 0
    for path in bundled_files():
        if path.name not in files or not path.name.endswith(".dcm"):
            continue
        data = (
            chromium.eval(JPEG, files[path.name])
            if "jpeg" in path.name or "rgb" in path.name or "ybr" in path.name
            else None
        )
        pixels = frames_of(path)
        if data is None or pixels is None:
            continue
        rgb = np.array(data, np.uint8).reshape(*pixels[0].shape[:2], 4)[..., :3]
        assert np.abs(rgb.astype(int) - pixels[0]).mean() < 4, path.name
        compared += 1
    assert compared >= 5


def test_a_file_that_cannot_be_decoded_is_a_tile_with_its_name(chromium, files):
    chromium.eval(
        "await MKISO.app.open(MKISO.disc.entries().find(e => e.name === arguments[0]))",
        files["JPEG2000-embedded-sequence-delimiter.dcm"],
    )
    chromium.wait_for("!document.querySelector('.message').hidden")
    text = chromium.run("return document.querySelector('.message').textContent")
    assert "could not be decoded" in text
    assert "DICOM/SE" in text


def test_a_report_of_the_wild_can_be_read(chromium, files):
    chromium.eval(
        "await MKISO.app.open(MKISO.disc.entries().find(e => e.name === arguments[0]))",
        files["reportsi.dcm"],
    )
    text = chromium.wait_for(
        "document.querySelector('.paper') && document.querySelector('.paper').textContent"
    )
    assert len(text) > 200
    assert "undefined" not in text
    assert "null" not in text


def test_curves_have_the_values_that_pydicom_computes(chromium, files):
    """PS3.3 C.10.9.1.4: sensitivity, its correction and the baseline of each channel."""
    wanted = pydicom.dcmread(bundled("waveform_ecg.dcm")).waveform_array(0)
    got = chromium.eval(
        """
        const entry = MKISO.disc.entries().find(e => e.name === arguments[0]);
        const instance = (await MKISO.disc.open(entry)).instances[0], group = instance.waveform.groups[0], frame = instance.frames[0];
        const picture = await MKISO.frames.get(frame);
        return group.channels.map((channel, row) => MKISO.waveform.valuesOf(picture, frame, row, channel));
        """,
        files["waveform_ecg.dcm"],
    )
    assert np.allclose(np.array(got).T, wanted)


def test_nothing_was_logged(chromium, files):
    assert [line["message"] for line in chromium.log() if line["level"] == "SEVERE"] == []

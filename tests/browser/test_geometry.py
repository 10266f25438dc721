"""Where things are: the page against numbers computed with numpy."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import numpy as np
import pytest

pytestmark = pytest.mark.peers


# --- PS3.3 C.7.6.2: where things are ---


def oblique():
    row, column = np.array([0.8, 0.6, 0]), np.array([-0.36, 0.48, -0.8])
    return {
        "rows": 40, "columns": 60, "pixel_spacing": [0.7, 0.5], "image_position_patient": [-12.5, 30, 7],
        "image_orientation_patient": [*row.tolist(), *column.tolist()], "frame_of_reference_uid": "1.2",
    }  # fmt: skip


def test_pixels_are_where_the_standard_puts_them(call):
    frame = oblique()
    turn = np.array(frame["image_orientation_patient"]).reshape(2, 3)
    wanted = np.array(frame["image_position_patient"]) + 10 * 0.5 * turn[0] + 20 * 0.7 * turn[1]
    got = call(
        "const p = MKISO.geometry.planeOf(arguments[0]), at = MKISO.geometry.toPatient(p, 10, 20); return [at, MKISO.geometry.toPixel(p, at)];",
        frame,
    )
    assert np.allclose(got[0], wanted)
    assert np.allclose(got[1], [10, 20])


@pytest.mark.parametrize(
    ("direction", "letters"),
    [([1, 0, 0], "L"), ([-1, 0, 0], "R"), ([0, 1, 0], "P"), ([0, -1, 0], "A"), ([0, 0, 1], "H"),
     ([0, 0, -1], "F"), ([0.9, -0.4, 0.1], "LA"), ([0.05, 0.05, -0.99], "F"), ([-0.6, 0.64, 0.48], "PRH")],
)  # fmt: skip
def test_letters_of_directions(call, direction, letters):
    assert call("return MKISO.geometry.lettersOf(arguments[0])", direction) == letters


@pytest.mark.parametrize(
    ("rotation", "flipped", "edges"),
    [(0, False, "RALP"), (90, False, "PRAL"), (180, False, "LPRA"), (270, False, "ALPR"),
     (0, True, "LARP"), (90, True, "PLAR")],
)  # fmt: skip
def test_letters_at_the_edges_turn_with_the_image(call, rotation, flipped, edges):
    """left, top, right, bottom of an axial image, by its orientation and by Patient Orientation."""
    turn = {"rotation": rotation, "flipped": flipped}
    for frame in (
        {"image_orientation_patient": [1, 0, 0, 0, 1, 0]},
        {"patient_orientation": ["L", "P"]},
    ):
        got = call("return MKISO.geometry.edgeLetters(arguments[0], arguments[1])", frame, turn)
        assert "".join(got[side] for side in ("left", "top", "right", "bottom")) == edges


def test_no_letters_without_an_orientation(call):
    got = call("return MKISO.geometry.edgeLetters({}, { rotation: 0, flipped: false })")
    assert set(got.values()) == {""}
    assert (
        call("return MKISO.geometry.oppositeOf('LE') + MKISO.geometry.oppositeOf('AF')") == "RTPH"
    )


def test_reference_lines_are_the_cut_of_two_planes(call):
    axial = {
        "rows": 100, "columns": 100, "pixel_spacing": [2, 2], "image_position_patient": [-100, -100, 30],
        "image_orientation_patient": [1, 0, 0, 0, 1, 0], "frame_of_reference_uid": "1",
    }  # fmt: skip
    coronal = {
        "rows": 80, "columns": 60, "pixel_spacing": [3, 3], "image_position_patient": [-90, 10, 120],
        "image_orientation_patient": [1, 0, 0, 0, 0, -1], "frame_of_reference_uid": "1",
    }  # fmt: skip
    cut = "return MKISO.geometry.crossing(MKISO.geometry.planeOf(arguments[0]), MKISO.geometry.planeOf(arguments[1]))"
    line = sorted(call(cut, axial, coronal))
    assert np.allclose(line, [[(-90 - 1.5 + 100) / 2, 55], [(-90 + 59.5 * 3 + 100) / 2, 55]])
    far = {**coronal, "image_position_patient": [-90, 10, 900]}
    assert call(cut, axial, far) is None
    assert call(cut, axial, {**coronal, "frame_of_reference_uid": "2"}) is None
    assert call(cut, axial, {**axial, "image_position_patient": [0, 0, 0]}) is None


def test_the_nearest_slice_is_found_by_position(call):
    planes = [{**oblique(), "image_position_patient": [0, 0, z]} for z in (0, 5, 10, 15)]
    got = call(
        "const ps = arguments[0].map(MKISO.geometry.planeOf); return [[0, 0, 11], [3, 4, -50], [0, 0, 13]].map(p => MKISO.geometry.nearestPlane(ps, p));",
        [{**each, "image_orientation_patient": [1, 0, 0, 0, 1, 0]} for each in planes],
    )
    assert got == [2, 0, 3]


# --- presentation states (PS3.3 C.10) ---


def test_graphics_count_from_the_corner_of_the_first_pixel(call):
    path = call(
        "return MKISO.shapes.graphicPath({ type: 'POLYLINE', units: 'PIXEL', points: [0, 0, 10, 4] }, null)"
    )
    assert path["points"] == [[-0.5, -0.5], [9.5, 3.5]]
    area = call("return MKISO.shapes.areaOf({ top_left: [11, 21], bottom_right: [30, 60] }, null)")
    assert area == {"left": 9.5, "top": 19.5, "right": 29.5, "bottom": 59.5}
    path = call(
        "return MKISO.shapes.graphicPath({ type: 'POINT', units: 'DISPLAY', points: [0.5, 1] }, arguments[0])",
        area,
    )
    assert path["points"] == [[19.5, 59.5]]


@pytest.mark.parametrize(
    ("rotation", "flipped", "place"),
    [(0, False, [9.5, 19.5]), (90, False, [9.5, 59.5]), (180, False, [29.5, 59.5]), (270, False, [29.5, 19.5]), (0, True, [29.5, 19.5]), (90, True, [29.5, 59.5])],
)  # fmt: skip
def test_shares_of_the_display_count_after_the_turn(call, rotation, flipped, place):
    """The top left corner of the screen is that pixel of the image, as view.js turns it too."""
    area = {"left": 9.5, "top": 19.5, "right": 29.5, "bottom": 59.5}
    turn = {"rotation": rotation, "flipped": flipped}
    path = call(
        "return MKISO.shapes.graphicPath({ type: 'POINT', units: 'DISPLAY', points: [0, 0] }, arguments[0], arguments[1])",
        area,
        turn,
    )
    assert path["points"] == [place]
    at = call(
        """
        const m = MKISO.view.matrixOf({ scale: 1, x: 0, y: 0, ...arguments[1] }, { rows: 80, columns: 40 }, 1, [0, 0]);
        const [x, y] = MKISO.view.toScreen(m, arguments[0][0], arguments[0][1]);
        const corners = [[9.5, 19.5], [29.5, 19.5], [29.5, 59.5], [9.5, 59.5]].map(p => MKISO.view.toScreen(m, p[0], p[1]));
        return corners.every(c => x <= c[0] + 1e-9 && y <= c[1] + 1e-9);
        """,
        place, turn,
    )  # fmt: skip
    assert at is True


def test_circles_and_ellipses_are_round(call):
    circle = call(
        "return MKISO.shapes.graphicPath({ type: 'CIRCLE', units: 'PIXEL', points: [20, 20, 26, 28] }, null)"
    )
    away = np.hypot(*(np.array(circle["points"]) - 19.5).T)
    assert np.allclose(away, 10)
    ellipse = call(
        "return MKISO.shapes.graphicPath({ type: 'ELLIPSE', units: 'PIXEL', points: [10, 20, 30, 20, 20, 16, 20, 24] }, null)"
    )
    points = np.array(ellipse["points"]) - 19.5
    assert np.allclose((points[:, 0] / 10) ** 2 + (points[:, 1] / 4) ** 2, 1)


def test_shutters_keep_their_edges_visible(call):
    paths = call(
        "return MKISO.shapes.shutterPaths({ shapes: ['RECTANGULAR', 'CIRCULAR', 'POLYGONAL'], left: 3, right: 8, upper: 2, lower: 9, center: [5, 6], radius: 3, vertices: [1, 1, 1, 9, 9, 5] })"
    )
    assert paths[0] == [[1.5, 0.5], [7.5, 0.5], [7.5, 8.5], [1.5, 8.5]]
    assert np.allclose(np.hypot(*(np.array(paths[1]) - [5, 4]).T), 3)
    assert paths[2] == [[0, 0], [8, 0], [4, 8]]


# --- volumes ---


def volume_planes(count=6, step=(0, 0, 3), **more):
    return [
        {
            "rows": 8, "columns": 10, "pixel_spacing": [1.5, 2], "frame_of_reference_uid": "1",
            "image_orientation_patient": [1, 0, 0, 0, 1, 0],
            "image_position_patient": [n * step[0], 5 + n * step[1], n * step[2]], **more,
        }
        for n in range(count)
    ]  # fmt: skip


ARRANGE = "return MKISO.volume.arrange(arguments[0].map(MKISO.geometry.planeOf))"


def test_planes_are_put_in_order_and_checked(call):
    planes = volume_planes()
    assert call(ARRANGE, planes)["order"] == [0, 1, 2, 3, 4, 5]
    assert call(ARRANGE, planes[::-1])["order"] == [5, 4, 3, 2, 1, 0]
    assert call(ARRANGE, planes[:3]) == {"reason": "few"}
    assert call(ARRANGE, [*planes[:3], *planes[4:]]) == {"reason": "spacing"}
    assert call(ARRANGE, [*planes, planes[2]]) == {"reason": "spacing"}
    assert call(ARRANGE, [*planes[:-1], {**planes[-1], "columns": 12}]) == {"reason": "different"}
    assert call(ARRANGE, [*planes, {}]) == {"reason": "position"}
    assert "order" in call(ARRANGE, volume_planes(step=(0, 1, 3)))  # a tilted gantry


def test_planes_are_cut_out_with_trilinear_interpolation(call):
    """On a volume whose value is linear in the patient's coordinates every cut shows that value."""
    planes = volume_planes(step=(0, 1, 3))
    values = []
    for plane in planes:
        y, x = np.mgrid[0:8, 0:10]
        position = np.array(plane["image_position_patient"])
        values.append(
            100 + 7 * (position[0] + 2 * x) + 3 * (position[1] + 1.5 * y) - 5 * position[2]
        )
    got = call(
        """
        const planes = arguments[0].map(MKISO.geometry.planeOf), arranged = MKISO.volume.arrange(planes);
        const made = { values: Float32Array.from(arguments[1]), columns: 10, rows: 8, planes: 6, frameOfReference: "1",
                       grid: MKISO.volume.indexOf(arranged, 6, 1) };
        const out = {};
        for (const name of ["axial", "coronal", "sagittal"]) {
            const plane = MKISO.volume.planeThrough(made, name, [7, 12, 6.5], 1);
            out[name] = { plane, values: Array.from(MKISO.volume.slice(made, plane, -9999)) };
        }
        return out;
        """,
        planes,
        np.concatenate([each.reshape(-1) for each in values]).tolist(),
    )
    for cut in got.values():
        plane = cut["plane"]
        rows, columns = plane["rows"], plane["columns"]
        y, x = np.mgrid[0:rows, 0:columns]
        point = (
            np.array(plane["origin"])
            + x[..., None] * np.array(plane["row"])
            + y[..., None] * np.array(plane["column"])
        )
        wanted = 100 + 7 * point[..., 0] + 3 * point[..., 1] - 5 * point[..., 2]
        found = np.array(cut["values"]).reshape(rows, columns)
        inside = found != -9999
        assert inside.mean() > 0.4
        assert np.abs(found - wanted)[inside].max() < 0.001


@pytest.mark.parametrize(
    ("rotation", "flip", "top_left"),
    [
        (0, False, [0, 0]), (90, False, [0, 7]), (180, False, [3, 7]), (270, False, [3, 0]),
        (0, True, [3, 0]), (90, True, [0, 0]), (180, True, [0, 7]), (270, True, [3, 7]),
    ],
)  # fmt: skip
def test_a_presentation_state_turns_first_and_mirrors_then(call, rotation, flip, top_left):
    """The pixel that numpy has at the top left after rot90 (clockwise) and fliplr (PS3.3 C.10.6)."""
    pixels = np.arange(32).reshape(8, 4)
    turned = np.rot90(pixels, -rotation // 90)
    shown = np.fliplr(turned) if flip else turned
    assert [shown[0, 0] % 4, shown[0, 0] // 4] == top_left
    first = call(
        """
        const turn = MKISO.view.turnOf({ rotation: arguments[0], horizontal_flip: arguments[1] });
        const m = MKISO.view.matrixOf({ scale: 1, x: 0, y: 0, ...turn }, { rows: 8, columns: 4 }, 1, [0, 0]);
        const all = [];
        for (let y = 0; y < 8; y++) for (let x = 0; x < 4; x++) all.push([MKISO.view.toScreen(m, x, y), [x, y]]);
        all.sort((a, b) => Math.round(a[0][1] - b[0][1]) || Math.round(a[0][0] - b[0][0]));
        return all.map(each => each[1][1] * 4 + each[1][0]);
        """,
        rotation, flip,
    )  # fmt: skip
    assert first == shown.reshape(-1).tolist()


def test_a_round_shutter_is_round_on_pixels_that_are_not_square(call):
    shutters = {"shapes": ["CIRCULAR"], "center": [50, 50], "radius": 20}
    (path,) = call("return MKISO.shapes.shutterPaths(arguments[0], 2)", shutters)
    across, down = (np.array(path) - 49).T
    assert np.allclose(np.hypot(across, 2 * down), 20)


def turned(rng):
    """A frame that lies somewhere in the patient, at any angle."""
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return {
        "rows": 50, "columns": 70, "pixel_spacing": [2.5, 1.5], "frame_of_reference_uid": "1",
        "image_position_patient": (rng.uniform(-20, 20, 3) - 50 * axes[0] - 60 * axes[1]).tolist(),
        "image_orientation_patient": [*axes[0].tolist(), *axes[1].tolist()],
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_a_reference_line_lies_in_both_planes_and_ends_at_the_edge_of_the_other(call, seed):
    rng = np.random.default_rng(seed)
    frame, other = turned(rng), turned(rng)
    line = call(
        """
        const [a, b] = arguments[0].map(MKISO.geometry.planeOf), cut = MKISO.geometry.crossing(a, b);
        return cut && cut.map(p => [MKISO.geometry.toPatient(a, p[0], p[1]), MKISO.geometry.toPixel(b, MKISO.geometry.toPatient(a, p[0], p[1]))]);
        """,
        [frame, other],
    )
    row, column = np.array(other["image_orientation_patient"]).reshape(2, 3)
    normal = np.cross(*np.array(frame["image_orientation_patient"]).reshape(2, 3))
    corners = [
        np.array(other["image_position_patient"]) + x * 1.5 * row + y * 2.5 * column
        for x in (-0.5, 69.5)
        for y in (-0.5, 49.5)
    ]
    sides = {np.dot(each - frame["image_position_patient"], normal) > 0 for each in corners}
    assert (line is not None) == (len(sides) == 2)
    for point, (x, y) in line or ():
        away = np.dot(np.array(point) - other["image_position_patient"], np.cross(row, column))
        assert away == pytest.approx(0, abs=1e-9)
        assert -0.5 - 1e-9 <= x <= 69.5 + 1e-9
        assert -0.5 - 1e-9 <= y <= 49.5 + 1e-9
        assert min(abs(x + 0.5), abs(x - 69.5), abs(y + 0.5), abs(y - 49.5)) < 1e-9

"""Several images at once, beside each other, one after the other, and as a volume."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import numpy as np
import pytest
from browser import viewer_files as files
from browser.looking import show

pytestmark = pytest.mark.peers


# --- several images at once ---


def test_two_series_scroll_together_by_position_and_show_where_they_cut(page):
    page.keys("c")
    page.wait_for(
        "document.querySelectorAll('.stage .viewport').length === 2 && MKISO.app.stage.ordinary()[1].frame()"
    )
    page.frames()
    page.frames()
    lines_ = page.run("return MKISO.app.stage.shown().map(v => v.lines.length)")
    assert lines_ == [1, 1]
    cut = page.run(
        "const [a, b] = MKISO.app.stage.ordinary(); return [b.lines[0].points, a.planes[0].origin, b.planes[0].origin, b.planes[0].spacing]"
    )
    assert cut[0][0][1] == pytest.approx((cut[2][2] - cut[1][2]) / cut[3][0])
    before = page.run("return MKISO.app.stage.ordinary()[1].shown")
    page.wheel(400, 400, 100, 2)  # axial against coronal: planes at right angles stay
    page.wait_for("MKISO.app.stage.ordinary()[0].shown === 2")
    assert page.run("return MKISO.app.stage.ordinary()[1].shown") == before
    page.eval("await MKISO.app.stage.ordinary()[1].open(MKISO.disc.entries()[0], 0)")
    page.wait_for("MKISO.app.stage.ordinary()[1].frame()")
    page.wheel(400, 400, 100, 3)
    page.wait_for(
        "MKISO.app.stage.ordinary()[0].shown === 5 && MKISO.app.stage.ordinary()[1].shown === 5"
    )
    page.keys("l")
    page.wheel(400, 400, 100)
    page.wait_for("MKISO.app.stage.ordinary()[0].shown === 6")
    assert page.run("return MKISO.app.stage.ordinary()[1].shown") == 5
    page.keys("l", "c")
    assert page.run("return document.querySelectorAll('.stage .viewport').length") == 1


def test_series_of_two_frames_of_reference_keep_their_distance(page):
    """An earlier examination: parallel planes go the same way, from where they stand."""
    moved = page.run(
        """
        const plane = z => MKISO.geometry.planeOf({ rows: 10, columns: 10, pixel_spacing: [1, 1], image_position_patient: [0, 0, z],
            image_orientation_patient: [1, 0, 0, 0, 1, 0], frame_of_reference_uid: arguments[0] });
        const of = (uid, step) => Array.from({ length: 40 }, (_, n) => MKISO.geometry.planeOf({ rows: 10, columns: 10, pixel_spacing: [1, 1],
            image_position_patient: [0, 0, n * step], image_orientation_patient: [1, 0, 0, 0, 1, 0], frame_of_reference_uid: uid }));
        const a = { planes: of("1", 2), frames: Array(40), wanted: 10, entry: {} }, b = { planes: of("2", 5), frames: Array(40), wanted: 20, entry: {} };
        const seen = [];
        for (let step = 0; step < 10; step++) { a.wanted++; b.wanted = MKISO.sync.follow(a, b, 1); seen.push(b.wanted); }
        return seen;
        """
    )
    assert moved == [20, 21, 21, 22, 22, 22, 23, 23, 24, 24]


def test_three_planes_of_a_volume(page):
    values = page.eval(
        """
        const frames = MKISO.app.active().frames, pictures = await Promise.all(frames.map(f => MKISO.frames.get(f)));
        return pictures.map(p => p.planes[0][256 * 512 + 200]);
        """
    )
    page.keys("m")
    page.wait_for("MKISO.mpr.volume() && MKISO.mpr.viewports().every(v => v.frame())")
    found = page.eval(
        """
        const [axial, coronal, sagittal] = MKISO.mpr.viewports();
        coronal.go(256);
        const picture = MKISO.frames.peek(coronal.frames[256]), frame = coronal.frames[256];
        const out = [];
        for (let row = 0; row < frame.rows; row++) out.push(picture.planes[0][row * frame.columns + 200]);
        return { spacing: frame.pixel_spacing[0], sizes: MKISO.mpr.viewports().map(v => v.frames.length), out, rows: frame.rows, edges: MKISO.geometry.edgeLetters(frame, { rotation: 0, flipped: false }) };
        """
    )
    assert found["sizes"] == [12, 512, 512]
    assert found["edges"] == {"left": "R", "right": "L", "top": "H", "bottom": "F"}
    wanted = np.interp(np.arange(found["rows"]) * found["spacing"] / 15, np.arange(12), values)
    assert found["rows"] > 200
    assert np.abs(np.array(found["out"]) - wanted).max() <= 0.51
    page.run("MKISO.app.crossed(MKISO.mpr.viewports()[0], [100, 300])")
    page.wait_for(
        "MKISO.mpr.viewports()[1].shown === 300 && MKISO.mpr.viewports()[2].shown === 100"
    )
    page.frames()
    page.frames()
    assert page.run("return MKISO.mpr.viewports().map(v => v.lines.length)") == [2, 2, 2]
    assert "Reformatted" in page.run(
        "return document.querySelector('.stage .corner.tl').textContent"
    )
    page.keys("m")
    assert page.state()["mpr"] is False
    assert page.state()["frames"] == 12


def test_a_plane_of_a_volume_has_nothing_of_a_single_slice(page):
    """Key object, shutter and presentation state are those of one image and not of a cut."""
    page.run(
        "const v = MKISO.app.active(); for (const f of v.frames) f.shutters = { shapes: ['CIRCULAR'] }; v.frames[0].instance.place = 3;"
    )
    assert page.run("return MKISO.disc.isKey(MKISO.app.active().frames[0])")
    page.keys("m")
    page.wait_for("MKISO.mpr.volume() && MKISO.mpr.viewports().every(v => v.frame())")
    found = page.run(
        "return MKISO.mpr.viewports().map(v => [MKISO.disc.isKey(v.frame()), !!v.frame().shutters, !!v.presentation, !!v.frame().overlays])"
    )
    page.keys("m")
    assert found == [[False] * 4] * 3


def test_no_volume_of_what_is_none(page):
    show(page, 2)
    page.frames()
    assert page.run("return document.querySelector('[data-tool=mpr]').disabled")
    page.keys("m")
    assert page.state()["mpr"] is False


# --- time ---


def test_cine_runs_at_the_pace_of_the_file(page):
    show(page, 2)
    assert page.run("return MKISO.cine.rateOf(MKISO.app.active().frames[0])") == 25
    page.eval("await Promise.all(MKISO.app.active().frames.map(f => MKISO.frames.get(f)))")
    page.keys("Space")
    took = page.eval(
        """
        const v = MKISO.app.active(), after = count => new Promise(done => {
            const look = () => MKISO.cine.shownFrames(v) >= count ? done(performance.now()) : requestAnimationFrame(look);
            look();
        });
        const first = await after(5);
        return await after(30) - first;
        """
    )
    page.keys("Space")
    assert 900 < took < 8000  # 25 frames of 40 ms; never faster, slower on a busy machine
    assert page.run("return MKISO.cine.isPlaying(MKISO.app.active())") is False


@pytest.mark.parametrize(
    ("attributes", "rate"),
    [({"frame_time": 50}, 20), ({"cine_rate": 30, "frame_time": 50}, 30), ({"recommended_display_frame_rate": 12, "cine_rate": 30}, 12),
     ({"frame_time_vector": [0, 100, 100, 40]}, 12.5), ({}, 15)],
)  # fmt: skip
def test_the_pace_is_found_wherever_the_file_has_it(call, attributes, rate):
    assert call("return MKISO.cine.rateOf(arguments[0])", attributes) == pytest.approx(rate)


def test_trimmed_frames_are_not_played(call):
    ends = "return MKISO.cine.endsOf(arguments[0])"
    frames = [{"start_trim": 3, "stop_trim": 8}, *[{}] * 9]
    assert call(ends, frames) == [2, 7]
    assert call(ends, [{}] * 10) == [0, 9]
    assert call(ends, [{"start_trim": 30, "stop_trim": 8}, *[{}] * 9]) == [0, 9]


@pytest.mark.parametrize("slopes", [True, False])
def test_a_volume_of_unequal_slices_has_the_value_of_each(write_page, open_page, slopes):
    """PET has a slope for each slice; a table may do the same. The step is made once, not twice."""
    disc, instances = files.Disc(), []
    table = {**files.lookup_table(np.arange(400) * 3), "modality_lut_type": "US"}
    for number in range(6):
        pixels = np.arange(100, 356, dtype=np.uint16).reshape(16, 16)
        parts, attributes = files.coded_frame(pixels)
        step = (
            {"rescale_slope": number + 1, "rescale_intercept": 5}
            if slopes
            else {"modality_lut": table}
        )
        instances.append(
            {
                "number": number + 1,
                "image_position_patient": [0, 0, 2.0 * number],
                "frames": [{"parts": parts, **attributes, **step}],
            }
        )
    common = {
        "photometric_interpretation": "MONOCHROME2", "pixel_spacing": [2, 2], "image_orientation_patient": [1, 0, 0, 0, 1, 0],
        "frame_of_reference_uid": "1.2", "windows": [{"center": 500, "width": 1000}],
    }  # fmt: skip
    disc.add_series(instances, common=common, modality="PT")
    browser = open_page(write_page(disc))
    browser.keys("m")
    browser.wait_for("MKISO.mpr.volume() && MKISO.mpr.viewports().every(v => v.frame())")
    got = browser.run(
        """
        const axial = MKISO.mpr.viewports()[0];
        return axial.frames.map(frame => {
            const picture = MKISO.frames.peek(frame);
            return [frame.image_position_patient[2], MKISO.display.valueAt(frame, picture, 4, 5)];
        });
        """
    )
    stored = 100 + 5 * 16 + 4
    for height, value in got:
        number = round(height / 2)
        assert value == pytest.approx(stored * (number + 1) + 5 if slopes else stored * 3)
    assert len(got) == 6

"""What the file says about its pixels is what the screen shows."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import numpy as np
import pytest
from browser import viewer_files as files

pytestmark = pytest.mark.peers


def test_a_preview_wears_its_badge(write_page, open_page, chromium):
    jpeg = chromium.eval(
        """
        const canvas = document.createElement("canvas");
        canvas.width = 40; canvas.height = 30;
        canvas.getContext("2d").fillStyle = "#888";
        canvas.getContext("2d").fillRect(0, 0, 40, 30);
        const blob = await new Promise(done => canvas.toBlob(done, "image/jpeg"));
        return Array.from(new Uint8Array(await blob.arrayBuffer()));
        """
    )
    parts, attributes = files.coded_stream(bytes(jpeg), 300, 400, "preview")
    disc = files.Disc()
    disc.add_series(
        [{"number": 1, "frames": [{"parts": parts, **attributes, "reason": {"code": "space"}}]}],
        description="Small",
        preview=True,
    )
    browser = open_page(write_page(disc))
    assert "Preview" in browser.run("return document.querySelector('.corner.tl').textContent")
    assert "previews" in browser.run("return document.querySelector('.notice').textContent")
    assert "Preview" in browser.run("return document.querySelector('.item').textContent")
    size = browser.run(
        "return [MKISO.app.active().picture().bitmap.width, MKISO.app.active().frame().columns]"
    )
    assert size == [40, 400]


def test_pixels_that_are_not_square_are_shown_in_proportion(write_page, open_page):
    disc = files.Disc()
    parts, attributes = files.coded_frame(np.ones((100, 100), np.uint8))
    disc.add_series(
        [{"frames": [{"parts": parts, **attributes}]}],
        common={"photometric_interpretation": "MONOCHROME2", "pixel_aspect_ratio": [2, 1]},
    )
    browser = open_page(write_page(disc))
    m = browser.run("return MKISO.app.active().matrix()")
    assert m["d"] / m["a"] == pytest.approx(2)


def painted(browser):
    data = browser.eval(
        """
        const v = MKISO.app.active(), shot = v.shot();
        const canvas = MKISO.render.paint(shot.picture, shot.frame, shot.chain, document.createElement("canvas"), 1);
        return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data);
        """
    )
    return np.array(data, np.uint8).reshape(
        browser.run("return MKISO.app.active().frame().rows"), -1, 4
    )[..., :3]


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_every_type_of_pixel_is_painted_with_its_window(write_page, open_page, kind):
    pixels = np.linspace(-100 if kind[0] != "u" else 0, 100, 20 * 30).reshape(20, 30).astype(kind)
    parts, attributes = files.coded_frame(pixels)
    disc = files.Disc()
    common = {
        "photometric_interpretation": "MONOCHROME2", "rescale_slope": 0.5, "rescale_intercept": 3,
        "windows": [{"center": 10, "width": 50, "explanation": ""}], "voi_lut_function": "LINEAR_EXACT",
    }  # fmt: skip
    disc.add_series([{"frames": [{"parts": parts, **attributes}]}], common=common, modality="MR")
    browser = open_page(write_page(disc))
    wanted = np.clip((pixels.astype(float) * 0.5 + 3 - 10) / 50 + 0.5, 0, 1) * 255
    assert np.abs(painted(browser)[..., 0] - wanted).max() <= 0.51


def test_a_large_image_is_rough_for_a_moment_and_then_exact(write_page, open_page):
    pixels = (np.arange(1700 * 1300, dtype=np.uint32) % 4001).astype(np.uint16).reshape(1700, 1300)
    parts, attributes = files.coded_frame(pixels, 400)
    disc = files.Disc()
    common = {
        "photometric_interpretation": "MONOCHROME2",
        "windows": [{"center": 2000, "width": 4000}],
        "voi_lut_function": "LINEAR_EXACT",
    }
    disc.add_series([{"frames": [{"parts": parts, **attributes}]}], common=common, modality="DX")
    browser = open_page(write_page(disc))
    browser.wait_for("MKISO.app.active().paintedKey")
    data = browser.run(
        "const c = MKISO.app.active().pixels; const d = c.getContext('2d').getImageData(0, 850, c.width, 3).data; return [c.width, c.height, Array.from(d).filter((_, n) => n % 4 === 0)]"
    )
    assert data[:2] == [1300, 1700]
    wanted = np.clip((pixels[850:853].astype(float) - 2000) / 4000 + 0.5, 0, 1) * 255
    assert np.abs(np.array(data[2]).reshape(3, 1300) - wanted).max() <= 0.51
    browser.drag((700, 400), (740, 400))
    browser.wait_for(
        "MKISO.app.active().paintedKey && MKISO.app.active().paintedKey.includes(String(MKISO.app.active().voi().width))"
    )


def test_tables_of_the_file_are_the_default_and_can_be_left(write_page, open_page):
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    modality = (np.arange(256)[::-1] * 4).astype(np.uint16)
    voi = (np.sqrt(np.arange(1024)) * 127).astype(np.uint16)
    parts, attributes = files.coded_frame(pixels)
    disc = files.Disc()
    common = {
        "photometric_interpretation": "MONOCHROME2",
        "modality_lut": {**files.lookup_table(modality), "modality_lut_type": "US"},
        "voi_luts": [files.lookup_table(voi, 0, 12, "CURVED")],
    }  # fmt: skip
    disc.add_series([{"frames": [{"parts": parts, **attributes}]}], common=common, modality="DX")
    browser = open_page(write_page(disc))
    wanted = voi[modality[pixels]] / 4095 * 255
    assert np.abs(painted(browser)[..., 0] - wanted).max() <= 0.51
    assert "VOI CURVED" in browser.run("return document.querySelector('.corner.bl').textContent")
    browser.drag((700, 400), (720, 400))
    after = browser.run("return MKISO.app.active().voi()")
    assert after["width"] > 900
    assert after["kind"] == "LINEAR_EXACT"


def test_windows_and_slopes_of_each_frame_are_its_own(write_page, open_page):
    """As PET and enhanced objects have them; until a person chooses a window for all."""
    frames = []
    for number in range(3):
        parts, attributes = files.coded_frame(np.full((8, 8), 100, np.uint16))
        frames.append(
            {"parts": parts, **attributes, "rescale_slope": number + 1, "windows": [{"center": 100 * (number + 1), "width": 50 * (number + 1)}]}
        )  # fmt: skip
    disc = files.Disc()
    disc.add_series(
        [{"frames": frames}],
        common={"photometric_interpretation": "MONOCHROME2", "units": "BQML"},
        modality="PT",
    )
    browser = open_page(write_page(disc))
    for number in range(3):
        browser.run("MKISO.app.active().go(arguments[0])", number)
        browser.wait_for("MKISO.app.active().shown === given[0]", number)
        state = browser.run(
            "const v = MKISO.app.active(); return [v.voi().center, v.voi().width, MKISO.display.valueAt(v.frame(), v.picture(), 3, 3)]"
        )
        assert state == [100 * (number + 1), 50 * (number + 1), 100 * (number + 1)]
    assert browser.run("return MKISO.display.unitOf(MKISO.app.active().frame())") == "Bq/ml"
    browser.keys("Shift+ArrowRight", "Home")
    browser.wait_for("MKISO.app.active().shown === 0")
    assert browser.run("return MKISO.app.active().voi().center") == 300


def test_overlay_planes_lie_where_their_origin_says(write_page, open_page):
    parts, attributes = files.coded_frame(np.zeros((40, 60), np.uint8))
    bits = np.zeros((6, 9), np.uint8)
    bits[2:4, 3:6] = 1
    overlay = {
        "group": 0x6000, "rows": 6, "columns": 9, "origin": [11, 21], "type": "G",
        "data": files.blob(np.packbits(bits.reshape(-1), bitorder="little").tobytes()),
    }  # fmt: skip
    disc = files.Disc()
    disc.add_series(
        [{"frames": [{"parts": parts, **attributes, "overlays": [overlay]}]}],
        common={"photometric_interpretation": "MONOCHROME2"},
    )
    browser = open_page(write_page(disc))
    look = """
        const v = MKISO.app.active(); v.drawNow();
        return given[0].map(p => { const s = MKISO.view.toScreen(v.matrix(), p[0], p[1]);
            return v.graphicsCanvas.getContext("2d").getImageData(Math.round(s[0]), Math.round(s[1]), 1, 1).data[3]; });
    """.replace("given", "arguments")
    browser.wait_for(
        "(v => { v.drawNow(); const s = MKISO.view.toScreen(v.matrix(), 24, 12); return v.graphicsCanvas.getContext('2d').getImageData(Math.round(s[0]), Math.round(s[1]), 1, 1).data[3]; })(MKISO.app.active())"
    )
    # columns 24 ... 26 and rows 13 ... 14, counted from 1
    assert browser.run(look, [[23, 12], [25, 13], [22, 12], [26, 12], [24, 11], [24, 14]]) == [
        255,
        255,
        0,
        0,
        0,
        0,
    ]
    browser.keys("o")
    assert browser.run(look, [[23, 12]]) == [0]
    assert browser.run("return document.querySelector('.corner.bl').textContent") == ""


def test_a_flat_image_without_a_window_is_dark(write_page, open_page):
    parts, attributes = files.coded_frame(np.full((9, 9), 500, np.uint16))
    disc = files.Disc()
    common = {"photometric_interpretation": "MONOCHROME2", "statistics": [500, 500, 500, 500]}
    disc.add_series([{"frames": [{"parts": parts, **attributes}]}], common=common, modality="MR")
    browser = open_page(write_page(disc))
    assert painted(browser).max() == 0


def test_the_window_without_one_lies_between_the_percentiles_of_the_stack(write_page, open_page):
    disc = files.Disc()
    frames = []
    for number in range(2):
        pixels = np.arange(100, dtype=np.uint16).reshape(10, 10) * 10 * (number + 1)
        parts, attributes = files.coded_frame(pixels)
        low, high = np.percentile(pixels, [1, 99]).tolist()
        statistics = [int(pixels.min()), int(pixels.max()), low, high]
        frames.append({"parts": parts, **attributes, "statistics": statistics, "rescale_slope": 2})
    common = {"photometric_interpretation": "MONOCHROME2"}
    disc.add_series([{"frames": frames}], common=common, modality="MR")
    browser = open_page(write_page(disc))
    low, high = 2 * frames[0]["statistics"][2], 2 * frames[1]["statistics"][3]
    wanted = np.clip((np.arange(100) * 20 - low) / (high - low), 0, 1) * 255
    assert np.abs(painted(browser)[..., 0].reshape(-1) - wanted).max() <= 0.51


def test_shutters_of_the_image_itself_hide_what_is_outside(write_page, open_page):
    parts, attributes = files.coded_frame(np.full((50, 50), 200, np.uint8))
    disc = files.Disc()
    shutters = {"shapes": ["CIRCULAR"], "center": [25, 25], "radius": 15, "value": 65535}
    common = {"photometric_interpretation": "MONOCHROME2", "shutters": shutters}
    disc.add_series([{"frames": [{"parts": parts, **attributes}]}], common=common, modality="XA")
    browser = open_page(write_page(disc))
    look = """
        const v = MKISO.app.active(); v.drawNow();
        return arguments[0].map(p => { const s = MKISO.view.toScreen(v.matrix(), p[0], p[1]);
            return Array.from(v.graphicsCanvas.getContext("2d").getImageData(Math.round(s[0]), Math.round(s[1]), 1, 1).data); });
    """
    assert browser.run(look, [[24, 24], [24, 36]]) == [[0, 0, 0, 0]] * 2
    assert browser.run(look, [[24, 42], [2, 2]]) == [[255, 255, 255, 255]] * 2


def test_a_pseudo_colour_state_colours_the_greys(call):
    got = call(
        """
        const table = values => ({ first: 0, bits: 16, values: Uint16Array.from(values) });
        const palette = { red: table([0, 65535]), green: table([0, 0]), blue: table([65535, 0]) };
        return [0, 0.4, 0.6, 1].map(share => MKISO.lut.pseudoColour(share, palette));
        """
    )
    assert got == [[0, 0, 255], [0, 0, 255], [255, 0, 0], [255, 0, 0]]


@pytest.mark.parametrize(
    ("attributes", "unit"),
    [({"modality": "CT", "rescale_slope": 1}, "HU"), ({"modality": "CT"}, ""), ({"modality": "CT", "rescale_slope": 1, "rescale_type": "US"}, ""),
     ({"modality": "MR", "rescale_slope": 2}, ""), ({"modality": "CT", "rescale_slope": 1, "rescale_type": "MGML"}, "mg/ml"),
     ({"modality": "PT", "units": "BQML", "rescale_slope": 3}, "Bq/ml"), ({"modality": "DX", "modality_lut": {"modality_lut_type": "OD"}}, "10⁻³ OD")],
)  # fmt: skip
def test_the_unit_is_the_files_and_hounsfield_only_where_a_ct_rescales(call, attributes, unit):
    assert call("return MKISO.display.unitOf(arguments[0])", attributes) == unit


def test_numbers_have_the_languages_decimal_sign_and_no_groups(call):
    got = call(
        """
        const out = {};
        for (const code of MKISO.words.languages()) { MKISO.words.use(code); out[code] = MKISO.words.number(-1234.56, 1); }
        MKISO.words.use("en");
        return out;
        """
    )
    assert got == dict.fromkeys(("de", "es", "fr", "vi"), "-1234,6") | {
        "en": "-1234.6",
        "ko": "-1234.6",
    }


@pytest.mark.parametrize(("stored", "value"), [(9, None), (10, 7.5), (12, 8.5), (13, None)])
def test_real_world_values_come_from_a_table_or_a_slope(call, stored, value):
    for more in ({"lut": [7.5, 8, 8.5]}, {"slope": 0.5, "intercept": 2.5}):
        given = {"first": 10, "last": 12, "unit": "mm2/s", **more}
        assert (
            call("return MKISO.tools.realValue(arguments[0], arguments[1])", given, stored) == value
        )


@pytest.mark.parametrize("windows", [[], [{"center": 5, "width": 0}], [{"center": 5, "width": -3}]])
def test_a_window_that_is_none_leaves_the_estimated_one(write_page, open_page, windows):
    parts, attributes = files.coded_frame(np.arange(100, dtype=np.uint16).reshape(10, 10))
    disc = files.Disc()
    common = {"photometric_interpretation": "MONOCHROME2", "windows": windows}
    disc.add_series([{"frames": [{"parts": parts, **attributes}]}], common=common, modality="MR")
    browser = open_page(write_page(disc))
    wanted = np.arange(100) / 99 * 255
    assert np.abs(painted(browser)[..., 0].reshape(-1) - wanted).max() <= 0.51

"""Scrolling, window, zoom, turning and measuring do what they say, by mouse and by keyboard."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import numpy as np
import pytest
from browser.looking import pixel_of, screen

pytestmark = pytest.mark.peers


# --- scrolling ---


def test_wheel_and_keys_scroll(page):
    page.wheel(700, 400, 100, 3)
    page.wait_for("MKISO.app.active().shown === 3")
    page.wheel(700, 400, -100)
    page.wait_for("MKISO.app.active().shown === 2")
    page.keys("ArrowDown", "ArrowDown", "ArrowUp")
    page.wait_for("MKISO.app.active().shown === 3")
    page.keys("End")
    page.wait_for("MKISO.app.active().shown === 11")
    page.wait_for("document.querySelector('.corner.bl').textContent.includes('Image 12 of 12')")
    page.keys("ArrowDown")
    page.frames()
    assert page.state()["shown"] == 11
    page.keys("Home")
    page.wait_for("MKISO.app.active().shown === 0")


def test_the_bar_and_the_scroll_tool_reach_every_image(page):
    box = page.run(
        "const b = document.querySelector('.track').getBoundingClientRect(); return [b.left + b.width / 2, b.top, b.height]"
    )
    page.drag((box[0], box[1] + 5), (box[0], box[1] + box[2] - 3))
    page.wait_for("MKISO.app.active().shown === 11")
    page.keys("s")
    page.drag((700, 500), (700, 300))
    page.wait_for("MKISO.app.active().shown < 5")


def test_text_and_image_always_belong_together(page):
    """While an image is not there yet, the one before stays with its own number."""
    seen = page.eval(
        """
        const v = MKISO.app.active(), bad = [];
        for (let step = 0; step < 60; step++) {
            v.go((step * 7) % v.frames.length);
            v.drawNow();
            const text = document.querySelector(".corner.bl").textContent;
            if (v.shown >= 0 && !text.includes("Image " + (v.shown + 1) + " of")) bad.push([step, text]);
            if (v.picture() && v.picture().sum !== v.frame().sum) bad.push([step, "pixels"]);
            if (step % 5 === 0) await new Promise(r => setTimeout(r, 5));
        }
        return bad;
        """
    )
    assert seen == []


def test_page_keys_go_to_the_neighbouring_series(page):
    page.keys("PageDown")
    page.wait_for("MKISO.app.active().entry.id === 'S00002/0' && MKISO.app.active().frame()")
    page.keys("PageUp")
    page.wait_for("MKISO.app.active().entry.id === 'S00001/0' && MKISO.app.active().frame()")


# --- window, zoom, turn ---


def test_dragging_changes_window_and_level(page):
    before = page.state()
    page.drag((600, 400), (700, 400))
    after = page.state()
    assert after["width"] > before["width"]
    assert after["center"] == before["center"]
    page.drag((600, 400), (600, 450))
    assert page.state()["center"] > after["center"]
    page.keys("r")
    assert (page.state()["center"], page.state()["width"]) == (40, 400)
    page.keys("Shift+ArrowUp", "Shift+ArrowRight")
    assert (page.state()["center"], page.state()["width"]) == (20, 420)


def test_the_screen_shows_what_window_and_value_say(page):
    value = page.run("const v = MKISO.app.active(); return v.picture().planes[0][256 * 512 + 256]")
    for center, width in ((40, 400), (value, 100), (value + 60, 100)):
        page.run(
            "MKISO.app.active().setChoice({ center: arguments[0], width: arguments[1], kind: 'LINEAR' }); MKISO.app.active().actualSize()",
            center,
            width,
        )
        wanted = np.clip((value - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
        assert abs(pixel_of(page, 256, 256)[0] - wanted) <= 1


def test_presets_are_the_files_windows_and_then_those_for_ct(page):
    page.keys("2")
    assert (page.state()["center"], page.state()["width"]) == (-550, 1500)
    page.keys("5")
    assert (page.state()["center"], page.state()["width"]) == (400, 1800)
    page.run("document.querySelector('[data-tool=presets]').click()")
    items = page.run(
        "return Array.from(document.querySelectorAll('.menu button bdi'), e => e.textContent)"
    )
    assert items[0].startswith("SOFT TISSUE")
    assert items[1].startswith("LUNG")
    assert any(item.startswith("Brain") for item in items)
    page.keys("ArrowDown", "Escape")
    assert page.run("return document.querySelector('.menu')") is None


def test_invert_and_reset(page):
    dark = pixel_of(page, 5, 5)
    page.keys("i")
    assert pixel_of(page, 5, 5)[0] == 255 - dark[0]
    assert "inverted" in page.run("return document.querySelector('.corner.bl').textContent")
    page.keys("r")
    assert pixel_of(page, 5, 5) == dark


def test_zoom_keeps_the_point_under_the_pointer(page):
    before = screen(page, 300, 200)
    page.move(*before)
    page.eval(
        "MKISO.app.zoomed(MKISO.app.active(), 1.7, arguments[0])",
        page.run(
            "const b = MKISO.app.active().element.getBoundingClientRect(); return [arguments[0] - b.left, arguments[1] - b.top]",
            *before,
        ),
    )
    after = screen(page, 300, 200)
    assert np.allclose(before, after, atol=0.5)
    scale = page.state()["view"]["scale"]
    page.drag((700, 400), (700, 350), button=2)
    assert page.state()["view"]["scale"] > scale
    page.keys("f")
    fitted = page.state()["view"]["scale"]
    page.keys("+")
    assert page.state()["view"]["scale"] == pytest.approx(1.2 * fitted)
    page.keys("0")
    assert page.state()["view"]["scale"] == 1


def test_pan_moves_by_the_way_of_the_pointer(page):
    before = screen(page, 100, 100)
    page.drag((700, 400), (730, 415), button=1)
    assert np.allclose(np.array(screen(page, 100, 100)) - before, [30, 15])
    page.keys("p")
    page.drag((700, 400), (690, 400))
    assert np.allclose(np.array(screen(page, 100, 100)) - before, [20, 15])
    page.keys("Control+ArrowLeft")
    assert np.allclose(np.array(screen(page, 100, 100)) - before, [0, 15])


def test_turn_and_mirror_take_the_letters_along(page):
    edges = "return Array.from(document.querySelectorAll('.viewport .edge'), e => e.textContent).join('')"
    assert page.run(edges) == "RLAP"
    page.keys("t")
    page.frames()
    assert page.run(edges) == "PARL"
    page.keys("x")
    page.frames()
    assert page.run(edges) == "APRL"
    page.keys("r")
    page.frames()
    assert page.run(edges) == "RLAP"


def test_the_read_out_gives_value_and_place(page):
    value = page.run("const v = MKISO.app.active(); return v.picture().planes[0][200 * 512 + 300]")
    page.move(*screen(page, 300, 200))
    text = page.run("return document.querySelector('.readout').textContent")
    position = page.run(
        "const v = MKISO.app.active(); return MKISO.geometry.toPatient(v.planes[0], 300, 200)"
    )
    assert "x 300  y 200" in text
    assert f"{value} HU".replace("-", "-") in text.replace(",", "")
    assert ("L " if position[0] >= 0 else "R ") + f"{abs(position[0]):.1f}" in text
    page.keys("ArrowDown")
    page.wait_for("MKISO.app.active().shown === 1")
    page.frames()
    other = page.run("const v = MKISO.app.active(); return v.picture().planes[0][200 * 512 + 300]")
    assert f"{other} HU" in page.run(
        "return document.querySelector('.readout').textContent"
    ).replace(",", "")


# --- measuring ---


def lines(browser):
    return browser.run(
        "const v = MKISO.app.active(); return MKISO.annotations.of(v.frame()).map(a => [a.kind, MKISO.annotations.linesOf(a, v.picture())])"
    )


def points(browser):
    return browser.run("return MKISO.annotations.of(MKISO.app.active().frame()).map(a => a.points)")


def test_a_distance_is_drawn_moved_and_deleted(page):
    page.keys("d")
    a, b = screen(page, 150, 200), screen(page, 250, 200)
    page.drag(a, b)
    ((first, second),) = points(page)
    spacing = page.run("return MKISO.app.active().frame().pixel_spacing")
    wanted = np.hypot((second[0] - first[0]) * spacing[1], (second[1] - first[1]) * spacing[0])
    kind, (text,) = lines(page)[0]
    assert kind == "distance"
    assert float(text.replace(" mm", "").replace(",", "")) == pytest.approx(wanted, abs=0.06)
    page.drag(b, screen(page, 350, 200))
    assert points(page)[0][1][0] == pytest.approx(350, abs=1)
    assert points(page)[0][0][0] == pytest.approx(150, abs=1)
    page.keys("ArrowDown")
    page.wait_for("MKISO.app.active().shown === 1")
    assert lines(page) == []  # it belongs to its image
    page.keys("ArrowUp")
    page.wait_for("MKISO.app.active().shown === 0")
    page.keys("Delete")
    assert lines(page) == []


def test_clicks_make_a_distance_too(page):
    page.keys("d")
    a, b = screen(page, 150, 250), screen(page, 200, 250)
    page.drag(a)
    page.move(*b)
    page.drag(b)
    assert len(points(page)) == 1
    assert points(page)[0][1][0] == pytest.approx(200, abs=1)
    page.keys("Delete")


def test_an_angle_takes_three_points(page):
    page.keys("a")
    page.drag(screen(page, 300, 200), screen(page, 200, 200))
    page.move(*screen(page, 200, 300))
    page.drag(screen(page, 200, 300))
    kind, (text,) = lines(page)[0]
    assert kind == "angle"
    assert float(text[:-1]) == pytest.approx(90, abs=0.7)
    page.keys("Delete")


def test_an_ellipse_gives_the_statistics_of_numpy(page):
    pixels = np.array(
        page.run("return Array.from(MKISO.app.active().picture().planes[0])")
    ).reshape(512, 512)
    page.keys("e")
    page.drag(screen(page, 200, 180), screen(page, 260, 230))
    ((a, b),) = points(page)
    y, x = np.mgrid[0:512, 0:512]
    inside = ((x - (a[0] + b[0]) / 2) / (abs(b[0] - a[0]) / 2)) ** 2 + (
        (y - (a[1] + b[1]) / 2) / (abs(b[1] - a[1]) / 2)
    ) ** 2 <= 1
    got = page.run(
        """
        const v = MKISO.app.active(), a = MKISO.annotations.of(v.frame())[0];
        return MKISO.measure.ellipse(v.frame(), a.points[0], a.points[1], (x, y) => MKISO.display.valueAt(v.frame(), v.picture(), x, y));
        """
    )
    assert got["count"] == inside.sum()
    assert got["mean"] == pytest.approx(pixels[inside].mean())
    assert got["deviation"] == pytest.approx(pixels[inside].std())
    text = " ".join(lines(page)[0][1])
    assert "HU" in text
    assert "mm²" in text
    page.keys("Delete")


def test_measuring_by_keyboard_alone(page):
    page.keys("d", "Enter", *["ArrowLeft"] * 5, "Enter", *["Shift+ArrowRight"] * 3, "Enter")
    assert points(page) == [[[251, 256], [281, 256]]]
    page.keys("Escape", "v", "Enter", "Enter")
    assert [kind for kind, _ in lines(page)] == ["distance", "probe"]
    assert "HU" in page.run("return document.querySelector('[role=status]').textContent")
    page.run("MKISO.annotations.clear(MKISO.app.active().frame())")

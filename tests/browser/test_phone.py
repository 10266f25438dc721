"""On the width of a telephone, with fingers."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import pytest

pytestmark = pytest.mark.peers


@pytest.fixture
def page(open_page, phone, disc_page):
    return open_page(disc_page, phone)


def centre(browser, selector):
    return browser.run(
        "const b = document.querySelector(arguments[0]).getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]",
        selector,
    )


def test_the_image_has_the_screen_and_nothing_sticks_out(page):
    sizes = page.run(
        """
        const v = document.querySelector(".viewport").getBoundingClientRect();
        return [document.documentElement.scrollWidth, innerWidth, v.width, v.height, innerHeight];
        """
    )
    assert sizes[0] == sizes[1] == sizes[2] == 390
    assert sizes[3] > 0.75 * sizes[4]
    assert (
        page.run("return getComputedStyle(document.querySelector('.series-list')).display")
        == "none"
    )
    small = page.run(
        "return Array.from(document.querySelectorAll('.toolbar .tool:not(.narrow):not([hidden])')).filter(b => b.offsetWidth && (b.offsetWidth < 40 || b.offsetHeight < 40)).length"
    )
    assert small == 0
    notice = page.run(
        "const b = document.querySelector('.notice').getBoundingClientRect(); return [b.left, b.right, b.height]"
    )
    assert notice[0] >= 0
    assert notice[1] <= 390
    assert notice[2] > 8


def test_one_finger_scrolls_two_fingers_zoom_and_move(page):
    assert page.run("return MKISO.app.tool()") == "scroll"
    page.fingers([(200, 300), (200, 360), (200, 420)])
    page.wait_for("MKISO.app.active().shown > 1")
    shown = page.run("return MKISO.app.active().shown")
    before = page.run("return { ...MKISO.app.active().view }")
    page.fingers([(150, 400), (130, 400), (100, 400)], [(250, 400), (270, 400), (300, 400)])
    after = page.run("return { ...MKISO.app.active().view }")
    assert after["scale"] == pytest.approx(2 * before["scale"], rel=0.1)
    page.fingers([(150, 400), (150, 420), (150, 460)], [(250, 400), (250, 420), (250, 460)])
    moved = page.run("return { ...MKISO.app.active().view }")
    assert moved["y"] - after["y"] == pytest.approx(60, abs=8)
    assert moved["scale"] == pytest.approx(after["scale"], rel=0.05)
    assert page.run("return MKISO.app.active().shown") == shown


def test_series_are_chosen_from_the_list_that_comes_over_the_image(page):
    page.run("document.querySelector('[data-tool=list]').click()")
    assert (
        page.run("return getComputedStyle(document.querySelector('.series-list')).display")
        == "block"
    )
    page.fingers([tuple(centre(page, "[data-entry='S00002/0']"))])
    page.wait_for("MKISO.app.active().entry.id === 'S00002/0' && MKISO.app.active().frame()")
    assert (
        page.run("return getComputedStyle(document.querySelector('.series-list')).display")
        == "none"
    )


def test_a_finger_measures(page):
    page.run("document.querySelector('[data-tool=distance]').click()")
    page.fingers([(120, 400), (180, 400), (260, 400)])
    count = page.run("return MKISO.annotations.of(MKISO.app.active().frame()).map(a => a.kind)")
    assert count == ["distance"]


def test_two_series_are_one_above_the_other(page):
    page.run("document.querySelector('[data-tool=compare]').click()")
    page.wait_for("MKISO.app.stage.ordinary()[1].frame()")
    boxes = page.run(
        "return MKISO.app.stage.shown().map(v => { const b = v.element.getBoundingClientRect(); return [b.left, b.top, b.width]; })"
    )
    assert boxes[0][0] == boxes[1][0] == 0
    assert boxes[1][1] > boxes[0][1]
    assert boxes[0][2] == 390


def test_help_and_reports_fit_the_width(page):
    page.run("document.querySelector('[data-tool=help]').click()")
    box = page.run(
        "const b = document.querySelector('.dialog .box'); return [b.scrollWidth, b.clientWidth]"
    )
    assert box[0] <= box[1]
    page.run("MKISO.help.close()")
    page.eval("await MKISO.app.open(MKISO.disc.entries()[4])")
    panel = page.run(
        "const b = document.querySelector('.panel'); return [b.scrollWidth, b.clientWidth]"
    )
    assert panel[0] <= panel[1]

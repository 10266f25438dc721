"""Saving, printing, languages, help, and those who use keys or hear the page."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import base64
import re
import struct
import time
import zlib

import pytest

pytestmark = pytest.mark.peers


# --- out of the page ---


def png_pixels(data):
    """Width and height and the rows of an 8-bit RGBA or RGB PNG without a library."""
    at, chunks, head = 8, b"", None
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name = data[at + 4 : at + 8]
        if name == b"IHDR":
            head = struct.unpack_from(">IIBB", data, at + 8)
        if name == b"IDAT":
            chunks += data[at + 8 : at + 8 + size]
        at += 12 + size
    assert zlib.decompress(chunks)
    return head


@pytest.mark.parametrize("with_patient", [True, False])
def test_an_image_is_saved_with_or_without_the_patient(page, with_patient):
    for old in page.downloads.iterdir():
        old.unlink()
    drawn = page.eval(
        """
        const written = [], original = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { written.push(text); return original.call(this, text, ...rest); };
        try { await MKISO.save.save(MKISO.app.active(), "png", arguments[0]); }
        finally { CanvasRenderingContext2D.prototype.fillText = original; }
        return written;
        """,
        with_patient,
    )
    text = " ".join(drawn)
    for private in ("Paula", "PAT-0001", "1961", "2026-01-15", "Demonstration Hospital"):
        assert (private in text) is with_patient
    assert "Not a medical device" in text
    assert "C 40  W 400" in text
    end = time.monotonic() + 10
    while not (found := list(page.downloads.glob("*.png"))) and time.monotonic() < end:
        time.sleep(0.05)
    assert [path.name for path in found] == ["CT_1_1.png"]
    width, height, depth, _ = png_pixels(found[0].read_bytes())
    assert width >= 1000
    assert height > 500
    assert depth == 8


def test_printing_prints_the_image_alone(page):
    page.eval(
        """
        window.print = () => { window.printed = getComputedStyle(document.querySelector(".print-sheet img")).display; };
        const sheet = await MKISO.save.print(MKISO.app.active());
        """
    )
    assert page.run("return window.printed")
    assert page.run("return document.querySelector('.print-sheet img').naturalWidth") >= 1000
    page.run("window.dispatchEvent(new Event('afterprint'))")
    assert page.run("return document.querySelector('.print-sheet')") is None


def test_paper_has_the_image_and_nothing_else(page):
    page.eval("window.print = () => {}; await MKISO.save.print(MKISO.app.active());")
    sheet = page.devtools("Page.printToPDF", landscape=True, printBackground=True)
    page.run("window.dispatchEvent(new Event('afterprint'))")
    paper = base64.b64decode(sheet["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1
    assert b"/Subtype /Image" in paper or b"/Subtype/Image" in paper
    assert b"/Type /Font\n" not in paper  # no text of the page: the image alone


def test_the_whole_screen_and_back(page):
    page.keys("g")
    page.wait_for("document.fullscreenElement && document.fullscreenElement.id === 'viewer'")
    page.keys("g")
    page.wait_for("!document.fullscreenElement")


# --- words and helps ---


def test_languages_change_at_once_and_keep_the_image(page):
    page.keys("End")
    page.wait_for("MKISO.app.active().shown === 11")
    for code, word in (
        ("de", "Bild 12 von 12"),
        ("fr", "Image 12 sur 12"),
        ("es", "Imagen 12 de 12"),
        ("ko", "영상 12/12"),
        ("vi", "Ảnh 12 trên 12"),
    ):
        page.run("MKISO.words.use(arguments[0])", code)
        page.frames()
        assert word in page.run("return document.querySelector('.corner.bl').textContent")
        assert page.run("return document.documentElement.lang") == code
        assert page.state()["shown"] == 11
    page.run("MKISO.words.use('en')")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [(["de-AT", "en"], "de"), (["pt", "ko-KR"], "ko"), (["ja"], "en"), ([], "en")],
)
def test_the_language_is_the_first_of_the_persons_that_there_is(call, wanted, code):
    assert call("return MKISO.words.choose(arguments[0])", wanted) == code


def test_help_opens_closes_and_gives_the_focus_back(page):
    page.run("document.querySelector('[data-tool=help]').focus()")
    page.keys("h")
    assert page.run(
        "return document.querySelector('.dialog [role=dialog]').contains(document.activeElement)"
    )
    page.keys("ArrowDown")
    assert page.state()["shown"] == 0
    page.keys("Escape")
    assert page.run("return document.querySelector('.dialog')") is None
    assert page.run("return document.activeElement.dataset.tool") == "help"


def test_everything_is_reached_with_the_tab_key_and_has_a_name(page):
    unnamed = page.run(
        """
        return Array.from(document.querySelectorAll("#viewer button, #viewer [tabindex]")).filter(e =>
            !(e.getAttribute("aria-label") || e.textContent).trim() && e.offsetParent).map(e => e.outerHTML.slice(0, 80));
        """
    )
    assert unnamed == []
    page.run("document.body.focus(); document.activeElement.blur()")
    reached = set()
    for _ in range(60):
        page.keys("Tab")
        reached.add(
            page.run(
                "const e = document.activeElement; return e.dataset.tool || e.dataset.entry || e.dataset.viewport || e.tagName"
            )
        )
    assert {"list", "window", "help", "S00001/0", "S00010/0", "1"} <= reached
    ring = page.run(
        "const b = document.querySelector('[data-tool=help]'); b.focus(); return b.matches(':focus-visible') && getComputedStyle(b).outlineStyle"
    )
    assert ring == "solid"


def test_the_image_is_described_to_those_who_hear_the_page(page):
    page.keys("ArrowDown")
    page.wait_for("document.querySelector('[role=status]').textContent.includes('Image 2 of 12')")
    assert (
        page.run("return document.querySelector('.viewport').getAttribute('aria-label')")
        == "#1 CT Axial, 15 mm, Image 2 of 12"
    )
    assert (
        page.run("return document.querySelector('.item[aria-current]').dataset.entry") == "S00001/0"
    )


def test_double_click_fits_or_makes_one_of_two_large(page):
    page.keys("c")
    page.wait_for("MKISO.app.stage.ordinary()[1].frame()")
    page.run(
        "MKISO.app.stage.ordinary()[1].graphicsCanvas.dispatchEvent(new MouseEvent('dblclick', { bubbles: true }))"
    )
    assert page.run("return MKISO.app.stage.shown().map(v => v.element.offsetWidth > 0)") == [
        False,
        True,
    ]
    page.run(
        "MKISO.app.stage.ordinary()[1].graphicsCanvas.dispatchEvent(new MouseEvent('dblclick', { bubbles: true }))"
    )
    assert page.run("return MKISO.app.stage.shown().map(v => v.element.offsetWidth > 0)") == [
        True,
        True,
    ]
    page.keys("c")

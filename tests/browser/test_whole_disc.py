"""A disc as `mkiso make` writes it: read out of the image, write-protected, opened from file://."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import contextlib
import subprocess

import numpy as np
import pytest
from browser import viewer_files
from whole_jobs import PATIENT, instance, laboratory, save

pytestmark = pytest.mark.peers

COUNT = 6


def slices(folder):
    """A small CT volume with values that tell each slice; gives what was stored."""
    stored = []
    for number in range(1, COUNT + 1):
        pixels = (np.arange(256).reshape(16, 16) + 1000 * number).astype("<u2")
        more = {
            "PixelData": pixels.tobytes(), "RescaleSlope": "1", "RescaleIntercept": "-1024", "WindowCenter": "40", "WindowWidth": "400",
            "ImagePositionPatient": ["0", "0", str(2 * number)], "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
            "PixelSpacing": ["0.8", "0.8"], "FrameOfReferenceUID": "1.2.3.99", "SeriesDescription": "Small <b>volume</b>",
            "PatientName": "Quux^Zebulon^^^=<i>markup</i>",
        }  # fmt: skip
        save(folder, f"{number}.dcm", instance(number=number, **more))
        stored.append(pixels)
    return stored


@contextlib.contextmanager
def extracted(folder, mode):
    """Make a disc with a viewer, read it out by another program, and take away the right to write."""
    with laboratory(folder) as lab:
        lab.settings.update(PATIENT, viewer=mode)
        stored = slices(lab.images)
        lab.start()
        result = lab.make()
        assert result.code == 0, result.report
        place = folder / "extracted"
        place.mkdir()
        subprocess.run(["bsdtar", "-xf", str(result.discs[0]), "-C", str(place)], check=True)
    viewer_files.protect(place)
    yield place, stored
    viewer_files.unprotect(place)


@pytest.fixture
def disc(tmp_path, need_program):
    need_program("bsdtar")
    with extracted(tmp_path, "full") as made:
        yield made


@pytest.fixture
def reduced(tmp_path, need_program):
    need_program("bsdtar")
    pytest.importorskip("PIL", reason="previews need Pillow")
    with extracted(tmp_path, "preview") as made:
        yield made


def test_a_disc_opens_by_itself_and_shows_what_the_files_hold(disc, open_page):
    folder, stored = disc
    browser = open_page(folder / "INDEX.HTM")
    got = browser.eval(
        """
        const v = MKISO.app.active(), out = [];
        for (const frame of v.frames) {
            const picture = await MKISO.frames.get(frame);
            out.push([Array.from(picture.planes[0]), MKISO.display.valueAt(frame, picture, 3, 2), MKISO.display.unitOf(frame)]);
        }
        return out;
        """
    )
    assert len(got) == COUNT
    for (values, meaning, unit), pixels in zip(got, stored, strict=True):
        assert (np.array(values).reshape(16, 16) == pixels).all()
        assert (meaning, unit) == (int(pixels[2, 3]) - 1024, "HU")
    who = browser.run("return document.querySelector('.who').textContent")
    assert "Quux" in who
    assert "<i>markup</i>" in who
    assert browser.run("return document.querySelectorAll('#viewer i').length") == 0
    browser.keys("m")
    browser.wait_for("MKISO.mpr.volume() && MKISO.mpr.viewports().every(v => v.frame())")
    browser.keys("m")


def test_its_page_of_contents_is_there_with_and_without_script(disc, open_page, chromium):
    folder, _ = disc
    browser = open_page(folder / "INDEX.HTM", fragment="#contents")
    text = browser.run("return document.querySelector('main').innerText")
    assert "Small <b>volume</b>" in text
    assert "too old" not in text
    link = "return document.querySelector('[data-viewer-link] a')"
    assert browser.run(f"{link}.offsetWidth") > 0
    browser.run(f"{link}.click()")
    browser.wait_for("!document.getElementById('viewer').hidden")
    chromium.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open((folder / "INDEX.HTM").as_uri() + "?")
    finally:
        chromium.devtools("Emulation.setScriptExecutionDisabled", value=False)
    text = chromium.run("return document.querySelector('main').innerText")
    assert "too old, or JavaScript is switched off" in text
    assert "README.TXT" in text


def test_previews_are_called_so_wherever_they_are(reduced, open_page):
    folder, _ = reduced
    browser = open_page(folder / "INDEX.HTM")
    assert browser.run("return MKISO.app.active().frame().coding") == "preview"
    assert browser.run("return MKISO.app.active().picture().bitmap.width") > 0
    for place in (".corner.tl", ".item", ".notice"):
        assert "review" in browser.run(
            "return document.querySelector(arguments[0]).textContent", place
        )
    assert "without loss" not in browser.run("return document.querySelector('.notice').textContent")

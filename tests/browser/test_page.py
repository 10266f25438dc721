"""The page as a person gets it: it opens from a write-protected folder, alone, and says what is wrong."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import re

import numpy as np
import pytest
from browser import viewer_files as files
from browser.conftest import requested
from browser.looking import show
from browser.sample_disc import CT

pytestmark = pytest.mark.peers


def small_series(count=4, size=32, **common):
    """A disc with one series of small images; image n has the value 100 * n everywhere."""
    disc = files.Disc()
    instances = []
    for number in range(count):
        parts, attributes = files.coded_frame(np.full((size, size), 100 * number, np.int16))
        instances.append(
            {
                "number": number + 1, "image_position_patient": [0, 0, -5.0 * number],
                "frames": [{"parts": parts, **attributes}],
            }
        )  # fmt: skip
    disc.add_series(instances, common={**CT, **common}, description="Small", chunk_characters=1)
    return disc


def test_it_opens_by_itself_and_asks_for_nothing_outside(open_page, disc_page):
    browser = open_page(disc_page)
    assert browser.run("return document.querySelectorAll('.series-list .item').length") == 10
    assert browser.run("return MKISO.app.active().entry.id") == "S00001/0"
    assert browser.run("return getComputedStyle(document.querySelector('h1')).display") == "none"
    texts = browser.run(
        "return Array.from(document.querySelectorAll('.viewport .corner'), e => e.textContent)"
    )
    assert "Phantom, Paula" in texts[0]
    assert "PAT-0001" in texts[0]
    assert "Axial, 15 mm" in texts[1]
    assert "Image 1 of 12" in texts[2]
    assert "C 40  W 400" in texts[2]
    assert "120 kV" in texts[3]
    edges = browser.run(
        "return Array.from(document.querySelectorAll('.viewport .edge'), e => e.textContent)"
    )
    assert edges == ["R", "L", "A", "P"]


def test_the_time_of_the_first_image_can_be_read_off(open_page, disc_page):
    browser = open_page(disc_page)
    browser.open("about:blank")
    browser.open(disc_page.as_uri())
    browser.wait_for("document.documentElement.dataset.viewer === 'ready'")
    shown = browser.run("return performance.getEntriesByName('first image')[0].startTime")
    assert (
        shown < 5000
    )  # 0.4 s on an idle machine (docs/viewer.md); this one has other things to do


def test_the_notice_is_short_and_always_there(open_page, disc_page):
    browser = open_page(disc_page)
    text = browser.run("return document.querySelector('.notice').textContent")
    assert "without loss" in text
    assert "Not a medical device" in text


def test_the_network_is_shut(open_page, disc_page):
    browser = open_page(disc_page)
    said = browser.eval(
        """
        const tried = [];
        for (const address of ["http://127.0.0.1:9/x", "https://example.org/x"]) {
            tried.push(await fetch(address).then(() => "reached", () => "refused"));
            tried.push(await new Promise(done => { const i = new Image(); i.onload = () => done("reached"); i.onerror = () => done("refused"); i.src = address; }));
        }
        const seen = window.violations.length;
        window.violations.length = window.asked.length = 0;
        return [tried, seen];
        """
    )
    browser.log()
    requested(browser)
    assert set(said[0]) == {"refused"}
    assert said[1] == 4


def test_the_viewer_itself_needs_no_inline_style(disc_page, tmp_path, open_page):
    """The page of contents has a style sheet of its own; everything else goes without."""
    folder = tmp_path / "disc"
    folder.mkdir()
    (folder / "VIEWER").symlink_to(disc_page.parent / "VIEWER")
    strict = files.PAGE.replace(" 'unsafe-inline'", "")
    (folder / "INDEX.HTM").write_text(re.sub("<style>.*</style>", "", strict), "utf-8")
    browser = open_page(folder / "INDEX.HTM")
    for number in (2, 3, 4, 5, 6, 7, 9, 0):
        show(browser, number)
    browser.run("MKISO.app.press('presets')")
    browser.keys("Escape", "h", "Escape", "c")
    browser.wait_for("MKISO.app.stage.ordinary()[1].frame()")
    browser.keys("m")
    browser.wait_for("MKISO.mpr.volume() && MKISO.mpr.viewports().every(v => v.frame())")
    browser.keys("m")


def test_the_contents_are_one_click_away_and_unchanged(open_page, disc_page):
    browser = open_page(disc_page)
    browser.run("document.querySelector('[data-tool=contents]').click()")
    browser.wait_for("getComputedStyle(document.querySelector('h1')).display !== 'none'")
    assert (
        browser.run("return getComputedStyle(document.querySelector('h1')).color")
        == "rgb(0, 128, 0)"
    )
    assert browser.run("return getComputedStyle(document.body).margin") == "32px"
    assert browser.run("return document.getElementById('viewer').hidden")
    assert browser.run("return document.getElementById('viewer-note').hidden")
    browser.run("document.querySelector('[data-viewer-link] a').click()")
    browser.wait_for("!document.getElementById('viewer').hidden")
    assert browser.run("return getComputedStyle(document.querySelector('h1')).display") == "none"


def test_without_script_the_page_of_contents_stays(write_page, open_page, chromium):
    disc = small_series()
    page = write_page(disc)
    chromium.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(page.as_uri())
    finally:
        chromium.devtools("Emulation.setScriptExecutionDisabled", value=False)
    assert chromium.run("return getComputedStyle(document.querySelector('h1')).display") == "block"
    assert "cannot show them" in chromium.run(
        "return document.getElementById('viewer-note').textContent"
    )


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: text.replace('"format":1', '"format":99'), "does not know the format"),
        (lambda text: None, "not on this disc"),
    ],
)
def test_a_lost_manifest_is_said_in_words(tmp_path, open_page, harm, words):
    page = small_series().write(tmp_path / "disc")
    manifest = tmp_path / "disc" / "VIEWER" / "MANIFEST.JS"
    harmed = harm(manifest.read_text())
    manifest.unlink() if harmed is None else manifest.write_text(harmed)
    browser = open_page(page, wait="failed", allow=("SyntaxError", "ERR_FILE_NOT_FOUND"))
    assert words in browser.run("return document.getElementById('viewer-note').textContent")
    assert browser.run("return getComputedStyle(document.querySelector('h1')).display") == "block"


@pytest.mark.parametrize(
    ("harm", "words", "noise"),
    [
        (
            lambda path: path.write_text(path.read_text()[:-200]),
            "damaged on the disc",
            "SyntaxError",
        ),
        (lambda path: path.unlink(), "could not be read", "ERR_FILE_NOT_FOUND"),
        (
            lambda path: path.write_text(re.sub(r'\["(.{30})..', r'["\1AA', path.read_text())),
            "damaged on the disc",
            "",
        ),
    ],
)
def test_a_damaged_chunk_costs_its_images_and_no_other(tmp_path, open_page, harm, words, noise):
    page = small_series().write(tmp_path / "disc")
    harm(tmp_path / "disc" / "VIEWER" / "S00001" / "C0001.JS")
    browser = open_page(page, allow=(noise,) if noise else ())
    for number in (0, 2, 3):
        browser.run("MKISO.app.active().go(arguments[0])", number)
        browser.wait_for(
            "MKISO.app.active().shown === given[0] && MKISO.app.active().picture() && document.querySelector('.message').hidden",
            number,
        )
        assert browser.run("return MKISO.app.active().picture().planes[0][5]") == 100 * number
    browser.run("MKISO.app.active().go(1)")
    browser.wait_for("!document.querySelector('.message').hidden")
    text = browser.run("return document.querySelector('.message').textContent")
    assert words in text
    assert "DICOM/PT000000/ST000000/SE00001/IM000001" in text
    assert (
        browser.run("return MKISO.app.active().picture()") is None
    )  # nothing of another image stays


def test_an_image_that_became_readable_is_shown_after_a_retry(tmp_path, open_page):
    page = small_series().write(tmp_path / "disc")
    chunk = tmp_path / "disc" / "VIEWER" / "S00001" / "C0000.JS"
    whole = chunk.read_text()
    chunk.unlink()
    browser = open_page(page, allow=("ERR_FILE_NOT_FOUND",))
    browser.wait_for("!document.querySelector('.message').hidden")
    chunk.write_text(whole)
    browser.run("document.querySelector('.message button').click()")
    browser.wait_for("MKISO.app.active().picture() && document.querySelector('.message').hidden")


def test_one_retry_is_for_the_whole_series(tmp_path, open_page):
    page = small_series().write(tmp_path / "disc")
    chunks = sorted((tmp_path / "disc" / "VIEWER" / "S00001").glob("C*.JS"))
    whole = [chunk.read_text() for chunk in chunks]
    for chunk in chunks:
        chunk.unlink()
    browser = open_page(page, allow=("ERR_FILE_NOT_FOUND",))
    browser.wait_for("MKISO.app.active().frames.every(f => MKISO.frames.failure(f))")
    for chunk, text in zip(chunks, whole, strict=True):
        chunk.write_text(text)
    browser.run("document.querySelector('.message button').click()")
    browser.wait_for("MKISO.app.active().frames.every(f => MKISO.frames.has(f))")


def test_a_damaged_index_is_said_in_words(tmp_path, open_page):
    page = small_series().write(tmp_path / "disc")
    (tmp_path / "disc" / "VIEWER" / "S00001" / "INDEX.JS").write_text("nonsense(")
    browser = open_page(page, allow=("SyntaxError",))
    assert "description of this series" in browser.run(
        "return document.querySelector('.message').textContent"
    )


HOSTILE = {
    "alphabetic": '<img src=x onerror="window.hurt=1">, O\'Brien "Quote" & Söhne',
    "ideographic": "\u202eلمريض", "phonetic": "x" * 64 + "^" + "y" * 64,
}  # fmt: skip


def test_names_are_text_whatever_they_hold(write_page, open_page):
    disc = small_series()
    disc.patient["name"] = HOSTILE
    disc.patient["patient_id"] = "</script><script>window.hurt=1</script>"
    disc.study["description"] = "<b>bold</b>"
    disc.manifest["series"]["S00001"]["description"] = "<svg onload=window.hurt=1>"
    browser = open_page(write_page(disc))
    text = browser.run("return document.querySelector('.who').textContent")
    for part in (HOSTILE["alphabetic"], HOSTILE["phonetic"]):
        assert part in text
    assert browser.run("return window.hurt") is None
    assert (
        browser.run(
            "return document.querySelectorAll('#viewer img[src=x], #viewer b:not(.sub b)').length"
        )
        == 0
    )
    assert browser.run(
        "return Array.from(document.querySelectorAll('.who bdi'), e => e.textContent).includes(arguments[0])",
        HOSTILE["ideographic"],
    )
    width = browser.run("return document.documentElement.scrollWidth")
    assert width <= 1280


def test_an_incomplete_disc_says_so(write_page, open_page):
    disc = small_series()
    disc.manifest["complete"] = False
    disc.manifest["number"], disc.manifest["of"] = 2, 3
    browser = open_page(write_page(disc))
    text = browser.run("return document.querySelector('.notice').textContent")
    assert "incomplete" in text
    assert "Disc 2 of 3" in text


def test_without_workers_and_decompression_it_works_as_well(write_page, open_page, chromium):
    page = write_page(small_series())
    chromium.open("about:blank")
    script = chromium.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        source="delete window.Worker; delete window.DecompressionStream; delete window.ResizeObserver; delete Uint8Array.fromBase64;",
    )
    try:
        browser = open_page(page)
        assert browser.run("return MKISO.frames.memory().worker") is False
        browser.keys("End")
        browser.wait_for("MKISO.app.active().shown === 3")
        assert browser.run("return MKISO.app.active().picture().planes[0][0]") == 300
    finally:
        chromium.devtools("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_scripts_do_nothing_by_themselves(tmp_path):
    """A double click on a file of the disc must not do harm: each asks for a page first."""
    small_series().write(tmp_path / "disc")
    for path in (tmp_path / "disc" / "VIEWER").rglob("*.JS"):
        if path.name != "APP.JS":
            assert path.read_text("ascii").startswith(
                'if(typeof document!=="undefined"&&window.MKISO)'
            )


def test_a_film_that_the_browser_cannot_play_is_said_in_words(write_page, open_page):
    disc = files.Disc()
    video = {"file": "VIEWER/VIDEO/V0001.MP4", "bytes": 9, "rows": 10, "columns": 10, "frames": 3}
    disc.add_series([{"kind": "video", "video": video}], description="Film")
    disc.files["VIEWER/VIDEO/V0001.MP4"] = b"no film"
    browser = open_page(write_page(disc))
    browser.wait_for("document.querySelector('.panel .warn')")
    assert "cannot play" in browser.run("return document.querySelector('.panel').textContent")
    assert (
        browser.run("return document.querySelector('.panel a').getAttribute('href')")
        == "VIEWER/VIDEO/V0001.MP4"
    )


def test_objects_that_cannot_be_shown_are_one_entry_with_their_files(write_page, open_page):
    disc = small_series(1)
    reason = {"code": "truncated", "text": "There is no pixel data."}
    instances = [{"kind": "none", "reason": reason} for _ in range(5)]
    stacks = [
        {
            "kind": "none",
            "first": n,
            "instances": 1,
            "file": f"DICOM/PT000000/ST000000/SE00002/IM{n:06d}",
            "reason": reason,
        }
        for n in range(5)
    ]
    disc.add_series(instances, stacks=stacks, description="Broken")
    browser = open_page(write_page(disc))
    assert (
        browser.run(
            "return Array.from(document.querySelectorAll('.item'), e => e.textContent).pop()"
        ).count("(5)")
        == 1
    )
    browser.keys("PageDown")
    browser.wait_for("!document.querySelector('.message').hidden")
    text = browser.run("return document.querySelector('.message').textContent")
    assert "fewer pixels" in text
    assert "IM000004" in text


def test_two_patients_are_never_mixed_up(write_page, open_page):
    """A disc on demand may hold several: the head always names the one whose images are shown."""
    disc = small_series(1)
    disc.manifest["patients"].append(
        {
            "name": {"alphabetic": "Other, Olga"},
            "patient_id": "PAT-0002",
            "birth_date": "",
            "sex": "",
        }
    )
    disc.study["patient"] = 0
    other = dict(disc.study, study_instance_uid="1.2.4", patient=1, series=[])
    parts, attributes = files.coded_frame(np.zeros((8, 8), np.int16))
    name = disc.add_series([{"frames": [{"parts": parts, **attributes}]}], common=CT)
    disc.study["series"].remove(name)
    other["series"].append(name)
    disc.manifest["studies"].append(other)
    browser = open_page(write_page(disc))
    assert "Phantom" in browser.run("return document.querySelector('.who').textContent")
    browser.keys("PageDown")
    browser.wait_for("document.querySelector('.who').textContent.includes('Other, Olga')")
    browser.wait_for("document.querySelector('.corner.tl').textContent.includes('Other, Olga')")
    assert "Phantom" not in browser.run("return document.querySelector('.corner.tl').textContent")


def test_of_several_patients_none_is_named_without_knowing_which(write_page, open_page):
    disc = small_series(1)
    disc.manifest["patients"].append(dict(disc.patient, name={"alphabetic": "Other, Olga"}))
    browser = open_page(write_page(disc))
    for place in (".who", ".corner.tl"):
        text = browser.run("return document.querySelector(arguments[0]).textContent", place)
        assert "One of several patients" in text
        assert "Phantom" not in text

"""Key objects, presentation states, reports, curves, documents and what cannot be shown."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import numpy as np
import pytest
from browser import viewer_files as files
from browser.looking import screen, show

pytestmark = pytest.mark.peers


def test_key_images_are_a_stack_of_their_own(page):
    show(page, 6)
    assert page.state()["frames"] == 2
    keys = page.run("return MKISO.app.active().frames.map(f => [f.key, MKISO.disc.isKey(f)])")
    assert keys == [["S00001/3/0", True], ["S00001/8/0", True]]
    said = page.run("return document.querySelector('.corner.tl').textContent")
    assert "Key image: For Referring Provider: See the left lung" in said
    show(page, 0)
    page.keys("k")
    page.wait_for("MKISO.app.active().shown === 3")
    page.keys("k")
    page.wait_for("MKISO.app.active().shown === 8")


def test_a_presentation_state_is_applied_to_its_image_and_can_be_left(page):
    plain = page.state()
    page.run("MKISO.app.went(MKISO.app.active(), 5)")
    page.wait_for("MKISO.app.active().shown === 5 && MKISO.app.active().presentation")
    state = page.state()
    assert (state["center"], state["width"]) == (-500, 1400)
    assert state["view"]["scale"] > plain["view"]["scale"]
    page.wait_for("document.querySelector('.corner.tl').textContent.includes('LUNG NODULE')")
    middle = screen(page, (81 + 432) / 2 - 1, (101 + 412) / 2 - 1)
    box = page.run(
        "const b = MKISO.app.active().element.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]"
    )
    assert np.allclose(middle, box, atol=0.6)
    shut = page.run(
        """
        const v = MKISO.app.active(), m = v.matrix(), look = (x, y) => {
            const p = MKISO.view.toScreen(m, x, y);
            return Array.from(v.graphicsCanvas.getContext("2d").getImageData(Math.round(p[0]), Math.round(p[1]), 1, 1).data);
        };
        v.drawNow();
        return { outside: look(90, 200), inside: look(300, 300), circle: look(209.5, 229.5) };
        """
    )
    assert shut["outside"] == [0, 0, 0, 255]
    assert shut["inside"][3] == 0
    assert shut["circle"][0] > 200
    assert shut["circle"][3] > 100
    page.run("MKISO.app.press('presets')")
    checked = "return Array.from(document.querySelectorAll('.menu [aria-checked=true] bdi'), e => e.textContent)"
    assert page.run(checked) == ["LUNG NODULE  -500 / 1400"]
    page.keys("Escape", "2")
    assert (page.state()["center"], page.state()["width"]) == (40, 400)  # the file's first
    page.keys("1")
    assert (page.state()["center"], page.state()["width"]) == (-500, 1400)
    page.run("MKISO.app.active().usePresentation('none')")
    assert (page.state()["center"], page.state()["width"]) == (40, 400)
    page.run("MKISO.app.active().usePresentation('auto')")
    page.run("MKISO.app.went(MKISO.app.active(), 4)")
    page.wait_for("MKISO.app.active().shown === 4 && !MKISO.app.active().presentation")
    assert page.state()["view"]["scale"] == pytest.approx(plain["view"]["scale"])


def test_beyond_a_presentation_state_the_persons_own_view_is_back(page):
    page.run("MKISO.app.went(MKISO.app.active(), 4)")
    page.wait_for("MKISO.app.active().shown === 4")
    page.run("MKISO.app.windowed(MKISO.app.active(), { center: 1, width: 900, kind: 'LINEAR' })")
    page.run("MKISO.app.zoomed(MKISO.app.active(), 2)")
    own = page.state()
    page.keys("ArrowDown")
    page.wait_for("MKISO.app.active().shown === 5 && MKISO.app.active().presentation")
    assert (page.state()["center"], page.state()["width"]) == (-500, 1400)
    page.keys("ArrowDown")
    page.wait_for("MKISO.app.active().shown === 6 && !MKISO.app.active().presentation")
    left = page.state()
    assert (left["center"], left["width"], left["view"]) == (1, 900, own["view"])


def test_a_report_is_text_with_links_to_its_images(page):
    show(page, 4)
    text = page.run("return document.querySelector('.paper').innerText")
    for part in (
        "Chest CT report",
        "Findings",
        "Lungs clear.\nNo effusion. <b>not bold</b>",
        "24.5 mm",
        "Reader, Rita",
        "verified",
    ):
        assert part in text
    page.run("document.querySelector('.paper .link').click()")
    page.wait_for("MKISO.app.active().entry.id === 'S00001/0' && MKISO.app.active().shown === 3")


def test_a_curve_is_drawn_to_scale(page):
    show(page, 7)
    page.wait_for("document.querySelector('.curves[data-ready] .curve')")
    values = page.eval(
        """
        const content = await MKISO.disc.open(MKISO.disc.entries()[7]), frame = content.instances[0].frames[0];
        const picture = await MKISO.frames.get(frame);
        return MKISO.waveform.valuesOf(picture, frame, 0, content.instances[0].waveform.groups[0].channels[0]);
        """
    )
    path = page.run("return document.querySelector('.curve').getAttribute('d')")
    heights = np.array([float(part.split(" ")[1]) for part in path[1:].split("L")])
    assert len(heights) == 2000
    # 10 mm a millivolt, 4 units of the drawing a mm, upwards is less
    assert np.allclose(np.diff(heights), -np.diff(values) / 1000 * 40, atol=0.11)
    box = page.run("return document.querySelector('.ecg').getAttribute('viewBox')").split(" ")
    assert float(box[0]) + float(box[2]) == 4 * 25 * 4  # four seconds of 25 mm
    assert "Heart rate: 67 /min" in page.run("return document.querySelector('.notes').textContent")


def test_a_document_is_shown_and_linked(page):
    show(page, 8)
    assert (
        page.run("return document.querySelector('.panel iframe').getAttribute('src')")
        == "VIEWER/DOCS/D0001.PDF"
    )
    assert (
        page.run("return document.querySelector('.panel a').getAttribute('href')")
        == "VIEWER/DOCS/D0001.PDF"
    )
    show(page, 7)
    assert page.run("return document.querySelector('.panel').className") == "panel"
    page.wait_for("document.querySelector('.curves[data-ready]')")
    drawn = "const e = document.querySelector('.curves'); return [e.clientHeight, e.scrollHeight]"
    visible, whole = page.run(drawn)
    assert visible == whole > 100
    show(page, 0)
    assert page.run("return document.querySelector('.panel iframe')") is None


def test_what_cannot_be_shown_names_its_file(page):
    show(page, 9)
    text = page.run("return document.querySelector('.message').textContent")
    assert "cannot show objects of this kind" in text
    assert "RT Plan Storage" in text
    assert "DICOM/PT000000/ST000000/SE00010/IM000000" in text


FILM = """
    const type = "video/mp4;codecs=avc1.42E01E";
    if (!window.MediaRecorder || !MediaRecorder.isTypeSupported(type)) return null;
    const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
    canvas.width = 320; canvas.height = 240;
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: type }), parts = [];
    recorder.ondataavailable = event => parts.push(event.data);
    const ended = new Promise(done => { recorder.onstop = done; });
    recorder.start();
    for (let n = 0; n < 20; n++) {
        context.fillStyle = "rgb(" + 12 * n + ",80,120)";
        context.fillRect(0, 0, 320, 240);
        await new Promise(requestAnimationFrame);
    }
    recorder.stop();
    await ended;
    return Array.from(new Uint8Array(await new Blob(parts).arrayBuffer()));
"""


def test_a_film_plays(chromium, write_page, open_page):
    chromium.open("about:blank")
    film = chromium.eval(FILM)
    if film is None:
        pytest.skip("this chromium cannot make H.264")
    disc = files.Disc()
    video = {"file": "VIEWER/VIDEO/V0001.MP4", "bytes": len(film), "rows": 240, "columns": 320}
    disc.add_series([{"kind": "video", "video": video}], description="Film", modality="ES")
    disc.files["VIEWER/VIDEO/V0001.MP4"] = bytes(film)
    browser = open_page(write_page(disc))
    browser.eval("const v = document.querySelector('video'); v.muted = true; await v.play();")
    browser.wait_for("document.querySelector('video').currentTime > 0")
    assert browser.run("return document.querySelector('video').videoWidth") == 320
    assert browser.run("return document.querySelector('.panel .warn')") is None

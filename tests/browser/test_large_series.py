"""3000 slices: memory is bounded whatever one does, and the image asked for is the image shown."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import numpy as np
import pytest
from browser import viewer_files as files
from browser.sample_disc import CT

pytestmark = pytest.mark.peers

COUNT, SIZE = 3000, 96


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Slice n has the value n in its first pixel and noise elsewhere."""
    folder = tmp_path_factory.mktemp("large") / "disc"
    rng = np.random.default_rng(1)
    disc = files.Disc()
    instances = []
    noise = rng.integers(0, 60, (SIZE, SIZE)).astype(np.int16)
    for number in range(COUNT):
        pixels = noise.copy()
        pixels[0, 0] = number
        parts, attributes = files.coded_frame(pixels)
        instances.append(
            {"number": number + 1, "image_position_patient": [0, 0, -float(number)], "frames": [{"parts": parts, **attributes}]}
        )  # fmt: skip
    disc.add_series(instances, common=CT, description="Large", chunk_characters=100_000)
    page = disc.write(folder)
    files.protect(folder)
    yield page
    files.unprotect(folder)


def test_memory_is_bounded_and_every_jump_shows_the_right_slice(open_page, large):
    browser = open_page(large)
    cap = 300 * SIZE * SIZE * 2
    browser.run("MKISO.frames.setCap(arguments[0])", cap)
    wrong = browser.eval(
        """
        const v = MKISO.app.active(), wrong = [];
        let seed = 7, most = 0;
        const next = () => { seed = (seed * 16807) % 2147483647; return seed; };
        for (let jump = 0; jump < 60; jump++) {
            const index = jump < 30 ? next() % v.frames.length : (v.wanted + 17) % v.frames.length;
            v.go(index);
            while (v.shown !== index) await new Promise(r => setTimeout(r, 2));
            v.drawNow();
            if (v.picture().planes[0][0] !== index) wrong.push(index);
            most = Math.max(most, MKISO.frames.memory().bytes);
        }
        return { wrong, most, memory: MKISO.frames.memory(), counts: MKISO.loader.counts() };
        """
    )
    assert wrong["wrong"] == []
    assert wrong["most"] <= cap
    assert wrong["counts"]["chunks"] <= 24
    assert wrong["counts"]["scripts"] <= 2  # the program, and at most one on its way


def test_what_is_ahead_is_loaded_before_it_is_asked_for(open_page, large):
    browser = open_page(large)
    browser.run("MKISO.frames.setCap(arguments[0])", 1000 * SIZE * SIZE * 2)
    browser.run("MKISO.app.active().go(1000)")
    browser.wait_for("MKISO.frames.has(MKISO.app.active().frames[1060])")
    browser.run("MKISO.app.active().go(999)")  # now backwards
    browser.wait_for("MKISO.frames.has(MKISO.app.active().frames[900])")
    settled = browser.eval(
        """
        let before = -1, now = MKISO.loader.counts().loads;
        while (now !== before) { before = now; await new Promise(r => setTimeout(r, 400)); now = MKISO.loader.counts().loads; }
        return MKISO.frames.memory();
        """
    )
    assert settled["bytes"] < settled["cap"]


def test_a_chunk_is_loaded_once_for_all_its_frames(open_page, large):
    browser = open_page(large)
    counts = browser.eval(
        """
        const v = MKISO.app.active(), frames = v.frames.slice(2000, 2040), before = MKISO.loader.counts().loads;
        v.go(2000);
        await Promise.all(frames.map(frame => MKISO.frames.get(frame)).concat(frames.map(frame => MKISO.frames.get(frame))));
        const chunks = new Set(frames.map(frame => frame.at[0][0]));
        return [chunks.size, MKISO.loader.counts().loads - before];
        """
    )
    assert counts[1] <= counts[0] + 12  # and what was being fetched ahead


def test_a_frame_of_many_chunks_comes_together_however_few_are_kept(write_page, open_page):
    """Thirty bands, each in a chunk of its own; 24 chunks are kept otherwise."""
    pixels = np.random.default_rng(2).integers(0, 4000, (90, 40)).astype(np.uint16)
    parts, attributes = files.coded_frame(pixels, 3)
    disc = files.Disc()
    disc.add_series(
        [{"frames": [{"parts": parts, **attributes}]}],
        common={"photometric_interpretation": "MONOCHROME2"},
        chunk_characters=1,
    )
    browser = open_page(write_page(disc))
    assert browser.run("return MKISO.app.active().frame().at.length") == 30
    assert browser.run("return MKISO.app.active().picture().sum") == attributes["sum"]

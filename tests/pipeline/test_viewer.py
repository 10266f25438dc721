"""Whole jobs with a viewer: the disc passes the judge, and a decoder costs a tile, no more."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from check_disc import check_disc
from pixels.pixel_objects import TWELVE_BIT_JPEG
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless
from whole_jobs import CT, check_path, instance, laboratory, save, study

from mkiso.errors import TerminatedJobError
from mkiso.pixels.worker_process import Limits

JPEG_2000 = get_testdata_file("JPEG2000.dcm", download=False)


@pytest.fixture
def lab(tmp_path):
    with laboratory(tmp_path) as made:
        made.settings["viewer"] = "full"
        made.settings["stall_timeout_seconds"] = 5.0
        study(made.images)
        yield made


@pytest.fixture
def archive(lab):
    return lab.start()


def extracted(disc, folder):
    """The files of an image, by another program."""
    place = folder / disc.stem
    place.mkdir()
    subprocess.run(["bsdtar", "-xf", str(disc), "-C", str(place)], check=True)
    return place


def scripts(place):
    found = {}
    for path in (place / "VIEWER").rglob("*.JS"):
        call = re.search(r"MKISO\.(\w+)\((.*)\);\n\Z", path.read_text("utf-8"), re.DOTALL)
        if path.name != "APP.JS":
            found[path.relative_to(place).as_posix()] = json.loads(f"[{call[2]}]")
    return found


def frames_of(place):
    """Each frame of the disc as the page knows it, by SOP Instance UID."""
    found = {}
    for path, given in scripts(place).items():
        if path.endswith("INDEX.JS"):
            for each in given[1]["instances"]:
                shared = {**given[1]["common"], **each}
                frames = each.get("frames", [{}])
                found[each["uid"]] = [{**shared, **frame} for frame in frames]
    return found


def test_a_disc_with_viewer_passes_every_judge(lab, archive, tmp_path, need_program):
    need_program("bsdtar")
    result = lab.make()
    assert result.code == 0, result.report
    (disc,) = result.discs
    (told,) = result.report["discs"]
    assert told["viewer"]["mode"] == "full"
    assert told["viewer"]["tiles"] == 0
    check_disc(disc)
    place = extracted(disc, tmp_path)
    frames = frames_of(place)
    assert set(frames) == {f"1.2.3.1.{n}" for n in (1, 2, 3, 4)}
    assert {frame["coding"] for each in frames.values() for frame in each} <= {"med", "planes"}
    sizes = sum(p.stat().st_size for p in (place / "VIEWER").rglob("*") if p.is_file())
    assert sizes == told["viewer"]["size_bytes"]
    assert "viewer 1: " in result.log


def test_the_same_disc_again_exists_already(lab, archive):
    first = lab.make()
    again = lab.make()
    assert (first.code, again.code) == (0, 0)
    assert "exists already" in again.message
    auto = lab.make(viewer="auto")  # everything fits: it is the same disc
    assert "exists already" in auto.message


@pytest.mark.parametrize(("first", "second"), [("full", "none"), ("none", "full")])
def test_a_disc_without_viewer_is_another_disc(lab, archive, first, second):
    assert lab.make(viewer=first).code == 0
    result = lab.make(viewer=second)
    assert result.code == 73
    assert lab.make(viewer=second, replace=True).code == 0


def test_a_disc_without_viewer_says_nothing_of_one(lab, archive):
    result = lab.make(viewer="none")
    assert result.report["discs"][0]["viewer"] is None
    names = [file.path for file in check_path(result.discs[0]).files]
    assert not [name for name in names if name.startswith("VIEWER")]
    assert "viewer 1" not in result.log


def test_previews_are_a_disc_of_their_own(lab, archive):
    pytest.importorskip("PIL", reason="previews need Pillow")
    result = lab.make(viewer="preview")
    assert result.code == 0, result.report
    assert result.report["discs"][0]["viewer"]["preview_series"] == ["1.2.3.1"]
    assert lab.make(viewer="full").code == 73


def test_each_patient_gets_only_the_own_images(lab, tmp_path, need_program):
    need_program("bsdtar")
    for study_uid, number, name in (
        ("1.5.1", "B1", "Quux^Bobadil"),
        ("1.5.2", "C1", "Quux^Annabel"),
    ):
        for n in (1, 2):
            more = {"AccessionNumber": number, "PatientName": name, "PatientID": f"{name[5:]}-1"}
            pixels = np.full((16, 16), 1000 * n + len(number), "<u2")
            ds = instance(study=study_uid, number=n, **more)
            ds.PixelData = (pixels + sum(map(ord, name))).tobytes()
            save(lab.images, f"{number}{n}", ds)
    lab.start()
    result = lab.make("B1", "C1", per_patient=True)
    assert result.code == 0, result.report
    assert [disc.name for disc in result.discs] == ["B1.iso", "C1.iso"]
    names = ("Bobadil", "Annabel")
    for disc, own, other in zip(result.discs, names, names[::-1], strict=True):
        place = extracted(disc, tmp_path)
        text = b"".join(p.read_bytes() for p in place.rglob("*") if p.is_file()).decode("latin-1")
        assert own in text
        assert other not in text
        uids = {each.sop_instance_uid for each in check_path(disc).instances}
        assert set(frames_of(place)) == uids
        manifest = scripts(place)["VIEWER/MANIFEST.JS"][0]
        assert len(manifest["patients"]) == len(manifest["studies"]) == 1


def test_an_instance_that_comes_twice_is_made_once(lab, archive, monkeypatch):
    from mkiso.pixels.worker_pool import WorkerPool  # noqa: PLC0415

    submitted = []
    original = WorkerPool.submit

    def submit(pool, job):
        submitted.append(job.task["path"] if job.task["do"] == "instance" else "")
        original(pool, job)

    monkeypatch.setattr(WorkerPool, "submit", submit)
    archive.on_move = lambda move: (move.send(), move.send(), move.finish(0x0000, completed=4))
    result = lab.make()
    assert result.code == 0, result.report
    assert len([path for path in submitted if path]) == 4


def test_an_incomplete_job_leaves_nothing(lab, archive):
    archive.on_move = lambda move: move.normally(drop={"1.2.3.1.2"})
    result = lab.make()
    assert (result.code, result.discs) == (80, [])
    result = lab.make(allow_incomplete=True)
    assert result.code == 80
    assert result.report["discs"][0]["viewer"]["mode"] == "full"


def children():
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


@pytest.mark.parametrize("stage", ["find", "retrieve", "author", "write"])
def test_a_job_that_is_stopped_leaves_no_worker(lab, archive, stage):
    before = set(children())
    reached = []

    def require_running():
        if reached:
            raise TerminatedJobError("Stopped; nothing was published.")

    def progress(now):
        if now.stage == stage:
            reached.append(now)

    result = lab.make(surroundings={"progress": progress, "require_running": require_running})
    assert (result.code, result.discs) == (143, [])
    assert set(children()) <= before


@pytest.mark.fault("G26")
def test_a_worker_that_is_killed_is_replaced(lab, archive):
    before = set(children())
    killed = []

    def progress(_now):
        if not killed:
            for pid in set(children()) - before:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                break

    result = lab.make(surroundings={"progress": progress})
    assert killed
    assert result.code == 0, result.report
    assert result.report["discs"][0]["viewer"]["mode"] == "full"


def compressed(number, syntax, frames, **more):
    ds = instance(number=number, series=2, SOPClassUID=CT, **more)
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def test_a_corrupt_jpeg_2000_is_one_tile(lab, tmp_path, need_program):
    need_program("bsdtar")
    good = pydicom.dcmread(JPEG_2000)
    stream = next(pydicom.encaps.generate_frames(good.PixelData, number_of_frames=1))
    shape = {"Rows": good.Rows, "Columns": good.Columns, "BitsStored": good.BitsStored,
             "HighBit": good.HighBit, "PixelRepresentation": good.PixelRepresentation}  # fmt: skip
    start = stream.index(b"\xff\x90")  # the first tile-part
    bad = stream[:start] + bytes(range(256)) * 8
    save(lab.images, "good", compressed(1, JPEG2000Lossless, [stream], **shape))
    save(lab.images, "bad", compressed(2, JPEG2000Lossless, [bad], **shape))
    save(lab.images, "cut", compressed(3, JPEG2000Lossless, [stream[: len(stream) // 2]], **shape))
    lab.start()
    result = lab.make()
    assert result.code == 0, result.report
    (disc,) = result.discs
    frames = frames_of(extracted(disc, tmp_path))
    assert frames["1.2.3.2.1"][0]["coding"] == "med"
    for n in (1, 2, 3, 4):
        assert frames[f"1.2.3.1.{n}"][0]["coding"] in {"med", "planes"}
    tiles = [f for each in frames.values() for f in each if f["coding"] == "none"]
    assert [tile["reason"]["code"] for tile in tiles] == ["decoder_failed"] * 2
    assert result.report["discs"][0]["viewer"]["tiles"] == 2


#: What a decoder in C can do to its process, in Python.
CRASHES = {
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "memory_limit"),
    "segmentation fault": ("os.kill(os.getpid(), signal.SIGSEGV)", "decoder_crashed"),
    "exit": ("os._exit(3)", "decoder_crashed"),
    "hangs": ("time.sleep(600)", "time_limit"),
    "eats memory": ("return bytearray(8 << 30)", "memory_limit"),
}


@pytest.mark.fault("G26")
@pytest.mark.parametrize("crash", CRASHES)
def test_a_decoder_that_crashes_costs_its_frame(lab, tmp_path, monkeypatch, need_program, crash):
    """A real worker dies inside a decoder, for a real object, in a real job."""
    need_program("bsdtar")
    limits = Limits(frame_seconds=3 if crash == "hangs" else 60)
    monkeypatch.setattr("mkiso.pixels.worker_pool.Limits", lambda: limits)
    statement, code = CRASHES[crash]
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "gdcm.py").write_text(
        "import os, signal, time\n"
        "class Version:\n    @staticmethod\n    def GetVersion(): return '3.0.24'\n"
        f"def Fragment():\n    {statement}\n"
    )
    monkeypatch.syspath_prepend(str(modules))
    shape = {"Rows": 16, "Columns": 16, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    save(lab.images, "bad", compressed(1, TWELVE_BIT_JPEG, [b"\xff\xd8" + bytes(200)], **shape))
    lab.start()
    result = lab.make()
    assert result.code == 0, result.report
    frames = frames_of(extracted(result.discs[0], tmp_path))
    (tile,) = frames["1.2.3.2.1"]
    assert tile["reason"]["code"] == code
    assert result.report["discs"][0]["viewer"]["tiles"] == 1
    for n in (1, 2, 3, 4):
        assert frames[f"1.2.3.1.{n}"][0]["coding"] in {"med", "planes"}


@pytest.mark.peers
def test_a_browser_shows_the_first_image_from_a_write_protected_folder(lab, archive, tmp_path):
    from browser.viewer_files import protect, unprotect  # noqa: PLC0415 - of this test alone
    from browser.webdriver import Browser, Driver, missing_programs  # noqa: PLC0415

    if missing := [*missing_programs(), *(["bsdtar"] if shutil.which("bsdtar") is None else [])]:
        pytest.skip(f"{' and '.join(missing)} not installed")
    result = lab.make()
    place = extracted(result.discs[0], tmp_path)
    protect(place)
    driver = Driver(tmp_path)
    try:
        browser = Browser(driver, tmp_path / "profile")
        browser.open((place / "INDEX.HTM").as_uri())
        browser.wait_for("document.documentElement.dataset.viewer === 'ready'")
        assert [line for line in browser.log() if line["level"] == "SEVERE"] == []
        assert browser.run("return document.getElementById('viewer-note').hidden")
        browser.close()
    finally:
        driver.close()
        unprotect(place)

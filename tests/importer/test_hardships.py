"""What happens to watched folders in practice: moves, links, vanishing, neighbours, locales."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from importing import NAME, PROJECT, stop, stored, wait_for
from odd_archive import Held
from pydicom.uid import DeflatedExplicitVRLittleEndian
from whole_jobs import instance, save


@pytest.mark.parametrize("place", ["kept", "kept/deep", "rejected/too"])
def test_an_archive_within_the_watched_folder_is_no_patients(inbox, place):
    inbox.archive()
    inbox.put()
    code, report = inbox.once("--archive-to", inbox.root / place)
    assert code == 0, report
    code, report = inbox.once("--archive-to", inbox.root / place)
    assert report["answer"]["imports"] == []
    assert inbox.rejected() == {}
    assert len(list((inbox.root / place).glob(f"*/{NAME}/series/1.dcm"))) == 1


def test_an_archive_named_by_another_path_is_no_patients(inbox):
    """FOLDER/archived by way of a link is FOLDER/archived."""
    inbox.archive()
    inbox.put()
    other = inbox.folder / "other-way"
    other.symlink_to(inbox.root)
    for _ in range(2):
        code, report = inbox.once("--archive-to", other / "kept", "--rejected-to", other / "not")
        assert code == 0, report
    assert len(list((inbox.root / "kept").glob(f"*/{NAME}"))) == 1


@pytest.mark.parametrize("option", ["--archive-to", "--rejected-to"])
def test_the_watched_folder_is_no_place_to_archive_to(inbox, option):
    inbox.archive()
    inbox.put()
    code, report = inbox.once(option, inbox.root)
    assert code == 73
    assert "is the watched folder" in report["message"]
    assert len(list((inbox.root / NAME).rglob("*.dcm"))) == 3


def test_a_folder_renamed_into_place_is_imported_when_it_has_settled(inbox):
    inbox.archive()
    process = inbox.start("--no-poll", settle="1s")
    try:
        assert "Watching" in process.stderr.readline()
        upload = inbox.put(".upload")  # a name with a dot is left alone
        for path in upload.rglob("*.dcm"):
            os.utime(path, (1e9, 1e9))  # a copy keeps the times of its original
        time.sleep(1.5)
        assert inbox.archived() == []
        upload.rename(inbox.root / NAME)
        assert wait_for(inbox.archived)
    finally:
        stop(process)
    assert len(stored(inbox.folder / "pacs-files")) == 3


def test_a_file_renamed_into_place_lets_its_folder_settle_anew(inbox):
    """rsync and others write under another name first: what counts is the last rename."""
    inbox.archive()
    aside = save(inbox.folder, "aside/late.dcm", instance("1.2.3", 5, 1))
    os.utime(aside, (1e9, 1e9))
    process = inbox.start("--no-poll", "--json", settle="6s")
    try:
        assert "Watching" in process.stderr.readline()
        folder = inbox.put()
        time.sleep(1)
        began = time.monotonic()
        aside.rename(folder / "late.dcm")
        assert wait_for(inbox.archived)
        assert time.monotonic() - began > 5.5
        assert json.loads(process.stdout.readline())["instances"] == 4
    finally:
        stop(process)


def test_folders_in_folders_are_one_patients(inbox):
    inbox.archive()
    for depth in range(1, 30):
        place = "/".join(["deep"] * depth)
        save(inbox.root / NAME, f"{place}/1.dcm", instance("1.2.3", depth, 1))
    code, report = inbox.once()
    assert code == 0, report
    assert len(stored(inbox.folder / "pacs-files")) == 29
    assert len(list(inbox.archived()[0].rglob("1.dcm"))) == 29


def test_links_are_neither_followed_nor_archived(inbox):
    """A link to a file, to a folder, to nothing, and into a circle."""
    inbox.archive()
    outside = save(inbox.folder, "outside/1.dcm", instance("1.2.77", 1, 1))
    folder = inbox.put()
    (folder / "file").symlink_to(outside)
    (folder / "folder").symlink_to(outside.parent)
    (folder / "gone").symlink_to(inbox.folder / "nothing")
    (folder / "circle").symlink_to(folder)
    (inbox.root / "#1-Linked").symlink_to(folder)
    code, report = inbox.once()
    assert code == 65, report
    assert len(stored(inbox.folder / "pacs-files")) == 3
    assert outside.exists()
    reasons = inbox.rejected()
    assert len(reasons) == 5, reasons
    assert [path for path in inbox.archived()[0].rglob("*") if path.is_symlink()] == []


def test_a_deflated_file_is_rejected_with_what_to_do(inbox):
    inbox.archive()
    folder = inbox.put()
    made = instance("1.2.3", 2, 1)
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(folder, "deflated.dcm", made)
    code, report = inbox.once()
    assert code == 65, report
    (reason,) = inbox.rejected().values()
    assert "convert it" in reason
    assert len(stored(inbox.folder / "pacs-files")) == 3


def test_an_importer_that_is_told_to_de_identify_says_that_it_does_not(inbox):
    """What is sent names patients, whatever a configuration for discs of nobody says."""
    inbox.archive()
    inbox.put()
    code, report = inbox.once("--set", "job.deidentify=basic")
    assert code == 78
    assert "does not de-identify" in report["message"]
    assert stored(inbox.folder / "pacs-files") == {}
    assert inbox.once("--set", "job.deidentify=")[0] == 0


def test_a_folder_that_disappears_while_it_is_sent_ends_nothing_else(inbox):
    held = Held(inbox.archive(), 5)
    folder = inbox.put(count=300)
    process = inbox.start("--json", settle="0s")
    try:
        assert "Watching" in process.stderr.readline()
        held.wait()
        shutil.rmtree(folder)
        held.go_on.set()
        first = json.loads(process.stdout.readline())
        assert (first["open"], first["code"]) == (True, 75), first
        assert "changed" in first["message"]
        inbox.put("#7-Later", study="1.2.9")
        assert wait_for(lambda: inbox.archived("#7-Later"))
    finally:
        code, out, err = stop(process)
    assert code == 0
    inbox.check_silence(out, err)
    states = sorted(job["state"] for job in inbox.ledger()["jobs"])
    assert states == ["cancelled", "done"]
    assert inbox.rejected() == {}


def test_two_importers_with_one_state_folder_do_not_disturb_each_other(inbox):
    archive = inbox.archive()
    inbox.put(count=60)
    second = inbox.folder / "second"
    for number in range(60):
        save(second / "#8-Other", f"{number}.dcm", instance("1.2.8", 1, number + 1))
    first = inbox.start("--once", "--json", settle="0s")
    words = [sys.executable, "-m", "mkiso", "watch", str(second), "--once", "--json", "--settle",
             "0s", "--config", str(inbox.config), "--forward", "pacs"]  # fmt: skip
    done = subprocess.run(
        words, cwd=PROJECT, capture_output=True, text=True, timeout=90, check=False
    )
    out, _ = first.communicate(timeout=90)
    assert (first.returncode, done.returncode) == (0, 0), (out, done.stdout)
    assert archive.contents.instances == 120
    found = stored(inbox.folder / "pacs-files").values()
    assert sorted({(ds.PatientID, ds.StudyInstanceUID) for ds in found}) == [
        ("8", "1.2.8"), ("90210", "1.2.3"),
    ]  # fmt: skip
    assert [job["state"] for job in inbox.ledger()["jobs"]] == ["done", "done"]


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_under_cron_with_a_bare_environment_korean_names_are_korean(inbox, locale):
    inbox.archive()
    inbox.configure(unicode=True)
    inbox.put("#12345-홍^길동")
    words = [sys.executable, "-m", "mkiso", "watch", str(inbox.root), "--once", "--settle", "0s",
             "--config", str(inbox.config), "--forward", "pacs"]  # fmt: skip
    done = subprocess.run(
        words, cwd="/", capture_output=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": locale, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    inbox.check_silence(done.stdout.decode(), done.stderr.decode())
    (kept,) = inbox.archived("#12345-홍^길동")
    assert len(list(kept.rglob("*.dcm"))) == 3
    found = stored(inbox.folder / "pacs-files").values()
    assert {str(ds.PatientName) for ds in found} == {"홍^길동"}
    assert {ds.SpecificCharacterSet for ds in found} == {"ISO_IR 192"}

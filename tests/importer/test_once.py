import os
import socket
import subprocess
import time

import pytest
from importing import NAME, stored
from whole_jobs import instance, save


def test_a_folder_is_corrected_sent_and_archived(inbox):
    inbox.archive()
    before = {p.name: p.read_bytes() for p in inbox.put().rglob("*.dcm")}
    code, report = inbox.once()
    assert code == 0
    assert "1 folder imported" in report["message"]
    found = stored(inbox.folder / "pacs-files")
    assert len(found) == 3
    assert {(str(ds.PatientID), str(ds.PatientName)) for ds in found.values()} == {
        ("90210", "Quux^Zebulon")
    }
    (archived,) = inbox.archived()
    assert {p.name: p.read_bytes() for p in archived.rglob("*.dcm")} == before
    assert not (inbox.root / NAME).exists()
    (each,) = report["answer"]["imports"]
    assert each["destinations"] == {"pacs": {"taken": 3, "earlier": 0, "failed": {}}}
    assert list((inbox.root / ".mkiso-watch").glob("import-*")) == []


def test_a_second_run_has_nothing_to_do(inbox):
    inbox.archive()
    inbox.put()
    inbox.once()
    code, report = inbox.once()
    assert (code, report["answer"]["imports"]) == (0, [])


def test_what_cannot_be_imported_is_rejected_with_a_reason_and_the_rest_goes_on(inbox):
    inbox.archive()
    folder = inbox.put()
    (folder / "notes.txt").write_text("not DICOM")
    whole = (folder / "series/1.dcm").read_bytes()
    (folder / "short.dcm").write_bytes(whole[: len(whole) - 100])
    (folder / "no-uids.dcm").write_bytes(whole[:128] + b"DICM")
    (folder / "link.dcm").symlink_to("/etc/passwd")
    (folder / "Thumbs.db").write_bytes(b"left by a file manager")
    inbox.put("Nobody knows", study="1.2.9")
    (inbox.root / "stray.dcm").write_bytes(whole)
    code, report = inbox.once()
    assert code == 65
    reasons = inbox.rejected()
    assert set(reasons) == {
        f"{NAME}/notes.txt.reason.txt", f"{NAME}/short.dcm.reason.txt",
        f"{NAME}/no-uids.dcm.reason.txt", f"{NAME}/link.dcm.reason.txt",
        "Nobody knows.reason.txt", "stray.dcm.reason.txt",
    }  # fmt: skip
    assert "not a DICOM file" in reasons[f"{NAME}/notes.txt.reason.txt"]
    assert "does not match" in reasons["Nobody knows.reason.txt"]
    assert len(stored(inbox.folder / "pacs-files")) == 3
    (archived,) = inbox.archived()
    assert sorted(p.name for p in archived.rglob("*") if p.is_file()) == [
        "1.dcm", "2.dcm", "3.dcm", "Thumbs.db",
    ]  # fmt: skip
    assert "1 folder imported, 2 rejected" in report["message"]


def test_an_unreadable_file_is_rejected_and_the_others_go_on(inbox):
    inbox.archive()
    folder = inbox.put()
    (folder / "series/2.dcm").chmod(0)
    code, _ = inbox.once(as_root=False)
    assert code == 65
    assert "cannot be read" in inbox.rejected()[f"{NAME}/series/2.dcm.reason.txt"]
    assert len(stored(inbox.folder / "pacs-files")) == 2


def test_a_folder_that_can_be_neither_read_nor_moved_is_told_and_the_others_go_on(inbox):
    inbox.archive()
    folder = inbox.put()
    folder.chmod(0)
    inbox.put("#7-Other", study="1.2.9")
    try:
        code, report = inbox.once(as_root=False)
        assert code == 74
        (said,) = [each["message"] for each in report["answer"]["imports"] if each["code"]]
        assert "Permission denied" in said
        assert len(inbox.archived("#7-Other")) == 1
    finally:
        folder.chmod(0o700)
    assert len(list(folder.rglob("*.dcm"))) == 3


def test_times_in_the_future_hold_nothing_up(inbox):
    inbox.archive()
    for path in inbox.put().rglob("*.dcm"):
        os.utime(path, (4e9, 4e9))
    assert inbox.once()[1]["answer"]["left"] == 0
    assert len(inbox.archived()) == 1


def test_what_a_killed_run_took_out_of_reach_is_put_back_and_imported(inbox):
    inbox.archive()
    inbox.put()
    inbox.once(settle="60s")
    parked = inbox.root / ".mkiso-watch" / "leaving" / "import-x-1"
    parked.mkdir(parents=True)
    (inbox.root / NAME).rename(parked / NAME)
    half = inbox.root / "archived" / "20260101_000000" / f"{NAME}.mkiso-part"
    half.mkdir(parents=True)
    assert inbox.once()[0] == 0
    assert len(inbox.archived()) == 1
    assert not half.exists()
    assert not parked.exists()


def test_a_folder_that_was_taken_away_is_no_job_any_more(inbox):
    inbox.away()
    folder = inbox.put(AccessionNumber="ACC7")
    inbox.once()
    folder.rename(inbox.folder / "taken")
    assert inbox.once()[0] == 0
    (job,) = inbox.ledger()["jobs"]
    assert (job["state"], job["accessions"]) == ("cancelled", ["ACC7"])


def test_two_birth_dates_are_two_patients_and_nothing_is_sent(inbox):
    inbox.archive()
    folder = inbox.put()
    save(folder, "other.dcm", instance("1.2.4", 1, 9, PatientBirthDate="20010101"))
    code, report = inbox.once()
    assert code == 81
    assert "birth date" in report["answer"]["imports"][0]["message"]
    assert stored(inbox.folder / "pacs-files") == {}
    assert (inbox.root / "rejected").glob(f"*/{NAME}/series/1.dcm")


def test_one_uid_with_two_contents_is_rejected_twice(inbox):
    inbox.archive()
    folder = inbox.put()
    save(folder, "again.dcm", instance("1.2.3", 1, 1))
    save(folder, "forged.dcm", instance("1.2.3", 1, 2, InstanceNumber=77))
    inbox.once()
    assert set(inbox.rejected()) == {
        f"{NAME}/forged.dcm.reason.txt", f"{NAME}/series/2.dcm.reason.txt",
    }  # fmt: skip
    assert set(stored(inbox.folder / "pacs-files")) == {"1.2.3.1.1", "1.2.3.1.3"}
    (archived,) = inbox.archived()
    assert (archived / "again.dcm").is_file()


def test_with_one_destination_down_the_other_gets_it_once_and_the_folder_waits(inbox):
    inbox.archive()
    inbox.away()
    inbox.put()
    code, report = inbox.once()
    assert code == 84
    (first,) = report["answer"]["imports"]
    assert first["open"]
    assert first["destinations"]["pacs"]["taken"] == 3
    assert len(first["destinations"]["away"]["failed"]) == 3
    assert inbox.archived() == []
    port = inbox.nodes["away"]["port"]
    inbox.archive("away", port=port)
    code, report = inbox.once()
    assert code == 0
    (second,) = report["answer"]["imports"]
    assert second["job"] == first["job"]
    assert second["destinations"] == {
        "pacs": {"taken": 3, "earlier": 3, "failed": {}},
        "away": {"taken": 3, "earlier": 0, "failed": {}},
    }
    assert len(inbox.archived()) == 1


def test_a_folder_that_was_changed_just_now_is_left_for_the_next_run(inbox):
    inbox.archive()
    inbox.put()
    code, report = inbox.once(settle="60s")
    assert (code, report["answer"]["left"]) == (0, 1)
    assert (inbox.root / NAME).is_dir()


def test_a_file_that_is_open_for_writing_keeps_its_folder_where_it_is(inbox):
    inbox.archive()
    folder = inbox.put()
    with (folder / "series/1.dcm").open("ab"):
        code, report = inbox.once()
        assert report["answer"]["imports"] == []
        assert (code, report["answer"]["left"]) == (0, 1)
    assert inbox.once()[1]["answer"]["left"] == 0
    assert len(inbox.archived()) == 1


def test_korean_names_arrive_where_they_are_allowed(inbox):
    inbox.archive()
    inbox.put("#7-홍길동", StudyDescription="x")
    code, _ = inbox.once()
    assert code == 65
    (back,) = (inbox.root / "rejected").glob("*/#7-홍길동")
    back.rename(inbox.root / "#7-홍길동")
    inbox.configure(unicode=True, issuer="HOSP")
    assert inbox.once()[0] == 0
    for ds in stored(inbox.folder / "pacs-files").values():
        assert (ds.PatientName, ds.SpecificCharacterSet) == ("홍길동", "ISO_IR 192")
        assert ds.IssuerOfPatientID == "HOSP"


def test_the_archive_may_be_elsewhere_and_old_folders_go(inbox):
    inbox.archive()
    inbox.put()
    place = inbox.folder / "elsewhere"
    old = time.strftime("%Y%m%d_%H%M%S", time.localtime(time.time() - 91 * 86400))
    young = time.strftime("%Y%m%d_%H%M%S", time.localtime(time.time() - 89 * 86400))
    for name in (old, young, "20010101", "other"):
        (place / name / "#1-A").mkdir(parents=True)
    inbox.once("--archive-to", place, "--keep", "90d")
    left = {path.name for path in place.iterdir()}
    assert old not in left
    assert {young, "20010101", "other"} < left
    assert len(list(place.glob(f"*/{NAME}/series/1.dcm"))) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_archive_loses_nothing_and_says_so(inbox):
    inbox.archive()
    folder = inbox.put(count=8, PixelData=bytes(64 * 64 * 2), Rows=64, Columns=64)
    place = inbox.folder / "small"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "x", place], check=False
    ).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        code, report = inbox.once("--archive-to", place)
        assert code == 74
        (each,) = report["answer"]["imports"]
        assert each["open"]
        assert "No space left" in each["message"]
        assert len(list(folder.rglob("*.dcm"))) == 8
        assert [path for path in place.rglob("*") if path.is_file()] == []
    finally:
        subprocess.run(["umount", place], check=True)
    code, report = inbox.once("--archive-to", place)
    assert code == 0
    assert report["answer"]["imports"][0]["destinations"]["pacs"]["earlier"] == 8


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_copies_that_have_no_room_go_and_the_folder_stays(inbox):
    """Half a folder's copies must not fill the disk of those who put folders there."""
    archive = inbox.archive()
    small = ["mount", "-t", "tmpfs", "-o", "size=64k", "x", inbox.root]
    if subprocess.run(small, check=False).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        folder = inbox.put(count=10)
        elsewhere = ("--archive-to", inbox.folder / "a", "--rejected-to", inbox.folder / "r")
        code, report = inbox.once(*elsewhere)
        assert code == 74, report
        assert len(list(folder.rglob("*.dcm"))) == 10
        assert list((inbox.root / ".mkiso-watch").rglob("*.dcm")) == []
        subprocess.run(["mount", "-o", "remount,size=1m", inbox.root], check=True)
        assert inbox.once(*elsewhere)[0] == 0
        assert archive.contents.instances == 10
    finally:
        subprocess.run(["umount", "-l", inbox.root], check=True)


def test_jobs_show_imports_without_saying_whose(inbox):
    inbox.archive()
    inbox.away()
    inbox.put(AccessionNumber="ACC7")
    inbox.once()
    (job,) = inbox.ledger()["jobs"]
    assert (job["state"], job["code"], job["accessions"]) == ("waiting", 84, ["ACC7"])
    shown = inbox.ledger("show", job["job"])["job"]
    assert shown["destinations"][f"ABPACS@127.0.0.1:{inbox.nodes['pacs']['port']}"] == {
        "taken": 3,
        "failed": 0,
    }
    assert shown["destinations"][f"ABPACS@127.0.0.1:{inbox.nodes['away']['port']}"]["failed"] == 3


def test_old_logs_of_imports_go_and_those_of_others_stay(inbox):
    """Also when there is nothing to import."""
    inbox.archive()
    jobs = inbox.state / "jobs"
    jobs.mkdir(parents=True)
    ages = {"import-old.log": 31, "import-old.json": 31, "import-new.log": 29, "other-old.log": 31}
    for name, days in ages.items():
        (jobs / name).touch()
        os.utime(jobs / name, (time.time() - days * 86400,) * 2)
    (inbox.state / "import.log").write_text("yesterday\n")
    os.utime(inbox.state / "import.log", (time.time() - 86400,) * 2)
    assert inbox.once("--keep-logs", "30d")[0] == 0
    assert {path.name for path in jobs.iterdir()} == {"import-new.log", "other-old.log"}
    inbox.put()
    assert inbox.once("--keep-logs", "30d")[0] == 0
    assert "3 instances" in (inbox.state / "import.log").read_text()
    (rotated,) = inbox.state.glob("import-2*.log")
    assert rotated.read_text() == "yesterday\n"


def test_a_folder_is_held_by_one_importer(inbox):
    inbox.archive()
    first = inbox.start()
    try:
        assert "Watching" in first.stderr.readline()
        code, report = inbox.once()
        assert code == 75
        assert "Another" in report["message"]
    finally:
        first.kill()
        first.communicate()


def test_a_disc_is_made_of_the_corrected_copies(inbox):
    inbox.put()
    out = inbox.folder / "discs"
    code, report = inbox.once("--make-disc", "--output", out)
    assert code == 0, report
    (disc,) = report["discs"]
    assert disc["instances"] == 3
    content = (out / disc["path"]).read_bytes()
    assert b"Quux^Zebulon" in content
    assert b"PIDQ77" not in content
    assert len(inbox.archived()) == 1


def test_more_of_a_study_makes_another_disc_and_replaces_none(inbox):
    """Two folders, one study: the second disc is called as its import is."""
    out = inbox.folder / "discs"
    options = ("--make-disc", "--output", out)
    inbox.put()
    assert inbox.once(*options)[0] == 0
    (first,) = out.glob("*.iso")
    content = first.read_bytes()
    inbox.put(count=5)
    code, report = inbox.once(*options)
    assert code == 0, report
    (second,) = set(out.glob("*.iso")) - {first}
    assert second.stem == report["answer"]["imports"][0]["job"]
    assert report["discs"][0]["instances"] == 5
    assert first.read_bytes() == content
    assert len(inbox.archived()) == 2


def test_without_a_place_to_send_to_nothing_begins(inbox):
    code, report = inbox.once()
    assert code == 64
    assert "nowhere" in report["message"]


def test_a_node_that_hangs_is_given_up(inbox):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        inbox.node("silent", silent.getsockname()[1], stall_timeout=1.0)
        inbox.put(count=1)
        code, report = inbox.once()
    assert code == 84
    assert report["answer"]["imports"][0]["open"]

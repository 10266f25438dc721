import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import jsonschema
import pytest
from cli_schema import SCHEMA
from peers import free_ports, storescp
from pydicom.fileset import FileSet
from toolbox_lab import data_sets, make_people
from whole_jobs import instance, save


@pytest.fixture
def empty(lab):
    """An embedded archive with nothing in it, as node `backup`."""
    folder = lab.folder / "empty"
    folder.mkdir()
    lab.archive("backup", folder=folder)
    return folder


@pytest.fixture
def people(lab):
    return make_people(lab.folder / "people")


def test_a_folder_goes_bit_for_bit(lab, empty, people):
    (people / "notes.txt").write_text("no DICOM")
    done = lab.run("send", "backup", people)
    assert done.code == 0, done.err
    assert data_sets(empty) == data_sets(people)
    assert "backup took 7 instances." in done.out
    assert "Files not sent: 1 (not DICOM)." in done.err


def test_several_associations_send_each_instance_once(lab, empty, people):
    report = lab.run("send", "backup", people, "--associations", "3", "--json").report
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert report["forwarded"][0]["sent"] == 7
    assert data_sets(empty) == data_sets(people)


def test_a_zip_is_unpacked_and_nothing_of_it_stays(lab, empty, people, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(people.rglob("*")):
            archive.write(path, f"../{path.relative_to(people)}")
    assert lab.run("send", "backup", tmp_path / "x.zip").code == 0
    assert data_sets(empty) == data_sets(people)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_zip_is_65(lab, empty, people, tmp_path, method):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.write(next(people.rglob("1.1")), "1.1")
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[300] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(bytes(content))
    done = lab.run("send", "backup", tmp_path / "x.zip")
    assert done.code == 65
    assert "is a ZIP archive that cannot be read" in done.err
    assert data_sets(empty) == {}


def test_a_dicomdir_means_the_files_it_names(lab, empty, people, tmp_path):
    made = FileSet()
    for path in sorted((people / "1.2.4").iterdir()):
        made.add(path)
    made.write(tmp_path / "set")
    made._stage["t"].cleanup()
    save(tmp_path / "set", "STRAY", instance("1.2.9"))
    for path in sorted((tmp_path / "set").rglob("*"), reverse=True):  # as a mounted disc shows them
        if path.name != "STRAY":
            path.rename(path.with_name(path.name.lower()))
    done = lab.run("send", "backup", tmp_path / "set" / "dicomdir")
    assert done.code == 0, done.err
    assert set(data_sets(empty)) == {"1.2.4.1.1"}


def test_a_disc_image_of_ours_goes_whole(lab, empty, people):
    lab.archive("pacs", folder=people)
    done = lab.run("make", "A1", "--archive", "pacs", "--output", lab.folder, "--viewer", "none")
    assert done.code == 0, done.err
    done = lab.run("send", "backup", lab.folder / "A1.iso")
    assert done.code == 0, done.err
    assert data_sets(empty).items() <= data_sets(people).items()
    assert len(data_sets(empty)) == 4


@pytest.mark.peers
def test_a_disc_image_of_another_program_goes_whole(lab, empty, people, need_program):
    need_program("genisoimage")
    image = lab.folder / "other.iso"
    subprocess.run(["genisoimage", "-quiet", "-R", "-o", image, people], check=True)
    assert lab.run("send", "backup", image).code == 0
    assert data_sets(empty) == data_sets(people)


def test_two_contents_under_one_uid_are_not_sent(lab, empty, people):
    shutil.copy(people / "1.2.4/1.1", people / "copy")
    save(people, "other", instance("1.2.5", 1, 1, PatientName="Else^Somebody"))
    done = lab.run("send", "backup", people, "--report", "sent.json")
    assert done.code == 84
    rows = json.loads(Path("sent.json").read_text())["instances"]
    (row,) = (row for row in rows if not row["taken"])
    assert row["status"] == "two files with this UID and different contents"
    assert "1.2.5.1.1: two files with this UID" in done.err
    assert "the same instance again" in done.err
    assert set(data_sets(empty)) == set(data_sets(people)) - {"1.2.5.1.1"}


def test_damaged_files_are_counted_and_the_others_go(lab, empty, people):
    path = people / "1.2.4/1.1"
    path.write_bytes(path.read_bytes()[:-100])
    done = lab.run("send", "backup", people)
    assert done.code == 65
    assert "Files not sent: 1 (damaged or without UIDs)." in done.err
    assert "backup took 6 instances; 1 file or folder could not be read" in done.err
    assert len(data_sets(empty)) == 6


def test_a_folder_that_cannot_be_read_is_no_success(lab, empty, people):
    """Too deep for a path: a fault that also meets root, whom no permission stops."""
    descriptor = os.open(people, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=descriptor)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(descriptor)
    done = lab.run("send", "backup", people)
    assert done.code == 65
    assert "Files not sent: 1 (unreadable)." in done.err
    assert data_sets(empty) == data_sets(people / "1.2.3") | data_sets(people / "1.2.4") | (
        data_sets(people / "1.2.5")
    )


def test_links_are_not_followed_and_said(lab, empty, people):
    (people / "file").symlink_to(people / "1.2.4/1.1")
    (people / "folder").symlink_to(people / "1.2.4")
    (people / "nowhere").symlink_to(people / "nothing")
    done = lab.run("send", "backup", people)
    assert done.code == 0
    assert "Files not sent: 3 (a symbolic link inside a folder)." in done.err
    assert len(data_sets(empty)) == 7


def test_the_report_file_lets_a_second_run_send_the_rest(lab, empty, people):
    late = lab.folder / "late"
    (people / "1.2.5").rename(late)
    arguments = ["send", "backup", people, "--report", lab.folder / "sent.json", "--resume"]
    assert lab.run(*arguments).code == 0
    late.rename(people / "1.2.5")
    done = lab.run(*arguments)
    assert "took 2 instances, 5 before." in done.out
    report = json.loads((lab.folder / "sent.json").read_text())
    assert report["taken"] == 7
    assert {row["status"] for row in report["instances"]} == {"before", "0000H"}


def test_a_node_that_is_away_is_75_and_a_missing_path_64(lab, people):
    lab.name("backup", lab.receiver_port)
    assert lab.run("send", "backup", people).code == 75
    assert lab.run("send", "backup", people / "nowhere").code == 64
    (lab.folder / "nothing").mkdir()
    assert lab.run("send", "backup", lab.folder / "nothing").code == 65


@pytest.mark.peers
def test_storescp_gets_every_file_bit_for_bit(lab, people, need_program, tmp_path):
    need_program("storescp")
    (port,) = free_ports(1)
    arrived = tmp_path / "arrived"
    arrived.mkdir()
    lab.name("backup", port, "CDRECORD")
    with storescp(port, arrived):
        assert lab.run("send", "backup", people, "--associations", "2").code == 0
    assert data_sets(arrived) == data_sets(people)


@pytest.mark.peers
def test_orthanc_commits_itself_on_an_association_of_its_own(
    lab, people, shared_tools, need_program
):
    need_program("Orthanc")
    nothing = lab.folder / "nothing"
    nothing.mkdir()
    made = lab.real("orthanc", shared_tools, nothing, DEST_PORT=str(lab.receiver_port),
                    EXTRA='"DicomCheckModalityHost": false')  # fmt: skip
    lab.name("pacs", made.port)
    done = lab.run("send", "pacs", people, "--commit", "--commit-wait", "30", "--json")
    assert done.code == 0, done.out
    assert done.report["answer"]["committed"] == 7


@pytest.mark.peers
def test_a_node_without_storage_commitment_is_said_so(lab, people, need_program, tmp_path):
    need_program("storescp")
    (port,) = free_ports(1)
    arrived = tmp_path / "arrived"
    arrived.mkdir()
    lab.name("backup", port, "CDRECORD")
    with storescp(port, arrived):
        done = lab.run("send", "backup", people, "--commit")
    assert done.code == 76
    assert "does not offer storage commitment" in done.err
    assert len(data_sets(arrived)) == 7

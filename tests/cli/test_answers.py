"""verify, echo and doctor as programs, against the embedded archive and real ones."""

import json
import os
import shutil

import peers
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from mkiso.archive.server import EmbeddedArchive

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for n in (1, 2):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MR
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.1"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.1.{n}"
        ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Doe^Jane", "P1", "19700101"
        ds.StudyDate, ds.StudyTime, ds.StudyID = "20260131", "103000", "S1"
        ds.AccessionNumber, ds.Modality = "A1", "MR"
        ds.SeriesNumber, ds.InstanceNumber = 1, n
        pydicom.dcmwrite(folder / f"{n}.dcm", ds, enforce_file_format=True)
    return folder


@pytest.fixture
def archive(images):
    (receiver_port,) = peers.free_ports(1)
    with EmbeddedArchive(images, destinations={"CDRECORD": ("127.0.0.1", receiver_port)}) as ours:
        yield (
            ours,
            [
                *("--archive", f"ABPACS@127.0.0.1:{ours.port}"),
                *("--receiver", f"CDRECORD@127.0.0.1:{receiver_port}"),
            ],
        )


def test_echo_answers_for_each_node(mkiso, archive, free_port, the_report):
    here, gone = f"ABPACS@127.0.0.1:{archive[0].port}", f"X@127.0.0.1:{free_port}"
    done = mkiso("echo", here)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1] == "All answer."
    done = mkiso("echo", "--json", here, gone)
    assert done.returncode == 75
    report = the_report(done.stdout)
    assert [f["severity"] for f in report["findings"]] == ["note", "error"]
    assert report["command"] == "echo"


def test_echo_without_a_node_asks_the_archive(mkiso, archive, free_port):
    env = {"MKISO_ARCHIVE": f"ABPACS@127.0.0.1:{archive[0].port}"}
    assert mkiso("echo", env=env).returncode == 0
    assert mkiso("echo", env={"MKISO_ARCHIVE": f"ABPACS@127.0.0.1:{free_port}"}).returncode == 75
    assert mkiso("echo", "nowhere").returncode == 64


def test_doctor_says_what_it_did_not_test(mkiso, archive, the_report):
    done = mkiso("doctor", *archive[1])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[-1] == "Ready to make discs."
    assert any(line.startswith("not tested: whether the archive's move") for line in lines)
    report = the_report(mkiso("doctor", "--json", *archive[1]).stdout)
    assert report["findings"][-1]["id"] == "move-destination.not-tested"


def test_doctor_moves_one_instance_and_keeps_nothing(mkiso, archive, tmp_path):
    done = mkiso("doctor", "--test-move", "A1", *archive[1], env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout
    assert b"leads back to us" in done.stdout
    assert b"not tested" not in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == [".local"]


def test_doctor_says_that_c_get_needs_no_destination(mkiso, archive):
    env = {"MKISO_NODES_HERE_RETRIEVE": "get", "MKISO_NODES_HERE_AE_TITLE": "ABPACS"}
    env |= {"MKISO_NODES_HERE_HOST": "127.0.0.1", "MKISO_NODES_HERE_PORT": str(archive[0].port)}
    done = mkiso("doctor", "--test-move", "A1", *archive[1], "--archive", "here", env=env)
    assert done.returncode == 0, done.stdout
    assert b'not tested: a move: with retrieve = "get"' in done.stdout
    plain = mkiso("doctor", *archive[1], "--archive", "here", env=env)
    assert b"not tested" not in plain.stdout


def test_doctor_tells_how_to_register_us(mkiso, images, the_report):
    with EmbeddedArchive(images) as archive:
        done = mkiso(
            *("doctor", "--test-move", "A1", "--json"),
            *("--archive", f"ABPACS@127.0.0.1:{archive.port}"),
            *("--receiver", f"CDRECORD@127.0.0.1:{peers.free_ports(1)[0]}"),
        )
    assert done.returncode == 78
    report = the_report(done.stdout)
    assert any("DicomModalities" in line for line in report["details"])
    assert b"DicomModalities" in done.stderr


def test_doctor_refuses_a_wildcard_before_anything_is_asked(mkiso):
    assert mkiso("doctor", "--test-move", "A*").returncode == 64


def test_verify_judges_an_image_and_a_folder(mkiso, archive, tmp_path, the_report):
    made = mkiso("make", "A1", *archive[1], "--json")
    assert made.returncode == 0, made.stderr
    done = mkiso("verify", "A1.iso")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1].startswith("A1.iso: good, 2 instances, 0 errors")
    image = bytearray((tmp_path / "A1.iso").read_bytes())
    image[image.index(b"1.2.3.1.2")] ^= 1
    (tmp_path / "broken.iso").write_bytes(image)
    done = mkiso("verify", "--json", "broken.iso")
    assert done.returncode == 83
    report = the_report(done.stdout)
    assert "error" in {finding["severity"] for finding in report["findings"]}
    assert "Doe" not in done.stdout.decode()
    (tmp_path / "folder").mkdir()
    assert mkiso("verify", "folder").returncode == 83
    assert mkiso("verify", "nothing").returncode == 66
    none = mkiso("verify", "/etc/passwd")
    assert (none.returncode, none.stdout) == (83, b"")
    (line,) = none.stderr.decode().splitlines()
    assert (
        line
        == "mkiso: /etc/passwd is no disc image: there is no ISO 9660 volume in it. [83 VERIFY]"
    )


@pytest.mark.fault("F63")
def test_the_report_of_a_job_survives_a_reader_that_went_away(archive, mkiso, tmp_path, the_report):
    read, write = os.pipe()
    os.close(read)
    try:
        done = mkiso("make", "A1", *archive[1], "--json", stdout=write, capture_output=False)
    finally:
        os.close(write)
    assert done.returncode == 0
    assert (tmp_path / "A1.iso").is_file()
    (kept,) = (tmp_path / ".local" / "state" / "mkiso" / "jobs").glob("*.json")
    report = the_report(json.dumps(json.loads(kept.read_bytes())).encode())
    assert (report["code"], report["job"]) == (0, kept.stem)


@pytest.mark.peers
@pytest.mark.parametrize("name", ["dcmqrscp", "orthanc"])
def test_doctor_finds_the_way_back_from_real_archives(
    name, mkiso, images, shared_tools, need_program, tmp_path
):
    need_program("ss", *(("dcmqrscp", "dcmqridx") if name == "dcmqrscp" else ("Orthanc", "curl")))
    folder = tmp_path / "peer" / "state"
    folder.parent.mkdir()
    files = tmp_path / "files"
    shutil.copytree(images, files, ignore=shutil.ignore_patterns(".*"))
    archive = peers.start(name, shared_tools, files, folder)
    try:
        base = ("doctor", "--test-move", "A1", "--archive", archive.node)
        good = mkiso(*base, "--receiver", archive.receiver)
        unknown = mkiso(*base, "--receiver", f"NOBODY@127.0.0.1:{archive.receiver_port}")
    finally:
        peers.stop(archive)
    assert good.returncode == 0, good.stdout + good.stderr
    assert b"came from 127.0.0.1 with the AE title ABPACS" in good.stdout
    # Orthanc lets strangers ask nothing; dcmqrscp answers A801H to the move
    assert unknown.returncode == 78, unknown.stdout
    assert b"NOBODY" in unknown.stdout + unknown.stderr

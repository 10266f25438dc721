"""Discs from Orthanc and from dcmqrscp, judged by programs that share no code with mkiso."""

import hashlib
import os
import subprocess
import sys

import pydicom
import pytest
from peers import free_ports, move, series_of, storescp, study_uids

pytestmark = [
    pytest.mark.peers,
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.xdist_group("real archives"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def check_disc(shared_tools):
    """Judge an image with check_disc.sh; `source` holds what must be on it."""

    def check(image, source=None):
        command = [str(shared_tools / "check_disc.sh"), str(image)]
        done = subprocess.run(
            command + ([str(source)] if source else []),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
            env={**os.environ, "PY": sys.executable},
        )
        failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
        assert failures == ["FAILURES 0"], "\n".join(failures) + done.stderr[-500:]

    return check


@pytest.mark.fault("F44")
@pytest.mark.parametrize("accession", ["A2375892", "2001074932525979", "MOF5026"])
def test_a_disc_holds_what_an_independent_receiver_got(
    archive, accession, mkiso, captured, check_disc
):
    source = captured(archive, accession)
    run = mkiso(archive, accession)
    assert run.code == 0, run.stderr
    check_disc(run.discs[0], source)
    assert run.report["received"] == len(list(source.iterdir())) == run.report["expected"]


@pytest.mark.fault("F11")
def test_three_studies_of_one_patient_are_one_disc(orthanc, mkiso, captured, check_disc):
    source = captured(orthanc, "S19-1_A_1_1")
    run = mkiso(orthanc, "S19-1_A_1_1")
    assert run.code == 0, run.stderr
    assert len(run.report["studies"]) == 3
    check_disc(run.discs[0], source)


@pytest.mark.fault("F20", "F28")
def test_what_an_archive_cannot_send_is_named(dcmqrscp, mkiso, captured):
    """dcmqrscp cannot send 5 of the 14: label maps, bulk annotations, JPEG-LS."""
    source = captured(dcmqrscp, "S19-1_A_1_1")
    got = {
        str(pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID) for p in source.iterdir()
    }
    listed = {
        uid
        for study in study_uids(dcmqrscp, "S19-1_A_1_1")
        for instances in series_of(dcmqrscp, study).values()
        for uid in instances
    }
    run = mkiso(dcmqrscp, "S19-1_A_1_1")
    assert (run.code, run.discs) == (80, [])
    assert run.missing == listed - got
    assert len(run.missing) == 5


@pytest.mark.fault("F21")
def test_every_other_instance_is_fetched_when_the_archive_gives_up_at_one(orthanc, mkiso, tmp_path):
    """Orthanc cannot send syntax .8.1 and drops all that would follow it."""
    run = mkiso(orthanc, "03086212", "--allow-incomplete")
    assert run.code == 80
    assert [p.name for p in run.discs] == ["03086212.INCOMPLETE.iso"]
    unsendable = _unsendable(orthanc, "03086212", tmp_path)
    assert run.missing == unsendable
    assert run.report["received"] == run.report["expected"] - len(unsendable) > 0
    refused = mkiso(orthanc, "03086212")
    assert (refused.code, refused.discs, refused.missing) == (80, [], unsendable)


def _unsendable(archive, accession, folder):
    """Ask for each instance alone, with an independent receiver listening."""
    missing = set()
    for study in study_uids(archive, accession):
        for series, instances in series_of(archive, study).items():
            for uid in instances:
                target = folder / f"single{len(list(folder.glob('single*')))}"
                target.mkdir()
                with storescp(archive.receiver_port, target):
                    move(archive, "IMAGE", study=study, series=series, instance=uid)
                if not any(target.iterdir()):
                    missing.add(uid)
    return missing


@pytest.mark.fault("F12")
def test_an_accession_number_of_several_patients_is_refused(archive, mkiso):
    run = mkiso(archive, "1")
    assert (run.code, run.report["name"], run.discs) == (82, "AMBIGUOUS", [])
    assert run.report["received"] == 0


@pytest.mark.fault("F08")
def test_an_unknown_accession_number_is_not_found(archive, mkiso):
    run = mkiso(archive, "NOSUCHNUMBER")
    assert (run.code, run.discs) == (66, [])


def test_the_modality_filter_takes_only_the_series_asked_for(archive, mkiso, captured, check_disc):
    source = captured(archive, "A2375892")
    for path in source.iterdir():
        if pydicom.dcmread(path, stop_before_pixels=True).Modality not in ("OT", "KO"):
            path.unlink()
    run = mkiso(archive, "A2375892", "--modality", "OT", "--modality", "KO")
    assert run.code == 0, run.stderr
    assert {series["modality"] for series in run.report["left_out"]} == {"PR"}
    assert run.report["received"] == len(list(source.iterdir()))
    check_disc(run.discs[0], source)


def test_two_accession_numbers_of_one_patient_are_one_disc(archive, mkiso, captured, check_disc):
    source = captured(archive, "428", "134")
    run = mkiso(archive, "428", "134")
    assert run.code == 0, run.stderr
    assert [p.name for p in run.discs] == ["428.iso"]
    assert run.report["received"] == len(list(source.iterdir()))
    check_disc(run.discs[0], source)


def test_two_accession_numbers_of_two_patients_need_a_decision(archive, mkiso, check_disc):
    refused = mkiso(archive, "428", "MOF5026")
    assert (refused.code, refused.discs) == (82, [])
    run = mkiso(archive, "428", "MOF5026", "--per-patient")
    assert run.code == 0, run.stderr
    assert [p.name for p in run.discs] == ["428.iso", "MOF5026.iso"]
    for disc in run.discs:
        check_disc(disc)


def test_c_get_brings_the_same_disc(archive, mkiso, captured, check_disc, tmp_path):
    config = _config(tmp_path, archive, 'retrieve = "get"')
    for accession in ("A2375892", "MOF5026"):
        source = captured(archive, accession)
        run = mkiso(archive, accession, "--archive", "pacs", "--config", str(config))
        assert run.code == 0, run.stderr
        check_disc(run.discs[0], source)


def test_c_get_names_what_the_archive_cannot_send(dcmqrscp, mkiso, tmp_path):
    config = _config(tmp_path, dcmqrscp, 'retrieve = "get"')
    run = mkiso(dcmqrscp, "S19-1_A_1_1", "--archive", "pacs", "--config", str(config))
    assert (run.code, run.discs) == (80, [])
    assert len(run.missing) == run.report["expected"] - run.report["received"] > 0


def test_a_forwarded_disc_arrives_byte_for_byte(archive, mkiso, captured, tmp_path):
    source = captured(archive, "A2375892")
    third = tmp_path / "third"
    third.mkdir()
    (port,) = free_ports(1)
    with storescp(port, third, ae_title="BACKUP"):
        run = mkiso(archive, "A2375892", "--forward", f"BACKUP@127.0.0.1:{port}")
    assert run.code == 0, run.stderr
    assert run.report["forwarded"][0]["sent"] == run.report["received"]
    assert _data_sets(third) == _data_sets(source)


@pytest.mark.fault("F58")
def test_the_same_disc_again_is_0_and_another_of_that_name_73(archive, mkiso):
    first = mkiso(archive, "MOF5026")
    again = mkiso(archive, "MOF5026", "--output", str(first.folder))
    assert again.code == 0, again.stderr
    assert "exists already" in again.report["message"]
    other = mkiso(archive, "428", "--output", str(first.folder), "--name", "MOF5026")
    assert other.code == 73
    replaced = mkiso(
        archive, "428", "--output", str(first.folder), "--name", "MOF5026", "--replace"
    )
    assert replaced.code == 0, replaced.stderr


def _config(folder, archive, *lines):
    path = folder / "mkiso.toml"
    path.write_text(
        "\n".join(
            [
                "[nodes.pacs]",
                'ae_title = "ABPACS"',
                'host = "127.0.0.1"',
                f"port = {archive.port}",
                *lines,
            ]
        )
    )
    return path


def _data_sets(folder):
    """SOP Instance UID to the hash of the data set, behind the file meta."""
    found = {}
    for path in folder.iterdir():
        content = path.read_bytes()
        meta = pydicom.filereader.read_file_meta_info(path)
        offset = 132 + 12 + meta.FileMetaInformationGroupLength
        found[str(meta.MediaStorageSOPInstanceUID)] = hashlib.sha256(content[offset:]).hexdigest()
    return found

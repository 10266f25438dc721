"""Discs of nobody: what goes out names neither the patient nor the study it was made of."""

import json

import pydicom
import pytest
from deidentified import KEY, every_byte, originals_of, strings_of
from whole_jobs import instance, laboratory, save

from mkiso.stages.verify import check_path

STUDY = "1.2.826.0.1.3680043.9.7433.77.1"
MORE = {
    "PatientName": "Quux^Zebulon", "PatientID": "PIDQ7700", "PatientBirthDate": "19330517",
    "AccessionNumber": "ACC20260131", "StudyDescription": "Quux follow-up",
    "InstitutionName": "Saint Elsewhere", "ReferringPhysicianName": "Refer^Rita",
    "StationName": "STATION77", "StudyID": "STUDY-771", "ProtocolName": "PROTOCOL9",
    "SeriesDescription": "SERIES OF QUUX", "DeviceSerialNumber": "SERIAL-4711",
}  # fmt: skip


@pytest.fixture
def lab(tmp_path):
    with laboratory(tmp_path) as made:
        made.settings["deidentify_key"] = str(tmp_path / "key")
        (tmp_path / "key").write_bytes(KEY)
        yield made


def fill(lab, count=3, **more):
    for n in range(1, count + 1):
        save(lab.images, f"{n}", instance(STUDY, 1, n, **{**MORE, **more}))


def test_no_original_string_is_in_the_image_the_report_the_sidecar_or_the_log(lab):
    fill(lab)
    lab.start()
    done = lab.make("ACC20260131", deidentify="basic", viewer="full")
    assert done.code == 0, done.message
    secrets = strings_of(originals_of(lab.images)) | {"Zebulon", "Elsewhere"}
    content = every_byte(done.discs[0], done.discs[0].with_suffix(".json"))
    said = "\n".join([done.log, json.dumps(done.report), *map(str, done.said)]).encode()
    kept = every_byte(*(p for p in (lab.folder / "state").rglob("*") if p.is_file()))
    assert kept
    for secret in secrets:
        assert secret.encode() not in content, secret
        assert secret.encode() not in said, secret
        assert secret.encode() not in kept, secret
    assert "ACC20260131" not in done.discs[0].name


def test_the_disc_is_verified_and_its_objects_say_that_they_are_nobodys(lab):
    fill(lab)
    lab.start()
    done = lab.make("ACC20260131", deidentify="basic,retain-modified-dates")
    assert done.code == 0, done.message
    assert not [f for f in check_path(done.discs[0]).findings if f.severity == "error"]
    assert done.report["accessions"] == [done.discs[0].stem]
    assert STUDY not in json.dumps(done.report)


def test_the_same_key_makes_the_same_disc_and_another_key_another(lab, tmp_path):
    fill(lab)
    lab.start()
    first = lab.make("ACC20260131", deidentify="basic")
    again = lab.make("ACC20260131", deidentify="basic")
    assert "exists already" in again.message
    assert [p.name for p in again.discs] == [p.name for p in first.discs]
    other = lab.make("ACC20260131", deidentify="basic", deidentify_key="")
    assert other.code == 0, other.message
    assert len(other.discs) == 2
    assert not first.on_disc & {
        i.sop_instance_uid for p in other.discs if p not in first.discs
        for i in check_path(p).instances
    }  # fmt: skip


def test_a_named_disc_with_identities_is_not_taken_for_one_without(lab):
    fill(lab)
    lab.start()
    assert lab.make("ACC20260131", name="both").code == 0
    assert lab.make("ACC20260131", name="both", deidentify="basic").code == 73


def test_burned_in_annotation_is_refused_and_can_be_left_out(lab):
    fill(lab)
    save(lab.images, "burned", instance(STUDY, 2, 9, **MORE, BurnedInAnnotation="YES"))
    lab.start()
    assert lab.make("ACC20260131", deidentify="basic").code == 87
    done = lab.make("ACC20260131", deidentify="basic", burned_in="leave-out")
    assert done.code == 0
    assert "burned-in" in done.warnings
    assert len(done.on_disc) == 3


def test_identity_is_decided_before_it_is_gone(lab):
    fill(lab)
    save(lab.images, "other", instance(STUDY, 1, 9, **{**MORE, "PatientName": "Other^Person"}))
    lab.start()
    done = lab.make("ACC20260131", deidentify="basic")
    assert done.code in {81, 82}
    assert not done.discs


def test_a_modality_that_leaves_out_the_issuer_makes_no_second_patient(lab):
    """Such a study makes a disc; de-identified it does, too, of one pseudonym."""
    for n, issuer in enumerate(("HOSP", "", "HOSP"), 1):
        more = {"IssuerOfPatientID": issuer} if issuer else {}
        save(lab.images, f"{n}", instance(STUDY, 1, n, **{**MORE, **more}))
    lab.start()
    done = lab.make("ACC20260131", deidentify="basic")
    assert done.code == 0, done.message
    assert len(done.on_disc) == 3
    assert not [f for f in check_path(done.discs[0]).findings if f.severity == "error"]


def test_an_unknown_number_is_not_told(lab):
    fill(lab)
    lab.start()
    done = lab.make("ACC99999999", deidentify="basic")
    assert done.code == 66
    assert "ACC99999999" not in json.dumps(done.report) + done.log


def test_what_is_missing_is_told_under_its_new_name(lab):
    fill(lab)
    lab.start()
    (lab.images / "2").unlink()  # listed, and not there
    done = lab.make("ACC20260131", deidentify="basic", node={"retries": 0})
    assert done.code == 80
    assert STUDY not in json.dumps(done.report) + done.log


def test_a_patient_who_is_not_in_the_list_makes_no_disc(lab, tmp_path):
    (tmp_path / "names.csv").write_text("PatientID,Pseudonym\nSOMEBODY,X1\n")
    fill(lab)
    lab.start()
    done = lab.make("ACC20260131", deidentify="basic", pseudonyms=str(tmp_path / "names.csv"))
    assert done.code == 65
    assert not done.discs


def test_pseudonyms_of_a_list_are_on_the_disc(lab, tmp_path):
    (tmp_path / "names.csv").write_text(
        "PatientID,Pseudonym,Pseudonym_Name\nPIDQ7700,X1,Trial^One\n"
    )
    fill(lab, 1)
    lab.start()
    done = lab.make("ACC20260131", deidentify="basic", deliver_as="folder",
        check=False,
                    pseudonyms=str(tmp_path / "names.csv"))  # fmt: skip
    (disc,) = [p for p in lab.output.iterdir() if p.is_dir()]
    found = pydicom.dcmread(next(p for p in (disc / "DICOM").rglob("*") if p.is_file()))
    assert (found.PatientID, str(found.PatientName)) == ("X1", "Trial^One")
    assert done.code == 0

"""Whole jobs of several studies: one patient on a disc, whatever the order of arrival."""

import json

import pytest
from whole_jobs import check_path, instance, save

ANN = {"PatientID": "ANN1", "PatientName": "Quux^Ann", "PatientBirthDate": "19330517"}
BOB = {"PatientID": "BOB1", "PatientName": "Quux^Bob", "PatientBirthDate": "19440618"}


@pytest.fixture
def two(lab):
    """B1 is Bob's study, C1 is Ann's."""
    save(lab.images, "bob", instance(study="1.5.1", AccessionNumber="B1", **BOB))
    save(lab.images, "ann", instance(study="1.5.2", AccessionNumber="C1", **ANN))
    return lab


def on_discs(result):
    return {
        disc.name: {each.sop_instance_uid for each in check_path(disc).instances}
        for disc in result.discs
    }


def test_two_patients_need_a_decision_before_anything_is_moved(two):
    archive = two.start()
    result = two.make("B1", "C1")
    assert (result.code, result.discs, archive.moves) == (82, [], [])


def test_objects_of_two_patients_are_82_though_the_archive_lists_one(two):
    """The archive's index says Ann; the object that comes says Bob."""
    archive = two.start()

    def as_ann(_level, answers):
        return [[(t, vr, b"ANN1" if t == 0x00100020 else raw) for t, vr, raw in keys]
                for keys in answers]  # fmt: skip

    archive.on_find = as_ann
    result = two.make("B1", "C1")
    assert (result.code, result.discs) == (82, [])
    assert result.report["received"] == 2


def test_each_patient_gets_a_disc_and_their_numbers_follow_the_request(two):
    archive = two.start()
    result = two.make("B1", "C1", per_patient=True)
    assert result.code == 0, result.report
    wanted = {"B1.iso": {"1.5.1.1.1"}, "C1.iso": {"1.5.2.1.1"}}
    assert on_discs(result) == wanted
    held = []

    def other_order(move):  # Bob's study comes after Ann's
        if move.number % 2 == 0:
            held.append(move)
        else:
            move.send()
            held.pop().send()
        move.finish(0x0000, completed=1)

    archive.moves.clear()
    archive.on_move = other_order
    again = two.make("B1", "C1", per_patient=True)
    assert again.code == 0, again.report
    assert "exists already" in again.message
    assert on_discs(again) == wanted


def test_the_one_disc_that_is_left_has_its_own_patients_name_and_number(two):
    archive = two.start()
    archive.on_move = lambda move: move.normally(drop={"1.5.1.1.1"})
    result = two.make("B1", "C1", per_patient=True, allow_incomplete=True)
    assert result.code == 80
    assert [disc.name for disc in result.discs] == ["C1.INCOMPLETE.iso"]
    sidecar = json.loads(result.discs[0].with_suffix(".json").read_text())
    assert sidecar["accession_numbers"] == ["C1"]


def test_no_disc_has_its_name_when_the_second_ones_is_taken(two):
    two.start()
    two.output.mkdir()
    (two.output / "C1.iso").write_bytes(b"another disc")
    result = two.make("B1", "C1", per_patient=True, check=False)
    assert (result.code, result.report["discs"]) == (73, [])
    assert "C1.iso" in result.message
    assert sorted(path.name for path in two.output.iterdir()) == ["C1.iso"]


def test_no_disc_names_what_another_patient_lacks(two):
    archive = two.start()
    archive.on_move = lambda move: move.normally(drop={"1.5.2.1.1"})
    result = two.make("B1", "C1", per_patient=True, allow_incomplete=True)
    assert result.code == 80
    assert [disc.name for disc in result.discs] == ["B1.INCOMPLETE.iso"]
    assert result.missing == {"1.5.2.1.1"}
    assert b"1.5.2.1" not in result.discs[0].read_bytes()
    assert "1.5.2.1" not in result.discs[0].with_suffix(".json").read_text()


def test_two_numbers_of_one_patient_are_one_disc(lab):
    save(lab.images, "x", instance(study="1.5.1", AccessionNumber="B1"))
    lab.start()
    result = lab.make("A1", "B1")
    assert result.code == 0
    assert len(result.on_disc) == 5


def test_a_differing_name_is_82_until_a_person_says_otherwise(lab):
    save(lab.images, "x", instance(study="1.5.1", AccessionNumber="B1", PatientName="Quux^Z"))
    lab.start()
    refused = lab.make("A1", "B1")
    assert (refused.code, refused.discs) == (82, [])
    result = lab.make("A1", "B1", same_patient=True)
    assert result.code == 0, result.report
    assert len(result.on_disc) == 5
    assert result.report["overruled"] == ["Study 1.5.1: a differing patient's name"]
    sidecar = json.loads(result.discs[0].with_suffix(".json").read_text())
    assert sidecar["overruled"] == result.report["overruled"]


def test_same_patient_never_overrules_a_patient_id(two):
    archive = two.start()
    archive.on_find = lambda _level, answers: [
        [key for key in keys if key[0] != 0x00100020] for keys in answers
    ]
    result = two.make("B1", "C1", same_patient=True)
    assert (result.code, result.discs) == (82, [])


def test_a_study_that_could_be_of_either_patient_is_on_no_disc(two):
    anonymous = {"PatientID": "", "PatientName": "", "PatientBirthDate": "19440618"}
    save(two.images, "either", instance(study="1.5.3", AccessionNumber="D1", **anonymous))
    two.start()
    result = two.make("D1", "B1", "C1", per_patient=True, same_patient=True)
    assert (result.code, result.discs) == (82, [])


@pytest.mark.fault("F12")
def test_per_patient_does_not_split_one_accession_number(lab):
    """One number, two patients: somebody has to correct the archive."""
    save(lab.images, "x", instance(study="1.5.1", AccessionNumber="A1", **BOB))
    lab.start()
    result = lab.make(per_patient=True)
    assert (result.code, result.discs) == (82, [])

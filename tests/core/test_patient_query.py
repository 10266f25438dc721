import pytest

from mkiso.core.patient_query import STUDY_DATE, PatientStudies
from mkiso.core.query import ACCESSION_NUMBER, PATIENT_ID, STUDY_INSTANCE_UID

WANTED = PatientStudies("P1", "20260131", ("A1", "A2"))


def answer(patient=b"P1 ", date=b"20260131", number=b"A1", uid=b"1.2"):
    return {
        PATIENT_ID: patient, STUDY_DATE: date, ACCESSION_NUMBER: number, STUDY_INSTANCE_UID: uid,
    }  # fmt: skip


def test_every_accession_number_is_its_own_query_of_patient_and_day():
    first, second = WANTED.identifiers()
    values = {tag: value for tag, _, value in first}
    assert (values[PATIENT_ID], values[STUDY_DATE], values[ACCESSION_NUMBER]) == (
        b"P1", b"20260131", b"A1",
    )  # fmt: skip
    assert {tag: value for tag, _, value in second}[ACCESSION_NUMBER] == b"A2"


@pytest.mark.parametrize("wanted", [PatientStudies("P1"), PatientStudies("", "20260131")])
def test_half_of_a_selection_is_no_query(wanted):
    with pytest.raises(ValueError, match="every patient"):
        wanted.identifiers()


def test_only_exactly_what_was_asked_for_matches():
    (identifier, _) = WANTED.identifiers()
    assert WANTED.matching(answer(), identifier).study_instance_uid == "1.2"
    assert WANTED.matching(answer(date=b"2026.01.31"), identifier) is not None
    for other in (
        answer(patient=b"P11"), answer(patient=b""), answer(date=b"20260130"), answer(date=b""),
        answer(number=b"A2"),
    ):  # fmt: skip
        assert WANTED.matching(other, identifier) is None


def test_a_patient_id_in_other_letters_is_sent_as_utf_8():
    (identifier,) = PatientStudies("환자1", "20260131").identifiers()
    values = {tag: value for tag, _, value in identifier}
    assert values[PATIENT_ID] == "환자1".encode()
    assert values[0x00080005] == b"ISO_IR 192"


def test_the_patient_id_is_not_in_the_text_of_the_value():
    assert "P1" not in repr(PatientStudies("P1", "20260131"))

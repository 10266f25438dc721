from datetime import date

import pytest

from mkiso.core.study_list import Selection, parse_list, selections_of
from mkiso.errors import DataError, UsageError

TODAY = date(2026, 3, 1)


def parsed(text):
    return parse_list(text.encode(), TODAY)


def test_names_with_commas_and_quotes_do_not_shift_the_columns():
    (first, second) = parsed(
        'Patient Name;;patient_id;Study-Date\n"Doe; ""JD""";x;P1;2026-01-31\n"A\nB";;"P;2";\n'
    )
    assert first == Selection("P1", "20260131", line=2)
    assert second == Selection("P;2", "", line=4)


def test_a_list_of_the_older_scripts_has_no_head():
    assert parsed("P1,20260131\nP2,2026-02-01\n") == (
        Selection("P1", "20260131", line=1),
        Selection("P2", "20260201", line=2),
    )


def test_a_study_uid_is_enough_and_repeated_lines_count_once():
    found = parsed("StudyInstanceUID,PatientID\n1.2.3,P1\n1.2.3,P1\n1.2.4,P1\n")
    assert [each.study_instance_uids for each in found] == [("1.2.3",), ("1.2.4",)]
    assert not found[0].needs_query


def test_what_only_describes_a_study_may_be_anything():
    (found,) = parsed(f"StudyInstanceUID,PatientID,StudyDate\n1.2.3,{'x' * 65},someday\n")
    assert found == Selection(study_instance_uids=("1.2.3",), line=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("PatientID\n", "no line below"),
        ("Name,Colour\nx,y\n", "no head"),
        ("PatientID,PatientID\nP1,P2\n", "twice"),
        ("PatientID\nSECRET*\n", "Line 2"),
        ("PatientID,StudyDate\nSECRET,yesteryear\n", "Line 2"),
        ("PatientID\nP1,SECRET\n", "more cells"),
        ('PatientID\n"SECRET\n', "quote"),
        ("PatientID,x\n,SECRET\n", "neither"),
        ("StudyInstanceUID\nSECRET\n", "Line 2"),
        ("AccessionNumber\nSECRETSECRETSECRET\n", "Line 2"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_without_its_value(text, words):
    with pytest.raises(DataError, match=words) as caught:
        parsed(text)
    assert "SECRET" not in caught.value.message


def test_bytes_that_are_no_utf_8_are_refused():
    with pytest.raises(DataError, match="UTF-8"):
        parse_list("PatientID\nJörg\n".encode("latin-1"), TODAY)


def options(**given):
    nothing = {"patient_id": "", "study_date": "", "accession_numbers": (),
               "study_instance_uids": (), "series_instance_uids": (), "today": TODAY}  # fmt: skip
    return selections_of(**{**nothing, **given})


def test_options_make_one_selection_an_accession_number():
    found = options(accession_numbers=("A1", "A2", "A1"), patient_id="P1")
    assert [each.accession_number for each in found] == ["A1", "A2"]
    assert {each.patient_id for each in found} == {"P1"}


@pytest.mark.parametrize(
    "given",
    [{}, {"study_date": "today"}, {"patient_id": "P?"}, {"study_instance_uids": ("x",)},
     {"study_instance_uids": ("1.2",), "patient_id": "P1"}, {"accession_numbers": ("A*",)}],
)  # fmt: skip
def test_what_would_select_too_much_is_refused(given):
    with pytest.raises(UsageError):
        options(**given)

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from mkiso.core.commitment import (
    commitment_of,
    commitment_report,
    commitment_request,
    references_of,
)
from mkiso.core.data_sets import decode_data_set, encode_data_set
from mkiso.core.worklist import completed, item_of, row_of
from mkiso.errors import ProtocolError

SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")


@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_bytes_of_a_peer_are_a_data_set_or_a_protocol_error(data, syntax):
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode_data_set(data, syntax), Dataset)


def failure(data):
    """What is raised for a data set, as text with all that it carries."""
    try:
        decode_data_set(data, SYNTAXES[1])
    except ProtocolError as error:
        return f"{error.message} {error.__cause__}"
    return ""


def test_a_cut_data_set_names_no_value_in_its_error():
    whole = encode_data_set(item_of({"PatientName": "Secret^Name"}), SYNTAXES[1])
    said = [failure(whole[:end]) for end in range(1, len(whole))]
    assert any(said)
    assert not any("Secret" in each for each in said)


def test_a_worklist_item_is_the_same_after_the_way():
    row = completed({"PatientName": "Yamada^Tarou=山田^太郎", "PatientID": "P,2", "Modality": "MR"})
    for syntax in SYNTAXES:
        found = row_of(decode_data_set(encode_data_set(item_of(row), syntax), syntax))
        assert {k: v for k, v in found.items() if v} == row


def test_what_is_made_up_of_a_row_is_the_same_each_time():
    row = {"PatientID": "P1", "AccessionNumber": "A1"}
    assert completed(row) == completed(dict(reversed(row.items())))
    assert completed(row)["StudyInstanceUID"].startswith("2.25.")
    assert len(completed(row)["StudyInstanceUID"]) <= 64
    assert len(completed(row)["ScheduledProcedureStepID"]) <= 16


def test_a_commitment_says_what_is_kept_and_why_the_rest_is_not():
    asked = [("1.2", "1.2.1"), ("1.2", "1.2.2")]
    request = commitment_request("1.9", asked)
    for syntax in SYNTAXES:
        there = decode_data_set(encode_data_set(request, syntax), syntax)
        assert references_of(there) == tuple(asked)
    kind, report = commitment_report("1.9", asked[:1], [(asked[1], 0x0112)])
    answer = commitment_of(decode_data_set(encode_data_set(report, SYNTAXES[0]), SYNTAXES[0]))
    assert kind == 2
    assert answer.committed == ("1.2.1",)
    assert answer.failed == {"1.2.2": "no such instance"}
    assert commitment_report("1.9", asked, [])[0] == 1

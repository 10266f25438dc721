import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkiso.errors import ProtocolError
from mkiso.network import dimse
from mkiso.network.dimse import decode_command, encode_command, response_to

STORE = {
    "AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "CommandField": dimse.C_STORE_RQ,
    "MessageID": 77,
    "Priority": 0,
    "CommandDataSetType": 1,
    "AffectedSOPInstanceUID": "1.2.3",
    "MoveOriginatorApplicationEntityTitle": "CDRECORD",
    "MoveOriginatorMessageID": 7,
}
ELEMENTS = dimse._ELEMENTS


def test_the_table_of_elements_is_that_of_the_standard():
    dictionary = pytest.importorskip("pynetdicom.dimse_messages")._COMMAND_SET_KEYWORDS
    keywords = {keyword for names in dictionary.values() for keyword in names}
    known = {keyword for _, keyword, _ in ELEMENTS}
    from pydicom.datadict import dictionary_VR, keyword_dict  # noqa: PLC0415

    assert keywords - known <= {"CommandGroupLength"}
    for element, keyword, vr in ELEMENTS:
        assert keyword_dict[keyword] == element
        assert dictionary_VR(element) == vr


def test_a_command_is_encoded_as_pydicom_encodes_it():
    from pydicom.dataset import Dataset  # noqa: PLC0415
    from pydicom.filebase import DicomBytesIO  # noqa: PLC0415
    from pydicom.filewriter import write_dataset  # noqa: PLC0415

    data_set = Dataset()
    for keyword, value in STORE.items():
        setattr(data_set, keyword, value)
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, True
    write_dataset(stream, data_set)
    body = stream.getvalue()
    group_length = struct.pack("<HHLL", 0, 0, 4, len(body))
    assert encode_command(STORE) == group_length + body


_VALUES = {
    "US": st.integers(0, 65535),
    "UI": st.from_regex(r"[0-9.]{1,64}", fullmatch=True),
    "AE": st.from_regex(r"[A-Z]([A-Z ]{0,14}[A-Z])?", fullmatch=True),
    "LO": st.from_regex(r"[a-z]([a-z ]{0,62}[a-z])?", fullmatch=True),
    "AT": st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=4).map(tuple),
}


@given(
    st.fixed_dictionaries(
        {"CommandField": _VALUES["US"], "CommandDataSetType": _VALUES["US"]},
        optional={
            keyword: _VALUES[vr]
            for _, keyword, vr in ELEMENTS
            if keyword not in {"CommandField", "CommandDataSetType"}
        },
    )
)
def test_every_command_comes_back_as_it_went(command):
    assert decode_command(encode_command(command)) == command


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_a_breach_of_the_protocol(raw):
    try:
        command = decode_command(raw)
    except ProtocolError:
        return
    assert isinstance(command["CommandField"], int)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_damaged_command_is_a_command_or_a_breach_of_the_protocol(at, damage):
    raw = bytearray(encode_command(STORE))
    raw[at : at + len(damage)] = damage
    with contextlib.suppress(ProtocolError):
        assert "CommandField" in decode_command(raw)


def element(number, value, *, group=0, length=None):
    length = len(value) if length is None else length
    return struct.pack("<HHL", group, number, length) + value


FIELD, TYPE = element(0x0100, b"\1\0"), element(0x0800, b"\1\1")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        FIELD,
        TYPE,
        FIELD + TYPE + b"\0",
        FIELD + TYPE + element(0x1000, b"1.2", length=4),
        FIELD + TYPE + element(0x1000, b"", length=0xFFFFFFFF),
        FIELD + TYPE + element(0x0016, b"1.2 ", group=8),
        FIELD + FIELD + TYPE,
        element(0x0100, b"\1\0\0\0") + TYPE,
        FIELD + TYPE + element(0x0901, b"123"),
    ],
)
def test_what_is_no_command_set(raw):
    with pytest.raises(ProtocolError):
        decode_command(raw)


def test_unknown_elements_and_padding_are_skipped():
    raw = FIELD + TYPE + element(0x5555, b"what") + element(0x1000, b"1.2\0") + element(2, b"")
    assert decode_command(raw) == {
        "CommandField": 1,
        "CommandDataSetType": 0x0101,
        "AffectedSOPInstanceUID": "1.2",
    }


def test_what_stands_behind_the_group_as_orthanc_does_after_a_failed_get_is_skipped():
    failed = element(0x0000, struct.pack("<L", 12), group=8) + element(0x0058, b"1.2\0", group=8)
    group = element(0, struct.pack("<L", len(FIELD + TYPE))) + FIELD + TYPE
    assert decode_command(group + failed) == decode_command(group)
    with pytest.raises(ProtocolError):
        decode_command(element(0, struct.pack("<L", 99)) + FIELD + TYPE + failed)


def test_uids_of_odd_bytes_stay_different_and_go_back_unchanged():
    first = decode_command(FIELD + TYPE + element(0x1000, b"1.\xe4\xff"))
    second = decode_command(FIELD + TYPE + element(0x1000, b"1.\xe4\xfe"))
    assert first["AffectedSOPInstanceUID"] != second["AffectedSOPInstanceUID"]
    assert b"1.\xe4\xff" in encode_command(first)


def test_a_keyword_that_is_none_of_a_command_is_a_programming_error():
    with pytest.raises(KeyError, match="PatientName"):
        encode_command({"PatientName": "x"})


def test_a_response_takes_over_what_it_must():
    assert response_to(STORE, 0xA700, ErrorComment="full") == {
        "CommandField": dimse.C_STORE_RSP,
        "MessageIDBeingRespondedTo": 77,
        "Status": 0xA700,
        "AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "AffectedSOPInstanceUID": "1.2.3",
        "ErrorComment": "full",
    }

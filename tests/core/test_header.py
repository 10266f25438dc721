import time

import pytest
from received import (
    BASIC_TEXT_SR,
    BIG_ENDIAN,
    CT,
    EXPLICIT,
    IMPLICIT,
    bundled,
    data_set,
    encoded,
    header_of,
    item,
    split_file,
)

from mkiso.core.header import HeaderError

PATIENT_NAME, PATIENT_ID, STUDY_DATE, SERIES_DATE = 0x00100010, 0x00100020, 0x00080020, 0x00080021


def test_uids_and_levels_are_those_of_the_data_set():
    made = data_set(
        SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Eva", BodyPartExamined="HEAD"
    )
    parsed = header_of(encoded(made))
    assert parsed.sop_class_uid == CT
    assert parsed.sop_instance_uid == "1.2.3.4.1"
    assert parsed.study_instance_uid == "1.2.3"
    assert parsed.series_instance_uid == "1.2.3.4"
    assert parsed.header.character_set == "ISO_IR 100"
    assert parsed.header.instance_number == 1
    assert dict(parsed.header.patient)[PATIENT_NAME] == "Müller^Eva".encode("latin-1")
    assert dict(parsed.header.series)[0x00180015] == b"HEAD"
    assert dict(parsed.header.study)[STUDY_DATE] == b"20240131"
    assert parsed.header.record_type == "IMAGE"


def test_instances_of_one_series_share_their_levels():
    levels = {}
    first = header_of(encoded(data_set(number=1)), levels=levels).header
    second = header_of(encoded(data_set(number=2)), levels=levels).header
    assert first.patient is second.patient
    assert first.study is second.study
    assert first.series is second.series
    assert first.record != second.record


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_the_transfer_syntax_leaves_no_trace(syntax):
    made = data_set(Rows=2, Columns=3, ImageType=["ORIGINAL", "PRIMARY"])
    assert header_of(encoded(made, syntax), syntax) == header_of(encoded(made))


def test_absent_is_not_empty():
    header = header_of(encoded(data_set(PatientBirthDate=None, PatientSex=""))).header
    assert 0x00100030 not in dict(header.patient)
    assert dict(header.patient)[0x00100040] == b""


def test_a_study_without_a_date_has_what_stands_in():
    header = header_of(encoded(data_set(StudyDate="", SeriesDate="20200202"))).header
    assert dict(header.study)[SERIES_DATE] == b"20200202"
    assert SERIES_DATE not in dict(header_of(encoded(data_set(SeriesDate="20200202"))).header.study)


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
def test_a_missing_uid_is_refused(keyword):
    for value in (None, ""):
        with pytest.raises(HeaderError, match="UID"):
            header_of(encoded(data_set(**{keyword: value})))


def test_a_palette_needs_no_study():
    data, syntax = split_file(bundled("CT_small.dcm").parents[1] / "palettes" / "pet.dcm")
    parsed = header_of(data, syntax)
    assert parsed.header.record_type == "PALETTE"
    assert parsed.study_instance_uid == ""


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"])
def test_a_deflated_data_set_is_refused(syntax):
    with pytest.raises(HeaderError, match="not accepted"):
        header_of(encoded(data_set()), syntax)


def test_an_empty_data_set_is_refused():
    with pytest.raises(HeaderError, match="empty"):
        header_of(b"")


def reason_for_refusing(data):
    try:
        header_of(data)
    except HeaderError as error:
        return str(error)
    return ""


def test_reasons_hold_no_values():
    secret = "SECRET"
    whole = encoded(data_set(PatientName=secret, PatientID=secret, InstitutionName=secret * 30))
    reasons = {reason_for_refusing(whole[:cut]) for cut in range(len(whole))} - {""}
    assert len(reasons) > 10
    assert not [reason for reason in reasons if secret in reason.upper()]


@pytest.mark.parametrize(("value", "number"), [("7", 7), ("-3", -3), ("", None), (None, None)])
def test_instance_numbers_are_integers_or_nothing(value, number):
    header = header_of(encoded(data_set(InstanceNumber=value))).header
    assert header.instance_number == number


@pytest.mark.parametrize("raw", [b"1.5 ", b"one ", b"1\\2 ", b"99999999999 "])
def test_an_illegal_instance_number_is_none(raw):
    data = encoded(data_set(InstanceNumber=None))
    element = b"\x20\x00\x13\x00IS" + len(raw).to_bytes(2, "little") + raw
    assert header_of(data + element).header.instance_number is None


def test_an_unreadable_sequence_is_no_reason_to_refuse_an_instance():
    broken = b"\x08\x00\x15\x11SQ\0\0\x08\x00\x00\x00garbage!"
    sop_class = "1.2.840.10008.5.1.4.1.1.11.1"
    header = header_of(encoded(data_set(sop_class)) + broken).header
    assert header.record_type == "PRESENTATION"


def test_an_sr_knows_when_it_was_verified():
    times = ("20200101", "20210101120000", "x")
    observers = [item(VerificationDateTime=time) for time in times]
    made = data_set(BASIC_TEXT_SR, VerificationFlag="VERIFIED", CompletionFlag="COMPLETE")
    made.VerifyingObserverSequence = observers
    assert b"20210101120000" in header_of(encoded(made)).header.record
    made.VerificationFlag = "UNVERIFIED"
    assert b"20210101120000" not in header_of(encoded(made)).header.record


PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"


def nested(levels, innermost):
    """Referenced Series Sequences of undefined length in each other."""
    value = innermost
    for _ in range(levels):
        item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + value + b"\xfe\xff\x0d\xe0" + bytes(4)
        value = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0" + bytes(4)
    return value


def test_the_deepest_sequence_that_is_accepted_fits_a_record():
    made = encoded(data_set(PRESENTATION_STATE)) + nested(100, b"\x08\x00\x60\x00CS\x02\x00MR")
    header = header_of(made).header
    assert header.record.count(b"\x08\x00\x15\x11SQ") == 100
    assert b"MR" in header.record


def test_a_sequence_made_to_take_long_is_left_out_of_the_record():
    tiny = b"\x08\x00\x60\x00CS\x00\x00" * 20_000
    start = time.process_time()
    header = header_of(encoded(data_set(PRESENTATION_STATE)) + nested(90, tiny)).header
    assert time.process_time() - start < 10
    assert b"\x08\x00\x15\x11SQ" not in header.record


def test_a_sequence_too_large_for_a_directory_is_left_out():
    image = encoded(item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2." + "3" * 58))
    image = b"\xfe\xff\x00\xe0" + len(image).to_bytes(4, "little") + image
    for count, record_bytes in ((10_000, 1_000_000), (40_000, 0)):
        images = b"\x08\x00\x40\x11SQ\0\0" + (len(image) * count).to_bytes(4, "little")
        images += image * count
        header = header_of(encoded(data_set(PRESENTATION_STATE)) + nested(1, images)).header
        assert record_bytes < len(header.record) < record_bytes + 1_000_000

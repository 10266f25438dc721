"""The rules and what they do to single data sets; every real file is in tests/deidentification."""

import io
import re
import struct
from datetime import timedelta

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sequence import Sequence
from received import BIG_ENDIAN, EXPLICIT, IMPLICIT, data_set, encoded, item

from mkiso.core.burned_in import Picture, Rectangle, blanked, risk
from mkiso.core.byte_source import EXPLICIT_LITTLE, ByteSource, HeaderError, Span
from mkiso.core.deidentification import deidentified, subject_of
from mkiso.core.deidentification_rules import (
    OPTIONS,
    SAFE_PRIVATE,
    Action,
    make_rules,
    parse_profile,
)
from mkiso.core.element_walk import Fill, Placed, Stretch, elements_of
from mkiso.core.header import ENCODINGS
from mkiso.core.pseudonyms import Pseudonyms, shifted
from mkiso.core.query import matching_series
from mkiso.core.text_cleaning import cleaned, tokens_of
from mkiso.errors import ProtocolError, UsageError
from mkiso.storage.deidentification_files import read_table

PSEUDONYMS = Pseudonyms(b"k" * 32)
HIDDEN = {"PatientName": "Quux^Zebulon", "PatientID": "PIDQ77", "PatientBirthDate": "19330517"}


def person_of(patient_id, issuer, _character_set):
    return PSEUDONYMS.person(patient_id.decode("latin-1"), issuer.decode("latin-1"))


def joined(data, pieces):
    parts = []
    for part in pieces.parts:
        if isinstance(part, Stretch):
            parts.append(data[part.start : part.stop])
        elif isinstance(part, Fill):
            parts.append((part.pattern * part.size_bytes)[: part.size_bytes])
        else:
            parts.append(part)
    content = b"".join(parts)
    assert len(content) == pieces.size_bytes
    return content


def transformed(source, profile="basic", syntax=EXPLICIT, **more):
    data = encoded(source, syntax) if not isinstance(source, bytes) else source
    encoding = ENCODINGS.get(syntax, EXPLICIT_LITTLE)
    place = ByteSource(data, lambda at, n: data[at : at + n], len(data))
    rules = make_rules(read_table(), parse_profile(profile), **more)
    subject = subject_of(place, encoding, person_of)
    return joined(data, deidentified(place, encoding, rules, PSEUDONYMS, subject))


def copy_of(source, profile="basic", syntax=EXPLICIT, **more):
    made = transformed(source, profile, syntax, **more)
    return pydicom.filereader.read_dataset(
        io.BytesIO(made), syntax == IMPLICIT, syntax != BIG_ENDIAN
    )


def rich(**more):
    references = [item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2",
                       ReferencedSOPInstanceUID="1.2.3.99")]  # fmt: skip
    return data_set(
        **HIDDEN, ReferencedImageSequence=references,
        OtherPatientIDsSequence=[item(PatientID="OTHERID")], StudyComments="of Quux",
        DeviceSerialNumber="SERIAL1", InstitutionName="Elsewhere", PatientAge="093Y",
        SeriesDescription="QUUX knee 123456 of 2024-01-31", ContentDate="20240131",
        AcquisitionDateTime="20240131101112.5+0100", ProtocolName="KNEE", **more,
    )  # fmt: skip


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_the_basic_profile_in_every_encoding(syntax):
    made = copy_of(rich(), syntax=syntax)
    assert made.PatientID == made.PatientName
    assert re.fullmatch("P[A-Z2-7]{12}", made.PatientID)
    assert re.fullmatch("A[A-Z2-7]{12}", made.AccessionNumber)
    assert made.PatientBirthDate == made.StudyDate == ""
    assert "OtherPatientIDsSequence" not in made
    assert "SeriesDescription" not in made
    assert made.ContentDate == "19000101"
    assert made.DeviceSerialNumber == "REMOVED"
    (reference,) = made.ReferencedImageSequence
    assert reference.ReferencedSOPInstanceUID == PSEUDONYMS.uid("1.2.3.99")
    assert reference.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"


def test_retained_dates_are_those_of_before_or_moved_by_the_same_days():
    full = copy_of(rich(), "basic,retain-full-dates")
    assert (full.StudyDate, full.ContentDate) == ("20240131", "20240131")
    assert full.LongitudinalTemporalInformationModified == "UNMODIFIED"
    moved = copy_of(rich(), "retain-modified-dates")
    assert moved.LongitudinalTemporalInformationModified == "MODIFIED"
    assert moved.StudyDate == moved.ContentDate < "20240101"
    assert moved.AcquisitionDateTime == f"{moved.StudyDate}101112.5+0100"
    assert moved.StudyTime == "101112"
    assert moved.PatientBirthDate == ""


def test_options_keep_what_they_say_and_the_codes_tell():
    made = copy_of(
        rich(), "retain-device-identity,retain-institution-identity,retain-patient-characteristics"
    )
    assert (made.DeviceSerialNumber, made.InstitutionName, made.PatientAge) == (
        "SERIAL1", "Elsewhere", "093Y")  # fmt: skip
    codes = [code.CodeValue for code in made.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113108", "113109", "113112"]


def test_retained_uids_stay_everywhere():
    made = copy_of(rich(), "retain-uids")
    assert made.SOPInstanceUID == "1.2.3.4.1"
    assert made.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.99"


def test_cleaned_descriptions_have_no_known_names_dates_or_long_numbers():
    made = copy_of(rich(), "clean-descriptors")
    assert made.SeriesDescription == "knee of"
    assert made.ProtocolName == "KNEE"


def test_structured_content_keeps_codes_numbers_and_references_and_no_text():
    code = [item(CodeValue="121070", CodingSchemeDesignator="DCM", CodeMeaning="Findings")]
    content = [
        item(ValueType="TEXT", ConceptNameCodeSequence=code, TextValue="Quux is ill"),
        item(ValueType="PNAME", ConceptNameCodeSequence=code, PersonName="Rita^Reader"),
        item(ValueType="UIDREF", ConceptNameCodeSequence=code, UID="1.2.3.98"),
    ]
    made = copy_of(rich(ContentSequence=content), "clean-structured-content")
    text, name, uid = made.ContentSequence
    assert text.TextValue == "REMOVED"
    assert text.ConceptNameCodeSequence[0].CodeMeaning == "Findings"
    assert str(name.PersonName) == "REMOVED"
    assert PSEUDONYMS.uid("1.2.3.98") == uid.UID
    bare = copy_of(rich(ContentSequence=content))
    assert bare.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning == "REMOVED"


def test_private_attributes_go_unless_they_are_safe():
    source = rich()
    block = source.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0F, "SH", "secret")
    other = source.private_block(0x0021, "SOMEBODY", create=True)
    other.add_new(0x01, "LO", "secret")
    assert not any(e.tag.is_private for e in copy_of(source))
    made = copy_of(source, "retain-safe-private")
    kept = [e for e in made if e.tag.is_private]
    assert [str(e.value) for e in kept] == ["SIEMENS MR HEADER", "1000"]


#: PS3.15 table E.3.10-1 but for ultrasound, coded pixels, UIDs and messages: creator, elements.
SAFE = """
Philips PET Private Group: 7053xx00 7053xx09
ELSCINT1: 00E1xx21 00E1xx50 01E1xx26 01F1xx01 01F1xx07 01F1xx26 01F1xx27
GEMS_ACQU_01: 0019xx23 0019xx24 0019xx27 0019xx9E
GEMS_PARM_01: 0043xx27 0043xx39 0043xx6F
GEMS_HELIOS_01: 0045xx01 0045xx02
GEIIS PACS: 0903xx10 0903xx11 0903xx12
Philips Imaging DD 001: 2001xx03 2001xx04
SIEMENS MR HEADER: 0019xx0C 0019xx0D 0019xx0E 0019xx27
GEMS_SERS_01: 0025xx07
NQHeader: 0099xx04 0099xx10 0099xx20 0099xx21
Philips MR Imaging DD 001: 2005xx0D 2005xx0E
"""
#: NQLeft 0199, NQRight 0299: elements 01 to 16 (hexadecimal) each.
NEUROQUANT = {(0x0199, "NQLeft"), (0x0299, "NQRight")}


def test_the_safe_list_is_of_the_standards_table():
    stated = {(*each, n) for each in NEUROQUANT for n in range(1, 0x17)}
    for line in SAFE.strip().splitlines():
        creator, _, tags = line.partition(": ")
        stated |= {(int(tag[:4], 16), creator, int(tag[6:], 16)) for tag in tags.split()}
    assert stated == SAFE_PRIVATE


def test_a_safe_number_of_another_creator_or_group_goes():
    """The number of an element is safe with its creator and in its group alone."""
    source = rich()
    for group, creator in ((0x0019, "SOMEBODY"), (0x0021, "GEMS_ACQU_01")):
        source.private_block(group, creator, create=True).add_new(0x23, "DS", "4711.5")
    late = source.private_block(0x0043, "GEMS_PARM_01", create=True)
    late.add_new(0x39, "IS", [1000, 8, 0, 0])
    kept = [e for e in copy_of(source, "retain-safe-private") if e.tag.is_private]
    assert "4711.5" not in [str(e.value) for e in kept]
    assert [1000, 8, 0, 0] in [e.value for e in kept]


def test_names_that_the_table_does_not_know_go_and_curves_and_overlays_do():
    source = rich()
    source.add_new(0x00080001 + 0x60000000, "US", 1)
    source.add_new(0x60000010, "US", 16)
    source.add_new(0x60003000, "OW", b"\1\2")
    source.add_new(0x50000010, "US", 1)
    made = copy_of(source)
    assert not [e for e in made if e.tag.group in (0x6000, 0x5000, 0x6008)]


def test_unknown_and_excluding_options_are_refused():
    with pytest.raises(UsageError, match="no such option"):
        parse_profile("basic,retain-everything")
    with pytest.raises(UsageError, match="choose one"):
        parse_profile("retain-full-dates,retain-modified-dates")
    assert parse_profile("basic") == ()
    assert set(parse_profile(",".join(OPTIONS).replace("retain-full-dates,", ""))) < set(OPTIONS)


def test_the_table_has_all_rows_and_only_known_columns():
    rows = read_table()
    assert len(rows) == len({row.tag for row in rows}) == 652
    columns = {option.split("-", 1)[1] for option in OPTIONS}
    assert {column for row in rows for column in row.options} <= columns


def test_a_moved_date_wins_over_a_kept_device():
    rules = make_rules(read_table(), ("retain-modified-dates", "retain-device-identity"))
    assert rules.actions[0x00181200] is Action.SHIFT


#: In no word that the program itself writes.
TEXT = st.text("aeuzqxj", min_size=6, max_size=12).map("ZQ{}".format)


@given(TEXT, TEXT, st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN]), st.integers(0, 4))
def test_no_hidden_text_survives_at_any_depth(name, number, syntax, depth):
    inner = item(PatientName=name, PatientID=number, ReferringPhysicianName=name)
    for _ in range(depth):
        inner = item(ReferencedSeriesSequence=[inner])
    source = data_set(PatientName=name, PatientID=number, SourceImageSequence=[inner])
    made = transformed(source, syntax=syntax)
    assert name.encode() not in made
    assert number.encode() not in made


@given(st.binary(max_size=400))
def test_no_bytes_make_it_fail_but_in_its_own_way(garbage):
    data = encoded(data_set(**HIDDEN)) + garbage
    try:
        made = transformed(data)
    except HeaderError:
        return
    assert b"Zebulon" not in made


@given(st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,6})){2,8}", fullmatch=True))
def test_uids_map_alike_with_one_key_and_not_with_another(uid):
    made = PSEUDONYMS.uid(uid)
    if uid.startswith("1.2.840.10008."):
        assert made == uid
        return
    assert made == Pseudonyms(b"k" * 32).uid(uid) != Pseudonyms(b"l" * 32).uid(uid)
    assert pydicom.uid.UID(made).is_valid


@given(st.dates(), st.integers(30, 3650))
def test_shifted_dates_keep_their_distance(day, days):
    made = shifted(day.strftime("%Y%m%d").zfill(8), days)
    if day.year > 20:
        assert made == (day - timedelta(days=days)).strftime("%Y%m%d").zfill(8)


@pytest.mark.parametrize("text", ["", "2024", "20241301", "x"])
def test_what_is_no_date_is_not_shifted(text):
    assert shifted(text, 40) is None


def test_texts_of_ours_lose_uids_and_numbers_and_keep_addresses():
    text = PSEUDONYMS.text("A123 of 1.2.3.4.5 at 192.168.1.20:104, not A1234", {"A123": "B"})
    assert text == f"B of {PSEUDONYMS.uid('1.2.3.4.5')} at 192.168.1.20:104, not A1234"


def test_a_uid_of_a_root_that_nobody_gives_is_not_told_either():
    told = PSEUDONYMS.text("The instance 999.999.2.19941105.112000 came from 10.20.30.40:104.", {})
    assert "19941105" not in told
    assert PSEUDONYMS.uid("999.999.2.19941105.112000") in told
    assert told.endswith("came from 10.20.30.40:104.")


def test_what_is_no_uid_is_not_told_at_all():
    with pytest.raises(ProtocolError) as failure:
        matching_series({0x0020000E: b"QUUX-4711"}, "1.2.3")
    told = PSEUDONYMS.text(failure.value.message, {})
    assert "QUUX" in failure.value.message
    assert "QUUX" not in told
    assert "as Series Instance UID" in told


def test_a_short_accession_number_is_no_part_of_uids_or_counts():
    numbers = {"2": "B"}
    text = PSEUDONYMS.text("'2' has 2 studies; number 2, 1.2.3.2.5", numbers)
    assert text == f"'B' has 2 studies; number B, {PSEUDONYMS.uid('1.2.3.2.5')}"
    assert PSEUDONYMS.text("2", numbers) == "B"


def test_tokens_are_names_and_their_parts():
    assert (
        cleaned(b"Doe^Jane seen by JANE, P1-77", tokens_of([b"Doe^Jane", b"P1-77"])) == b"seen by ,"
    )


def test_a_name_in_one_word_is_cleaned_too():
    tokens = tokens_of([b"Hong^Gildong=\xed\x99\x8d^\xea\xb8\xb8\xeb\x8f\x99"])
    for text in (b"HongGildong 3D", b"gildonghong 3D", "홍길동 3D".encode(), b"Gildong, Hong 3D"):
        assert cleaned(text, tokens).strip(b", ") == b"3D"


def test_what_is_outside_the_regions_is_blank_in_every_frame():
    pixels = bytes(range(1, 25)) * 2  # two frames of 4 x 6
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, len(pixels))
    data = head + pixels
    source = ByteSource(data, lambda at, n: data[at : at + n], len(data))
    ((element, start, stop),) = elements_of(source, Span(0, len(data), EXPLICIT_LITTLE))
    picture = Picture(4, 6, 1, 1, is_planar=False, photometric="MONOCHROME2", frames=2)
    keep, blank = [Rectangle(1, 1, 3, 3)], [Rectangle(2, 2, 9, 9)]
    placed = Placed(element, start, stop)
    pieces = blanked(placed, EXPLICIT_LITTLE, picture, keep=keep, blank=blank)
    made = joined(data, pieces)
    frame = bytes([0] * 7 + [8, 9] + [0] * 4 + [14] + [0] * 10)
    assert made == head + frame * 2


@pytest.mark.parametrize(
    ("values", "sop_class", "is_risky"),
    [
        ({0x00280301: b"YES", 0x00280010: b"\1\0"}, "1.2", True),
        ({0x00280301: b"NO ", 0x00280010: b"\1\0"}, "1.2.840.10008.5.1.4.1.1.6.1", False),
        ({0x00280010: b"\1\0"}, "1.2.840.10008.5.1.4.1.1.6.1", True),
        ({0x00280010: b"\1\0", 0x00080060: b"US"}, "1.2", True),
        ({0x00280010: b"\1\0", 0x00080008: b"DERIVED\\SECONDARY\\SCREEN SAVE"}, "1.2", True),
        ({0x00280010: b"\1\0", 0x60000102: b"\x0c\0"}, "1.2", True),
        ({0x00280010: b"\1\0", 0x00080060: b"CT"}, "1.2", False),
        ({0x00080060: b"US"}, "1.2", False),
    ],
)
def test_what_may_show_a_patient(values, sop_class, is_risky):
    assert bool(risk(values, sop_class)) is is_risky


def test_a_multi_item_sequence_stays_in_order():
    many = [item(ReferencedSOPInstanceUID=f"1.2.3.{n}") for n in range(20)]
    made = copy_of(data_set(SourceImageSequence=Sequence(many)))
    got = [each.ReferencedSOPInstanceUID for each in made.SourceImageSequence]
    assert got == [PSEUDONYMS.uid(f"1.2.3.{n}") for n in range(20)]

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from received import bundled, data_set, received

from mkiso.core.file_ids import place
from mkiso.disc.dicomdir import build_dicomdir
from mkiso.disc.dicomdir_reader import parse_dicomdir
from mkiso.disc.dicomdir_rules import check_directory

TESTS = bundled("CT_small.dcm").parent / "dicomdirtests"


def good(count=3):
    made = [received(data_set(number=n, PatientName="SECRET^NAME")) for n in range(1, count + 1)]
    return build_dicomdir("TEST", place(made))


def found(raw):
    directory = parse_dicomdir(raw)
    return {finding.id for finding in (*directory.findings, *check_directory(directory))}


def element(tag, vr, length):
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, length)


def changed(raw, tag, vr, length, value, occurrence=0):
    """The bytes with another value for one element."""
    head = element(tag, vr, length)
    at = -1
    for _ in range(occurrence + 1):
        at = raw.index(head, at + 1)
    return raw[: at + 8] + value + raw[at + 8 + length :]


def test_our_own_directory_is_without_fault():
    assert found(good()) == set()


def test_the_tree_is_that_of_the_offsets():
    directory = parse_dicomdir(good())
    (patient,) = directory.roots
    (study,) = patient.children
    (series,) = study.children
    assert [r.record_type for r in (patient, study, series)] == ["PATIENT", "STUDY", "SERIES"]
    assert [r.parent for r in series.children] == [series] * 3
    assert directory.file_set_id == "TEST"
    assert directory.sop_instance_uid.startswith("2.25.")
    assert patient.values()[0x00100010] == b"SECRET^NAME"


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-reordered", "TINY_ALPHA/DICOMDIR"])
def test_directories_of_others_are_read(name):
    directory = parse_dicomdir((TESTS / name).read_bytes())
    assert found((TESTS / name).read_bytes()) == set()
    assert len(list(directory.references())) > 30


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("DICOMDIR-implicit", "dicomdir.parses"),
        ("DICOMDIR-bigEnd", "dicomdir.transfer-syntax"),
        ("DICOMDIR-nooffset", "dicomdir.parses"),
        ("DICOMDIR-nopatient", "dicomdir.record-unreached"),
        ("DICOMDIR-empty.dcm", "dicomdir.empty"),
    ],
)
def test_faulty_directories_of_others_are_found_out(name, finding):
    assert finding in found((TESTS / name).read_bytes())


@pytest.mark.parametrize(
    ("finding", "tag", "vr", "length", "value"),
    [
        ("dicomdir.consistency-flag", 0x00041212, b"US", 2, b"\1\0"),
        ("dicomdir.in-use-flag", 0x00041410, b"US", 2, b"\0\0"),
        ("dicomdir.offsets", 0x00041200, b"UL", 4, b"\1\0\0\0"),
        ("dicomdir.record-unreached", 0x00041420, b"UL", 4, b"\0\0\0\0"),
        ("dicomdir.empty-branch", 0x00041420, b"UL", 4, b"\0\0\0\0"),
        ("dicomdir.last-root-offset", 0x00041202, b"UL", 4, b"\1\0\0\0"),
        ("dicomdir.hierarchy", 0x00041430, b"CS", 6, b"SERIES"),
        ("dicomdir.hierarchy", 0x00041430, b"CS", 6, b"STRANG"),
        ("dicomdir.key-empty", 0x00100020, b"LO", 2, b"  "),
        ("dicomdir.key-missing", 0x00100020, b"LO", 2, b""),
        ("dicomdir.character-set", 0x00100020, b"LO", 2, b"\xfc "),
        ("dicomdir.file-id", 0x00041500, b"CS", 42, b"dicom\\..".ljust(42)),
        ("dicomdir.file-once", 0x00041500, b"CS", 42, None),
        ("dicomdir.instance-once", 0x00041511, b"UI", 10, b"1.2.3.4.2\0"),
        ("dicomdir.reference-uids", 0x00041511, b"UI", 10, b"\0" * 10),
        ("dicomdir.file-set-id", 0x00041130, b"CS", 4, b"test"),
        ("dicomdir.sop-class", 0x00020002, b"UI", 20, b"1.2.840.10008.1.3.11"),
        ("dicomdir.parses", 0x00020000, b"UL", 4, b"\1\0\0\0"),
    ],
)
def test_each_fault_is_found(finding, tag, vr, length, value):
    raw = good()
    if value is None:
        at = raw.index(element(tag, vr, length))
        raw = changed(raw, tag, vr, length, raw[at + 8 : at + 8 + length], occurrence=1)
    elif value == b"":
        at = raw.index(element(tag, vr, length))
        raw = raw[:at] + element(0x00100021, vr, length) + raw[at + 8 :]
    else:
        raw = changed(raw, tag, vr, length, value)
    assert finding in found(raw)


def test_offsets_that_run_in_a_circle_end():
    raw = good()
    directory = parse_dicomdir(raw)
    (patient,) = directory.roots
    back = struct.pack("<I", patient.offset)
    for occurrence in range(6):
        assert found(changed(raw, 0x00041400, b"UL", 4, back, occurrence)) & {"dicomdir.offsets"}
        assert found(changed(raw, 0x00041420, b"UL", 4, back, occurrence)) & {"dicomdir.offsets"}


def test_a_cut_directory_is_a_finding_not_an_error():
    raw = good()
    for length in range(0, len(raw), 7):
        assert "dicomdir.parses" in found(raw[:length])


def test_findings_hold_no_patient_data():
    raw = good()
    noise = random.Random(3)
    for _ in range(300):
        damaged = bytearray(raw)
        at = noise.randrange(132, len(raw))
        damaged[at : at + 2] = noise.randbytes(2)
        directory = parse_dicomdir(bytes(damaged))
        for finding in (*directory.findings, *check_directory(directory)):
            assert "SECRET" not in finding.message


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_finding(tail):
    assert found(bytes(128) + b"DICM" + tail)
    assert found(good(1)[:400] + tail)

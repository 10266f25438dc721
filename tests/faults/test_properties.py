"""What holds for any accession number, list, set of instances and answer of an archive."""

import io
import re
import struct
import unicodedata
import warnings

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from received import data_set, received

from mkiso.core.accessions import (
    require_accession_number,
    require_accession_numbers,
    split_accession_numbers,
)
from mkiso.core.batch_list import parse_list
from mkiso.core.file_ids import place
from mkiso.core.media_names import file_safe_name
from mkiso.core.model import ExpectedInstance, FindResult, Series, Study
from mkiso.core.reconcile import reconcile
from mkiso.core.split import Sized, bytes_on_disc, split
from mkiso.disc.dicomdir import build_dicomdir
from mkiso.errors import LimitError, MkisoError, UsageError

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=24)
UIDS = st.integers(1, 12).map(lambda n: f"1.2.{n}")


# --- accession numbers and lists of them


@given(ANY_TEXT)
def test_a_number_is_taken_as_it_is_or_refused(text):
    try:
        number = require_accession_number(text)
    except UsageError:
        return
    assert number == text.strip(" ")
    assert 1 <= len(number) <= 16
    assert not set(number) & set("*?\\")
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in number)


@given(st.lists(ANY_TEXT, max_size=6))
def test_numbers_keep_their_order_and_are_there_once(texts):
    try:
        numbers = require_accession_numbers(texts)
    except UsageError:
        return
    assert list(numbers) == list(dict.fromkeys(text.strip(" ") for text in texts))


@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), max_size=8), max_size=8))
def test_a_list_in_one_string_gives_back_what_was_joined(entries):
    entries = [entry for entry in entries if not re.search(r"[,;]", entry)]
    for separator in (",", ";", "\n", "\r\n", " , "):
        wanted = [entry for entry in entries if entry.strip(" \t\ufeff")]
        assert [*split_accession_numbers(separator.join(entries))] == wanted


@given(st.binary(max_size=400))
def test_any_bytes_are_a_list_without_a_wildcard(data):
    """A list file is jobs and faults, whatever is in it; no line selects more than it says."""
    try:
        found = parse_list(data)
    except MkisoError:
        return
    for job in found.jobs:
        for number in job.accession_numbers:
            assert require_accession_number(number) == number


@given(ANY_TEXT)
def test_a_name_made_of_a_number_stays_in_its_folder(text):
    try:
        number = require_accession_number(text)
    except UsageError:
        return
    name = file_safe_name(number)
    assert name
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith((".", "-"))
    assert name.isprintable()


# --- instances on a disc

INSTANCES = st.lists(
    st.fixed_dictionaries({
        "StudyInstanceUID": st.sampled_from(("1.2.3", "1.2.4")),
        "SeriesInstanceUID": st.integers(1, 3),
        "SeriesNumber": st.one_of(st.none(), st.integers(-5, 99)),
        "InstanceNumber": st.one_of(st.none(), st.integers(-5, 10**9)),
        "StudyDate": st.sampled_from((None, "", "20240131", "19000101")),
        "Modality": st.sampled_from((None, "CT", "MR", "SR")),
        "StudyID": st.one_of(st.none(), st.just(""), st.text("ABC 123", max_size=16)),
        "PatientID": st.just("P1"),
        "SeriesDescription": st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x20),
                                     max_size=64).filter(lambda text: "\\" not in text),
    }),
    min_size=1, max_size=8,
)  # fmt: skip


def instances_of(rows):
    made = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, row in enumerate(rows):
            series = f"{row['StudyInstanceUID']}.{row['SeriesInstanceUID']}"
            made.append(
                received(data_set(number=number, **{**row, "SeriesInstanceUID": series,
                                                    "SOPInstanceUID": f"1.9.{number}"}))
            )  # fmt: skip
    return made


@FEW
@given(INSTANCES, st.randoms(use_true_random=False))
def test_file_ids_are_legal_unique_and_do_not_depend_on_the_order(rows, dice):
    """PS3.10 8.2: at most eight components of at most eight characters A-Z 0-9 _."""
    instances = instances_of(rows)
    placed = place(instances)
    paths = ["/".join(each.file_id) for each in placed]
    assert len(set(paths)) == len(paths) == len(instances)
    for each in placed:
        assert 1 <= len(each.file_id) <= 8
        assert all(re.fullmatch("[A-Z0-9_]{1,8}", part) for part in each.file_id)
    dice.shuffle(instances)
    again = place(instances)
    assert {e.instance.sop_instance_uid: e.file_id for e in again} == {
        e.instance.sop_instance_uid: e.file_id for e in placed
    }


@FEW
@given(INSTANCES)
def test_a_directory_read_by_others_lists_every_instance_once(rows):
    """Offsets are followed by hand from the raw bytes, and the records read by pydicom."""
    instances = instances_of(rows)
    placed = place(instances)
    raw = build_dicomdir("PROPERTY", placed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pydicom.dcmread(io.BytesIO(raw))
    wanted = {("/".join(e.file_id), e.instance.sop_instance_uid) for e in placed}
    listed = [
        ("/".join([r.ReferencedFileID] if isinstance(r.ReferencedFileID, str)
                  else r.ReferencedFileID), r.ReferencedSOPInstanceUIDInFile)
        for r in read.DirectoryRecordSequence if "ReferencedFileID" in r
    ]  # fmt: skip
    assert sorted(listed) == sorted(wanted)
    followed = [*follow(raw, first_offset(raw), 0, set())]
    assert len([kind for kind, is_leaf in followed if is_leaf]) == len(instances)
    assert len(followed) == len(read.DirectoryRecordSequence)


def first_offset(raw):
    at = raw.index(struct.pack("<HH2sH", 0x0004, 0x1200, b"UL", 4))
    return struct.unpack_from("<L", raw, at + 8)[0]


def follow(raw, offset, depth, seen):
    """Yield (record type, is a leaf) of every record that the offsets lead to."""
    while offset:
        assert offset not in seen, "the offsets run in a circle"
        assert depth < 8
        seen.add(offset)
        assert raw[offset : offset + 4] == b"\xfe\xff\x00\xe0", "no item begins there"
        values = {}
        at = offset + 8
        while len(values) < 4 or at < offset + 60:
            group, element, _, length = struct.unpack_from("<HH2sH", raw, at)
            if group != 4:
                break
            values[element] = raw[at + 8 : at + 8 + length]
            at += 8 + length
        (next_one,) = struct.unpack("<L", values[0x1400])
        (lower,) = struct.unpack("<L", values[0x1420])
        yield values[0x1430].decode().strip(), 0x1500 in values
        yield from follow(raw, lower, depth + 1, seen)
        offset = next_one


# --- expected against received


@given(st.lists(UIDS, max_size=12), st.lists(UIDS, max_size=12))
def test_complete_is_said_only_of_equal_sets(listed, have):
    listed, have = [*dict.fromkeys(listed)], [*dict.fromkeys(have)]
    series = Series(
        series_instance_uid="1.1", study_instance_uid="1", modality="CT",
        number_of_instances=len(listed),
        instances=tuple(ExpectedInstance(uid, "1.1", "1") for uid in listed),
    )  # fmt: skip
    found = FindResult(studies=(Study("1", "A1", series=(series,)),))
    result = reconcile(found, [(uid, "1.1") for uid in have])
    if listed:
        assert result.complete == (set(listed) == set(have))
        assert {each.sop_instance_uid for each in result.missing} == set(listed) - set(have)
        assert set(result.unlisted) == set(have) - set(listed)
    else:
        assert result.complete == (not have)


# --- splitting


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 30_000_000)),
             min_size=1, max_size=30)
)  # fmt: skip
def test_every_instance_is_on_exactly_one_disc_that_holds_it(rows):
    items = [Sized(f"1.{n}", f"{s}", f"{s}.{e}", size) for n, (s, e, size) in enumerate(rows)]
    items.sort(key=lambda item: (item.study_instance_uid, item.series_instance_uid))
    capacity = 60_000_000
    try:
        shares = split(items, capacity)
    except LimitError:
        assert any(bytes_on_disc(item.size_bytes) > capacity - (16 << 20) for item in items)
        return
    assert [item for share in shares for item in share.items] == items
    for share in shares:
        assert share.items
        assert share.size_bytes <= capacity


@pytest.mark.nightly
@pytest.mark.fault("F77")
def test_a_list_of_a_million_lines_is_read_in_time():
    lines = "\ufeff" + "".join(f"A{n % 700_000}\r\n" + "\r\n" * (n % 10 == 0) for n in range(10**6))
    found = parse_list(lines.encode())
    assert len(found.jobs) == 700_000

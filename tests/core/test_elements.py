import contextlib
import random
import struct
import warnings

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from received import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    bundled,
    bundled_files,
    data_set,
    encoded,
    split_file,
)

from mkiso.core import header, nesting
from mkiso.core.byte_source import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, ByteSource
from mkiso.core.elements import HeaderError, scan
from mkiso.core.sequences import encode_items, read_items

ENCODINGS = {IMPLICIT: IMPLICIT_LITTLE, BIG_ENDIAN: EXPLICIT_BIG}
DEFLATED = "1.2.840.10008.1.2.1.99"
WANTED = header._VALUES
SEQUENCES = header._SEQUENCES


def source(data, head_bytes=256 * 1024):
    return ByteSource(data[:head_bytes], lambda o, n: data[o : o + n], len(data))


def walk(data, syntax=EXPLICIT, head_bytes=256 * 1024):
    encoding = ENCODINGS.get(syntax, EXPLICIT_LITTLE)
    return scan(source(data, head_bytes), encoding, WANTED, SEQUENCES)


def as_pydicom_reads(path):
    """Raw values by tag of what pydicom reads of the wanted tags; None when it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read = pydicom.dcmread(path, defer_size=1 << 20)
            values = {}
            for tag in (WANTED | SEQUENCES) & set(read.keys()):
                element = read.get_item(tag)
                values[tag] = element.value if isinstance(element.value, bytes) else None
        except Exception:  # noqa: BLE001 - pydicom raises anything on its damaged files
            return None
    return values


def assert_reads_like_pydicom(path):
    split = split_file(path)
    theirs = split and as_pydicom_reads(path)
    if not split or theirs is None or split[1] == DEFLATED:
        return False
    data, syntax = split
    try:
        found, spans = walk(data, syntax)
    except HeaderError:
        return False
    assert set(theirs) == set(found) | set(spans), path
    for tag, raw in theirs.items():
        if tag in found and raw is not None:
            ours = found[tag]
            binary = tag in header._BINARY and syntax == BIG_ENDIAN
            assert ours == (raw[::-1] if binary else raw), (path, hex(tag))
    return True


def test_all_files_of_pydicom_are_read_as_pydicom_reads_them():
    files = bundled_files()
    assert sum(assert_reads_like_pydicom(path) for path in files) > 100


@pytest.mark.data
def test_all_shared_files_are_read_as_pydicom_reads_them(shared_data):
    files = [path for path in shared_data.rglob("*") if path.is_file() and path.suffix != ".tsv"]
    assert sum(assert_reads_like_pydicom(path) for path in files) > 600


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_values_are_the_same_in_every_encoding(syntax):
    made = data_set(Rows=512, Columns=300, NumberOfFrames=3)
    found, _ = walk(encoded(made, syntax), syntax)
    assert found[0x00280010] == b"\x00\x02"
    assert found[0x00280011] == b"\x2c\x01"
    assert found[0x00100010].rstrip() == b"Doe^Jane"


@pytest.mark.parametrize("head_bytes", [0, 7, 12, 100, 4096])
def test_the_size_of_the_head_does_not_matter(head_bytes):
    for name in ("CT_small.dcm", "JPEG2000.dcm", "reportsi.dcm", "examples_palette.dcm"):
        data, syntax = split_file(bundled(name))
        whole, whole_spans = walk(data, syntax)
        found, spans = walk(data, syntax, head_bytes)
        assert found == whole
        assert {tag: span[:2] for tag, span in spans.items()} == {
            tag: span[:2] for tag, span in whole_spans.items()
        }


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "MR_small_bigendian.dcm"])
def test_a_data_set_cut_anywhere_in_its_last_element_is_refused(name):
    data, syntax = split_file(bundled(name))
    for cut in (1, 2, 7, 8, 9, 100, 1000):
        with pytest.raises(HeaderError):
            walk(data[:-cut], syntax)


def test_a_source_that_ends_before_its_announced_size_is_refused():
    data, _ = split_file(bundled("CT_small.dcm"))
    short = ByteSource(data[:1000], lambda o, n: data[:5000][o : o + n], len(data))
    with pytest.raises(HeaderError, match="ends at byte 5000"):
        scan(short, EXPLICIT_LITTLE, WANTED, SEQUENCES)


def sequence_levels(levels, *, undefined, implicit):
    """Nested Referenced Series Sequences."""
    value = b""
    tag = struct.pack("<HH", 0x0008, 0x1115)
    for _ in range(levels):
        if undefined:
            item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + value + b"\xfe\xff\x0d\xe0" + bytes(4)
            value, length = item + b"\xfe\xff\xdd\xe0" + bytes(4), 0xFFFFFFFF
        else:
            value = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(value)) + value
            length = len(value)
        head = tag if implicit else tag + b"SQ\0\0"
        value = head + struct.pack("<I", length) + value
    return value


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("undefined", [True, False])
def test_sequences_are_followed_to_a_depth_of_a_hundred(undefined, implicit):
    syntax = IMPLICIT if implicit else EXPLICIT
    _, spans = walk(sequence_levels(100, undefined=undefined, implicit=implicit), syntax)
    assert spans
    for levels in (101, 300, 1000, 20_000):
        deep = sequence_levels(levels, undefined=undefined, implicit=implicit)
        with pytest.raises(nesting.TooDeepError):
            walk(deep, syntax)


def test_depth_counts_through_mixed_lengths():
    inner = sequence_levels(60, undefined=False, implicit=False)
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner + b"\xfe\xff\x0d\xe0" + bytes(4)
    for _ in range(60):
        value = item + b"\xfe\xff\xdd\xe0" + bytes(4)
        inner = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + value
        item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner + b"\xfe\xff\x0d\xe0" + bytes(4)
    with pytest.raises(nesting.TooDeepError):
        walk(inner)


def test_alternating_lengths_are_no_way_around_the_depth():
    value = b""
    for level in range(400):
        end = b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
        if level % 2:
            value = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + value + end
            value = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + value
        else:
            value = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(value)) + value
            value = b"\x08\x00\x15\x11SQ\0\0" + struct.pack("<I", len(value)) + value
    with pytest.raises(nesting.TooDeepError):
        walk(value)


def test_pixels_that_begin_like_an_item_are_no_sequence():
    pixels = b"\xfe\xff\x00\xe0" + random.Random(5).randbytes(4000)
    data = encoded(data_set(), IMPLICIT) + struct.pack("<HHI", 0x7FE0, 0x10, len(pixels)) + pixels
    assert walk(data, IMPLICIT)[0][0x00200013]


def test_an_element_without_a_usable_vr_is_stepped_over_as_dcmtk_does():
    tail = b"\x20\x00\x13\x00IS\x02\x001 "
    for odd in (
        b"\x20\x00\x10\x00??\x02\x00AB",
        b"\x20\x00\x10\x00  \x02\x00AB",
        b"\x20\x00\x10\x00\0\0\x02\x00AB",
        b"\x20\x00\x10\x00\x02\x00\x00\x00AB",  # implicit in between
        b"\x20\x00\x10\x00ZZ\0\0\x02\x00\x00\x00AB",  # a VR to come: 32-bit length
        b"\x20\x00\x10\x00SH\x01\x00A",  # odd length
    ):
        found, _ = walk(odd + tail)
        assert found[0x00200013] == b"1 ", odd


def test_an_undefined_length_un_holds_implicit_items():
    implicit = encoded(data_set(), IMPLICIT)
    item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(implicit)) + implicit
    value = item + b"\xfe\xff\xdd\xe0" + bytes(4)
    data = b"\x08\x00\x15\x11UN\0\0\xff\xff\xff\xff" + value
    _, spans = walk(data)
    (items,) = read_items(source(data), spans[0x00081115])
    assert (0x0020000D, b"UI", b"1.2.3") in items


def test_zero_bytes_after_the_last_element_are_padding():
    data = encoded(data_set())
    for padding in (1, 7, 8, 9, 2048):
        assert walk(data + bytes(padding))[0][0x00200013] == b"1 "
    with pytest.raises(HeaderError):
        walk(data + bytes(9) + b"x")


def test_sequences_come_back_as_they_were_in_every_encoding():
    made = data_set()
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    reference.ReferencedSOPInstanceUID = "1.2.3.4.77"
    reference.ReferencedFrameNumber = [1, 2]
    reference.add_new(0x00091001, "LO", "private")
    series = pydicom.Dataset()
    series.SeriesInstanceUID = "1.2.3.4"
    series.ReferencedImageSequence = [reference, reference]
    made.ReferencedSeriesSequence = [series]
    results = set()
    for syntax in (IMPLICIT, EXPLICIT, BIG_ENDIAN):
        data = encoded(made, syntax)
        _, spans = walk(data, syntax)
        results.add(encode_items(read_items(source(data), spans[0x00081115])))
    assert len(results) == 1
    raw = results.pop()
    assert b"private" not in raw
    assert raw.count(b"1.2.3.4.77") == 2


class TooManyReadsError(Exception):
    """The reader looked at more than a walk can need."""


def assert_header_error_or_result(data, syntax):
    calls = 0

    def read_at(offset, length):
        nonlocal calls
        calls += 1
        if calls > 10_000:
            raise TooManyReadsError
        return data[offset : offset + length]

    with contextlib.suppress(HeaderError):
        header.read_header(data[:64], read_at, len(data), syntax, {})


@settings(max_examples=300)
@given(st.binary(max_size=400), st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN]))
def test_random_bytes_raise_nothing_but_header_error(data, syntax):
    assert_header_error_or_result(data, syntax)


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "reportsi.dcm", "JPEG2000.dcm", "MR_small_implicit.dcm", "liver_1frame.dcm"],
)
def test_damaged_real_files_raise_nothing_but_header_error(name):
    data, syntax = split_file(bundled(name))
    data = data[:6000] + data[-400:]
    noise = random.Random(name)
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(noise.choice([1, 1, 2, 5])):
            at = noise.randrange(len(damaged))
            damaged[at : at + 4] = noise.choice(
                [noise.randbytes(4), b"\xff\xff\xff\xff", bytes(4), b"\xfe\xff\x00\xe0", b"SQ\0\0"]
            )
        assert_header_error_or_result(bytes(damaged), syntax)


def test_a_gigabyte_of_zero_bytes_is_refused_at_once():
    zeros = ByteSource(bytes(4096), lambda _, n: bytes(n), 1 << 30)
    for encoding in (IMPLICIT_LITTLE, EXPLICIT_LITTLE):
        with pytest.raises(HeaderError):
            scan(zeros, encoding, WANTED, SEQUENCES)

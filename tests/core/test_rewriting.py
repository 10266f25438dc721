"""Data sets in another encoding: nothing that the first one held may be missing in the second."""

import io
import struct

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mkiso.core.byte_source import EXPLICIT_LITTLE, ByteSource, HeaderError
from mkiso.core.elements import EXPLICIT_BIG, IMPLICIT_LITTLE
from mkiso.core.folder_names import FolderIdentity
from mkiso.core.patient_correction import corrected
from mkiso.core.rewriting import NewValue, rewritten
from mkiso.disc.file_meta import parse_file_meta

ENCODINGS = [
    (ExplicitVRLittleEndian, EXPLICIT_LITTLE),
    (ImplicitVRLittleEndian, IMPLICIT_LITTLE),
    (ExplicitVRBigEndian, EXPLICIT_BIG),
]
STRAYS = [(0xFFFE, 0xE0DD), (0xFFFE, 0xE00D)]


def encoded(data_set, syntax):
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = syntax
    data_set.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data_set.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data_set, enforce_file_format=True)
    content = buffer.getvalue()
    return content[parse_file_meta(content).size_bytes :]


def two_halves():
    """The elements of a data set that stand before and after a place where nothing belongs."""
    first, second = Dataset(), Dataset()
    first.SpecificCharacterSet = "ISO_IR 100"
    first.SOPClassUID, first.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    first.ReferencedImageSequence = [Dataset(), Dataset()]
    first.ReferencedImageSequence[1].ReferencedSOPInstanceUID = "1.2.4"
    second.PatientName, second.PatientID = "Müller^Anna", "ID7"
    second.Rows, second.PixelSpacing = 2, ["0.50", "1"]
    second.PixelData = bytes([1, 1, 2, 2, 3, 3, 4, 4])  # alike in either byte order
    second["PixelData"].VR = "OW"
    second.Columns = 2
    return first, second


def read(data):
    return pydicom.filereader.read_dataset(io.BytesIO(data), False, True, bytelength=len(data))


@pytest.mark.parametrize(("syntax", "encoding"), ENCODINGS)
@pytest.mark.parametrize("stray", STRAYS)
def test_a_delimitation_where_none_belongs_ends_nothing(syntax, encoding, stray):
    first, second = two_halves()
    order = ">HHI" if encoding.big_endian else "<HHI"
    halves = encoded(first, syntax), encoded(second, syntax)
    data = struct.pack(order, *stray, 0).join(halves)

    got = read(rewritten(data, encoding, {0x00100020: NewValue(b"LO", b"ID8")}))
    second.PatientID = "ID8"
    assert list(got.keys()) == [*sorted(first.keys()), *sorted(second.keys())]
    assert [got[e.tag].value for e in first] == [e.value for e in first]
    assert [got[e.tag].value for e in second] == [e.value for e in second]

    source = ByteSource(data, lambda at, n: data[at : at + n], len(data))
    made = corrected(source, encoding, FolderIdentity("ID9", "A^B"))
    whole = b"".join(p if isinstance(p, bytes) else data[p[0] : p[1]] for p in made.pieces.parts)
    again = read(rewritten(whole, encoding, {}))
    assert list(again.keys()) == [*sorted(first.keys()), *sorted(second.keys())]
    assert (again.PatientID, again.PixelData) == ("ID9", second.PixelData)


def item(content, length=None):
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def test_an_item_longer_than_its_sequence_is_refused_and_swallows_nothing():
    inner = struct.pack("<HH2sH4s", 0x0008, 0x1155, b"UI", 4, b"1.2\0")
    sequence = item(inner, len(inner) + 12)
    data = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, len(sequence)) + sequence
    data += struct.pack("<HH2sH4s", 0x0010, 0x0020, b"LO", 4, b"ID7 ")
    data = struct.pack("<HH2sH4s", 0x0008, 0x0005, b"CS", 4, b"    ") + data
    # a name that needs another character set has all text written anew, and so the items walked
    source = ByteSource(data, lambda at, n: data[at : at + n], len(data))
    with pytest.raises(HeaderError, match="runs over its sequence's end"):
        corrected(source, EXPLICIT_LITTLE, FolderIdentity("ID9", "홍^길동"))


@pytest.mark.parametrize(("syntax", "encoding"), ENCODINGS)
def test_values_come_out_as_they_went_in(syntax, encoding):
    first, second = two_halves()
    whole = Dataset()
    for half in (first, second):
        whole.update(half)
    got = read(rewritten(encoded(whole, syntax), encoding, {}))
    assert [(e.tag, e.VR, e.value) for e in got] == [(e.tag, e.VR, e.value) for e in whole]


def test_text_is_made_even_with_a_space_and_the_rest_with_nul():
    data = encoded(two_halves()[1], ExplicitVRLittleEndian)
    new = {0x00100020: NewValue(b"LO", b"ABC"), 0x00080018: NewValue(b"UI", b"1.2")}
    made = rewritten(data, EXPLICIT_LITTLE, new)
    assert b"LO\x04\0ABC " in made
    assert b"UI\x04\x001.2\0" in made

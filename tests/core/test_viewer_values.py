"""Values are read as pydicom reads them, and what is illegal is absent instead of an error."""

import warnings

import pydicom
import pytest
from core.viewer_objects import values_of
from pydicom.datadict import dictionary_VR, keyword_for_tag
from received import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    bundled_files,
    data_set,
    encoded,
    item,
    split_file,
)

from mkiso.core.byte_source import HeaderError
from mkiso.core.viewer_tags import ATTRIBUTES, BULK
from mkiso.core.viewer_values import read_values

NUMBERS = (
    "Rows",
    "Columns",
    "BitsStored",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "WindowCenter",
    "WindowWidth",
    "RescaleSlope",
    "RescaleIntercept",
    "FrameTime",
    "NumberOfFrames",
    "SliceThickness",
)
TEXTS = ("PhotometricInterpretation", "Manufacturer", "ProtocolName", "PatientPosition")


def test_the_table_is_the_dictionary():
    for keyword, (tag, vr) in ATTRIBUTES.items():
        assert dictionary_VR(tag) == vr, keyword
        if tag >> 16 != 0x6000:
            assert keyword_for_tag(tag) == keyword
    assert set(ATTRIBUTES) >= BULK


def opened(path):
    content, syntax = split_file(path)
    return read_values(content[:65536], lambda o, n: content[o : o + n], len(content), syntax)


def numbers_by_pydicom(data_set, keyword):
    value = data_set.get(keyword)
    if value is None:
        return []
    return [float(v) for v in value] if hasattr(value, "__iter__") else [float(value)]


def test_bundled_files_say_the_same_as_to_pydicom():
    compared = 0
    for path in bundled_files():
        if split_file(path) is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                values = opened(path)
                expected = pydicom.dcmread(path)
                pairs = [(values.numbers(k), numbers_by_pydicom(expected, k)) for k in NUMBERS]
            except (HeaderError, ValueError, TypeError, EOFError, OSError):
                continue
            pairs += [(values.text(k), str(expected.get(k) or "")) for k in TEXTS]
        for found, wanted in pairs:
            assert found == wanted, path
        compared += 1
    assert compared > 60


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_nested_items_are_read_in_every_encoding(syntax):
    code = item(CodeValue="1", CodeMeaning="Lung", CodingSchemeDesignator="X")
    inner = item(Rows=7, PixelSpacing=[0.5, 0.25], ConceptNameCodeSequence=[code])
    values = values_of(data_set(ContentSequence=[inner, item(Rows=9)]), syntax)
    first, second = values.items("ContentSequence")
    assert (first.integer("Rows"), second.integer("Rows")) == (7, 9)
    assert first.numbers("PixelSpacing") == [0.5, 0.25]
    assert first.meaning("ConceptNameCodeSequence") == "Lung"
    assert second.items("ConceptNameCodeSequence") == []


def test_a_character_set_holds_for_what_is_inside():
    inner = item(TextValue="b")
    outer = data_set(SpecificCharacterSet="ISO_IR 144", ContentSequence=[inner])
    content = encoded(outer).replace(b"UT\0\0\x02\0\0\0b ", b"UT\0\0\x02\0\0\0\xbf\xd8")
    values = read_values(content, lambda o, n: content[o : o + n], len(content), EXPLICIT)
    assert values.item("ContentSequence").lines("TextValue") == "Пи"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PixelSpacing", "0.5\\abc"),
        ("RescaleSlope", "1,5"),
        ("WindowCenter", "nan"),
        ("KVP", "1e999"),
    ],
)
def test_illegal_numbers_are_absent(keyword, value):
    values = values_of(data_set(**{keyword: None}))
    assert values.number(keyword) is None
    content = encoded(data_set(SeriesDescription=None))
    tag, _ = ATTRIBUTES[keyword]
    raw = value.encode() + b" " * (len(value) % 2)
    element = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    content += element + b"DS" + len(raw).to_bytes(2, "little") + raw
    found = read_values(content, lambda o, n: content[o : o + n], len(content), EXPLICIT)
    assert keyword in found
    assert found.numbers(keyword) == []
    assert found.integer(keyword, 5) == 5


def test_whole_numbers_are_short():
    values = values_of(data_set(PixelSpacing=["1.000", "2.50"]))
    assert [str(number) for number in values.numbers("PixelSpacing")] == ["1", "2.5"]


def test_texts_are_shown_without_control_and_direction_characters():
    values = values_of(data_set(SpecificCharacterSet="ISO_IR 192", ProtocolName="a\u202eb\tc"))
    assert values.text("ProtocolName") == "ab c"


def test_names_are_in_reading_order():
    values = values_of(data_set(ContentCreatorName="Doe^Jane^^Dr.^MD"))
    assert values.text("ContentCreatorName") == "Doe, Dr. Jane, MD"


def test_a_damaged_sequence_is_no_sequence():
    content = encoded(data_set(ContentSequence=[item(Rows=7)]))
    broken = content.replace(b"\x28\0\x10\0US\2\0", b"\x28\0\x10\0US\xff\0")
    assert broken != content
    values = read_values(broken, lambda o, n: broken[o : o + n], len(broken), EXPLICIT)
    assert values.items("ContentSequence") == []
    assert values.text("Modality") == "CT"

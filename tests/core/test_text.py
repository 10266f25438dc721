import warnings

import pydicom
import pytest
from character_sets import EXAMPLES
from pydicom.charset import convert_encodings, decode_bytes
from received import bundled_files, header_of, split_file

from mkiso.core.header import HeaderError
from mkiso.core.text import decode, defined_terms


@pytest.mark.parametrize(("character_set", "value", "expected"), EXAMPLES)
def test_the_character_sets_of_the_standard_are_read(character_set, value, expected):
    assert decode(value + b" ", character_set, b"PN") == expected


@pytest.mark.parametrize(
    "term", ["iso_ir 100", "ISO-IR 100", "ISO IR 100", "ISO_IR100", " ISO_IR 100 "]
)
def test_misspelt_terms_are_understood(term):
    assert decode(b"J\xe9", term) == "Jé"
    assert defined_terms(term) == ("ISO_IR 100",)


def test_without_a_character_set_utf_8_is_tried_before_latin_1():
    assert decode("홍길동".encode(), "") == "홍길동"
    assert decode("홍길동".encode(), "BOGUS") == "홍길동"
    assert decode(b"M\xfcller", "") == "Müller"
    assert decode(b"M\xfcller", "BOGUS") == "Müller"


@pytest.mark.parametrize(
    "character_set", ["ISO_IR 192", "GB18030", "\\ISO 2022 IR 87", "ISO_IR 127"]
)
def test_what_cannot_be_decoded_never_raises(character_set):
    for first in range(0x1B, 256):
        value = bytes([first, 0x1B, 0x24, 0x42, 0x80, first, 0xFF])
        assert isinstance(decode(value, character_set, b"PN"), str)
    assert "\N{REPLACEMENT CHARACTER}" in decode(b"M\xfcller", "ISO_IR 192")


def test_an_escape_ends_at_the_delimiter():
    value = b"\x1b$)C\xd1\xce^\xe9"
    assert decode(value, "ISO 2022 IR 100\\ISO 2022 IR 149", b"PN") == "吉^é"
    assert decode(value.replace(b"^", b"\\"), "ISO 2022 IR 100\\ISO 2022 IR 149") == "吉\\é"


def texts_of(path):
    """(value, text as pydicom has it, character set) of names and descriptions."""
    data, syntax = split_file(path) or (b"", "")
    try:
        header = header_of(data, syntax).header
    except HeaderError:
        return
    if defined_terms(header.character_set) in (None, ("",)):
        return  # a matter of taste
    # pydicom 3.0 leaves the escape sequences of GB 2312 in the text
    encodings = convert_encodings(header.character_set.split("\\"))
    for tag, value in (*header.patient, *header.study, *header.series):
        vr = pydicom.datadict.dictionary_VR(tag)
        if vr in ("PN", "LO", "SH", "ST"):
            delimiters = {0x5C, 0x0A, 0x0C, 0x0D, 0x09} | ({0x5E, 0x3D} if vr == "PN" else set())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = decode_bytes(value, encodings, delimiters)
            yield theirs.replace("\x1b$)A", ""), decode(value, header.character_set, vr)


def test_bundled_files_read_as_pydicom_reads_them():
    pairs = [pair for path in bundled_files() for pair in texts_of(path)]
    assert len([1 for theirs, _ in pairs if not theirs.isascii()]) > 10
    assert [pair for pair in pairs if pair[0] != pair[1]] == []


@pytest.mark.data
def test_shared_files_read_as_pydicom_reads_them(shared_data):
    files = [path for path in shared_data.rglob("*") if path.is_file() and path.suffix != ".tsv"]
    pairs = [pair for path in files for pair in texts_of(path)]
    assert len([1 for theirs, _ in pairs if not theirs.isascii()]) > 20
    assert [pair for pair in pairs if pair[0] != pair[1]] == []

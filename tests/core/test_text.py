import warnings

import pydicom
import pytest
from pydicom.charset import convert_encodings, decode_bytes
from received import bundled_files, header_of, split_file

from mkiso.core.header import HeaderError
from mkiso.core.text import decode, defined_terms

# PS3.5 annexes H, I, J, K: character set, bytes, text
EXAMPLES = [
    ("", b"Smith^John", "Smith^John"),
    ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    ("ISO_IR 101", b"W\xb1\xb3\xeasa", "Wąłęsa"),
    ("ISO_IR 110", b"\xb9v\xea", "švę"),
    ("ISO_IR 109", b"\xa6ano", "Ĥano"),
    ("ISO_IR 144", b"\xbb\xee\xda", "Люк"),
    ("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea", "قباني"),
    ("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    ("ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
    ("ISO_IR 148", b"\xc7avu\xfeo\xf0lu", "Çavuşoğlu"),
    ("ISO_IR 166", b"\xb9\xd2", "นา"),
    ("ISO_IR 203", b"\xa4", "€"),
    ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
    ),
    (
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
        "Hong^Gildong=洪^吉洞",
    ),
    ("\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang=张^小东"),
    ("GB18030", b"Wang=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang=王^小东"),
    ("GBK", b"Wang=\xcd\xf5", "Wang=王"),
    ("ISO_IR 192", "Hong=홍^길동".encode(), "Hong=홍^길동"),
    ("ISO 2022 IR 100\\ISO 2022 IR 144", b"J\xe9^\x1b-L\xbb\xee\xda^J\xe9", "Jé^Люк^Jé"),
]


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


@pytest.mark.parametrize("character_set", ["ISO_IR 192", "GB18030", "\\ISO 2022 IR 87", "ISO_IR 127"])
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

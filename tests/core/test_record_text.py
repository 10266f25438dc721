import pytest
from character_sets import EXAMPLES

from mkiso.core.record_text import declaration
from mkiso.core.text import decode, is_ascii


def declared(value, character_set, vr=b"PN"):
    return declaration(character_set, [(value, vr)])


def test_ascii_needs_no_declaration():
    assert declaration("ISO_IR 192", [(b"Doe^Jane", b"PN"), (b"", b"LO")]) == ("", True)
    assert declaration("BOGUS", [(b"Doe^Jane", b"PN")]) == ("", True)


@pytest.mark.parametrize(("character_set", "value", "expected"), EXAMPLES)
def test_a_declared_value_reads_the_same_in_the_record(character_set, value, expected):
    term, stays = declared(value, character_set)
    if stays:
        assert decode(value, term, b"PN") == expected
        assert is_ascii(value) == (term == "")
    else:
        assert character_set in ("GBK", "ISO_IR 203")
        assert term == "ISO_IR 192"


def test_an_own_well_known_declaration_is_kept():
    assert declared(b"M\xfcller", "ISO_IR 100") == ("ISO_IR 100", True)
    assert declared("홍".encode(), "ISO_IR 192") == ("ISO_IR 192", True)
    assert declared(b"=\x1b$)C\xfb\xf3", "\\ISO 2022 IR 149") == ("\\ISO 2022 IR 149", True)


def test_a_misspelt_or_single_iso_2022_term_is_spelt_as_readers_know_it():
    assert declared(b"M\xfcller", "ISO-IR 100") == ("ISO_IR 100", True)
    assert declared(b"M\xfcller", "ISO 2022 IR 100") == ("ISO_IR 100", True)
    assert declared(b"=\x1b$)C\xfb\xf3", "ISO 2022 IR 149") == ("\\ISO 2022 IR 149", True)
    assert declared(b"\xd4\xcf", "ISO_IR 13") == ("ISO 2022 IR 13\\ISO 2022 IR 87", True)


@pytest.mark.parametrize("character_set", ["", "BOGUS", "ISO_IR 6"])
def test_undeclared_bytes_are_kept_under_the_set_they_are_read_in(character_set):
    assert declared(b"M\xfcller", character_set) == ("ISO_IR 100", True)
    assert declared("홍".encode(), character_set) == ("ISO_IR 192", True)
    assert declared(b"M\x85ller\xfc", character_set) == ("ISO_IR 192", False)  # control character


def test_what_means_nothing_in_its_own_set_does_not_stay():
    assert declared(b"M\xfcller", "ISO_IR 192") == ("ISO_IR 192", False)
    assert declared(b"M\xfcller", "\\ISO 2022 IR 87") == ("ISO_IR 192", False)


def test_one_value_that_cannot_stay_takes_all_along():
    texts = [("홍".encode(), b"PN"), (b"M\xfcller", b"LO")]
    assert declaration("ISO_IR 192", texts) == ("ISO_IR 192", False)

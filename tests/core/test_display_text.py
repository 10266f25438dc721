import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.display_text import date_text, person_name, plain_text, size_text, time_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^Mary^Dr.^PhD", "Doe, Dr. Jane Mary, PhD"),
        ("Doe", "Doe"),
        ("^Jane", "Jane"),
        ("Doe^^^^", "Doe"),
        ("", ""),
        ("a^b^c^d^e^f^g", "a, d b c, e"),
    ],
)
def test_the_parts_of_a_name_stand_in_the_order_people_read(value, shown):
    assert person_name(value).alphabetic == shown


def test_the_groups_of_a_name_stay_apart():
    name = person_name("Hong^Gildong=洪^吉洞=홍^길동")
    assert (name.alphabetic, name.ideographic, name.phonetic) == (
        "Hong, Gildong",
        "洪, 吉洞",
        "홍, 길동",
    )
    assert person_name("=^=").is_empty


@given(st.text(max_size=60))
def test_shown_text_has_no_control_or_direction_character(text):
    shown = plain_text(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f")
    assert "\n" not in shown


def test_letters_of_all_scripts_stay():
    for text in ("Müller", "Ελλάδα", "שרון", "قباني", "山田 太郎", "김희중"):
        assert plain_text(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [("20240131", "2024-01-31"), ("2024.01.31", "2024-01-31"), ("", ""), ("unknown", "unknown")],
)
def test_a_date_is_shown_as_everybody_reads_it(value, shown):
    assert date_text(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("083059.123", "08:30"), ("0830", "08:30"), ("08:30:59", "08:30"), ("8", "8"), ("", "")],
)
def test_a_time_is_shown_without_seconds(value, shown):
    assert time_text(value) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (431_000_000, "431 MB"),
        (4_700_000_000, "4.7 GB"),
        (99_960, "100 kB"),
        (123_456_789_012, "123 GB"),
    ],
)
def test_sizes_are_shown_in_the_units_of_media(size, shown):
    assert size_text(size) == shown

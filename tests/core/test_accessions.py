import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.accessions import (
    printable,
    require_accession_number,
    require_accession_numbers,
    require_study_instance_uids,
    split_accession_numbers,
)
from mkiso.errors import UsageError


@pytest.mark.parametrize(
    "text", ["2018:123", "#7", "-", "-x", "$(id)", "a;b", "a,b", "A1234567890123456"[:16], "접수12"]
)
def test_everything_but_what_dicom_forbids_is_legal(text):
    assert require_accession_number(text) == text


def test_spaces_around_a_number_do_not_belong_to_it():
    assert require_accession_number("  A 1 ") == "A 1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("*", "wildcard"),
        ("A?", "wildcard"),
        ("A\\B", "separator of values"),
        ("A1\n", "control character"),
        ("A\x00B", "control character"),
        ("A\x7f", "control character"),
        ("A\x9b", "control character"),
        ("A\udcff", "undecodable bytes"),
        ("12345678901234567", "17 characters"),
    ],
)
def test_a_number_that_would_match_others_is_refused_with_the_reason(text, reason):
    with pytest.raises(UsageError, match=reason) as refusal:
        require_accession_number(text)
    assert refusal.value.code == 64
    assert refusal.value.message.isprintable()


def test_sixteen_characters_are_counted_not_bytes():
    assert require_accession_number("가" * 16) == "가" * 16


def test_an_array_is_verbatim_and_keeps_its_order_without_duplicates():
    assert require_accession_numbers(["b;c", "a", "b;c", " a "]) == ("b;c", "a")


def test_an_empty_array_is_refused():
    with pytest.raises(UsageError, match="No accession number"):
        require_accession_numbers([])


def test_a_blank_entry_of_an_array_is_refused_not_dropped():
    with pytest.raises(UsageError, match="empty"):
        require_accession_numbers(["A1", ""])


def test_a_list_is_split_and_its_blank_lines_are_dropped():
    assert split_accession_numbers("\ufeffA1, A2;A3\r\n\r\n  \nA 4\t\n") == (
        "A1",
        "A2",
        "A3",
        "A 4",
    )


def test_a_list_of_blanks_is_no_number_at_all():
    assert split_accession_numbers("\r\n ;, \n") == ()


def test_a_list_of_a_million_lines_is_split_quickly():
    lines = split_accession_numbers("\n".join(str(n % 1000) for n in range(1_000_000)))
    assert len(lines) == 1_000_000
    assert len(require_accession_numbers(lines)) == 1000


@given(st.text(max_size=20))
def test_what_is_accepted_can_never_match_more_than_itself(text):
    try:
        number = require_accession_number(text)
    except UsageError:
        return
    assert number
    assert number == number.strip(" ")
    assert len(number) <= 16
    assert not set(number) & set("*?\\\n\r\0\x1b")
    number.encode("utf-8")


@pytest.mark.parametrize("uid", ["1.2.3", "1.02.3", "0.0", "1" * 64])
def test_uids_are_digits_and_dots(uid):
    assert require_study_instance_uids([uid, f" {uid}"]) == (uid,)


@pytest.mark.parametrize(
    "uid",
    ["", "*", "1.2.*", "1.2\\1.3", "1..2", ".1", "1.", "../1", "1.2.3a", "1" * 65, "\u0661.\u0662"],
)
def test_what_is_no_uid_is_refused(uid):
    with pytest.raises(UsageError, match="not a Study Instance UID"):
        require_study_instance_uids([uid])


def test_a_hostile_text_is_shown_on_one_line():
    assert printable("a\n\x1b[31m\udcff") == r"'a\n\x1b[31m\udcff'"
    assert len(printable("x" * 10_000)) < 100

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.media_names import (
    d_characters,
    disc_name,
    file_safe_name,
    require_disc_name,
    source_date_epoch,
)
from mkiso.errors import ConfigError, UsageError


@pytest.mark.parametrize("number", ["A2375892", "MR.180505.026", "1", "a_B-9"])
def test_a_plain_accession_number_is_the_name(number):
    assert file_safe_name(number) == number


def test_numbers_that_look_alike_when_made_safe_get_different_names():
    names = {file_safe_name(number) for number in ("2018:123", "2018/123", "2018 123", "2018_123")}
    assert len(names) == 4


@pytest.mark.parametrize("number", ["..", ".", "-", "--help", ".bashrc", "CON", "nul.txt", "LPT1"])
def test_names_that_mean_something_to_a_system_are_not_taken(number):
    name = file_safe_name(number)
    assert name != number
    assert not name.startswith((".", "-"))


@given(st.text(min_size=1, max_size=16))
def test_every_accession_number_gives_a_name_that_is_one_plain_file(number):
    name = file_safe_name(number)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)
    assert require_disc_name(name) == name


@given(st.text(max_size=40))
def test_d_characters_are_the_alphabet_of_a_volume_identifier(text):
    assert re.fullmatch(r"[A-Z0-9_]{0,16}", d_characters(text, 16))


def test_discs_are_numbered_from_the_second_and_incomplete_ones_say_so():
    assert [disc_name("A", n) for n in (1, 2, 3)] == ["A", "A_2", "A_3"]
    assert disc_name("A", 2, complete=False) == "A_2.INCOMPLETE"


@pytest.mark.parametrize("name", ["", ".x", "-x", "a/b", "a\\b", "a\x00", "a\nb", "é" * 101])
def test_a_chosen_name_with_a_path_or_control_character_is_refused(name):
    with pytest.raises(UsageError):
        require_disc_name(name)


def test_a_chosen_name_may_be_in_any_language():
    assert require_disc_name("환자 CD 1") == "환자 CD 1"


def test_the_epoch_is_read_or_refused():
    assert source_date_epoch({}) is None
    assert source_date_epoch({"SOURCE_DATE_EPOCH": ""}) is None
    assert source_date_epoch({"SOURCE_DATE_EPOCH": "1700000000"}) == 1_700_000_000
    for text in ("-1", "1.5", "now", "5869584000"):
        with pytest.raises(ConfigError):
            source_date_epoch({"SOURCE_DATE_EPOCH": text})

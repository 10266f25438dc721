import pytest

from mkiso.core.durations import parse_duration
from mkiso.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("180s", 180), ("180", 180), ("2m", 120), ("90d", 7776000), ("0.5s", 0.5)]
)
def test_durations_as_people_write_them(text, seconds):
    assert parse_duration(text, "--settle") == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1y", "1 s s", "1e3", "٣s"])
def test_others_are_refused_with_the_place_named(text):
    with pytest.raises(UsageError, match="--settle"):
        parse_duration(text, "--settle")


def test_where_seconds_would_be_no_age_a_unit_is_needed():
    assert parse_duration("30d", "--older-than", needs_unit=True) == 30 * 86400
    with pytest.raises(UsageError, match="--older-than"):
        parse_duration("30", "--older-than", needs_unit=True)

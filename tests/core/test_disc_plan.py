from dataclasses import replace

import pytest

from mkiso.core.disc_plan import TYPICAL_BYTES, planned_discs, unknown_counts
from mkiso.core.model import ExpectedInstance, FindResult, Series, Study
from mkiso.core.split import FIXED_BYTES
from mkiso.errors import LimitError

CT = TYPICAL_BYTES["CT"]


def series(number, modality="CT", count=10, *, listed=True):
    uid = f"1.2.{number}"
    instances = tuple(ExpectedInstance(f"{uid}.{n}", uid, "1.2") for n in range(count))
    return Series(uid, "1.2", modality, instances if listed else (), count)


def found(*all_series):
    return FindResult((Study("1.2", "A1", all_series),))


def test_everything_is_on_one_disc_when_no_medium_is_named():
    (disc,) = planned_discs(found(series(1), series(2, "SR", 1)), None, "none")
    assert (disc.number, disc.of, disc.instances) == (1, 1, 11)
    assert disc.medium == "cd650"
    assert disc.holds == ("A1: CT, 1 series, 10 instances", "A1: SR, 1 series, 1 instances")
    assert disc.size_bytes > FIXED_BYTES + 10 * CT


def test_a_viewer_takes_room():
    plain = planned_discs(found(series(1, count=100)), None, "none")[0].size_bytes
    assert planned_discs(found(series(1, count=100)), None, "auto")[0].size_bytes > plain


def test_a_job_larger_than_the_medium_is_divided_by_series():
    discs = planned_discs(
        found(series(1, count=60), series(2, count=60)), FIXED_BYTES + 70 * 540_000, "none"
    )
    assert [disc.instances for disc in discs] == [60, 60]
    assert [disc.of for disc in discs] == [2, 2]


def test_counts_stand_for_instances_that_the_archive_does_not_list():
    (disc,) = planned_discs(found(series(1, listed=False)), None, "none")
    assert disc.instances == 10


def test_series_without_a_count_are_told():
    unknown = Series("1.2.3", "1.2", "MR")
    assert unknown_counts(found(series(1), unknown)) == 1
    assert planned_discs(found(unknown), None, "none")[0].instances == 1


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (("5",), "1 series (5)"),
        (("5", "9"), "2 series (5, 9)"),
        (("5", ""), "2 series"),
        (tuple("123456"), "6 series (1 to 6)"),
    ],
)
def test_series_are_named_by_their_numbers(numbers, words):
    listed = [replace(series(n), series_number=said) for n, said in enumerate(numbers)]
    (disc,) = planned_discs(found(*listed), None, "none")
    assert disc.holds == (f"A1: CT, {words}, {10 * len(numbers)} instances",)


def test_nothing_found_is_no_disc():
    assert planned_discs(FindResult(()), None, "none") == ()


def test_an_instance_larger_than_the_medium_is_said():
    with pytest.raises(LimitError, match="By estimate: One instance takes"):
        planned_discs(found(series(1, "SM")), 100_000_000, "none")

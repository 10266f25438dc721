"""Expected against received."""

from mkiso.core.model import ExpectedInstance, FindResult, Series, Study
from mkiso.core.reconcile import reconcile


def found(*uids, count=None) -> FindResult:
    listed = tuple(ExpectedInstance(uid, "1.1.1", "1.1") for uid in uids)
    return FindResult((Study("1.1", "A", (Series("1.1.1", "1.1", "CT", listed, count),)),))


def test_equal_sets_are_complete():
    assert reconcile(found("1", "2"), [("1", "1.1.1"), ("2", "1.1.1")]).complete


def test_what_did_not_arrive_is_missing_by_name():
    result = reconcile(found("1", "2"), [("1", "1.1.1")])
    assert [i.sop_instance_uid for i in result.missing] == ["2"]
    assert not result.complete


def test_what_is_not_listed_is_unlisted():
    result = reconcile(found("1"), [("1", "1.1.1"), ("9", "1.1.1")])
    assert result.unlisted == ("9",)
    assert not result.complete


def test_a_series_known_by_its_count_is_compared_by_its_count():
    received = [("1", "1.1.1"), ("2", "1.1.1")]
    assert reconcile(found(count=2), received).complete
    assert reconcile(found(count=3), received).missing_count == 1
    assert reconcile(found(count=1), received).unlisted


def test_a_series_that_is_not_even_counted_lacks_nothing_and_holds_nothing_unlisted():
    result = reconcile(found(), [("1", "1.1.1"), ("2", "1.1.9")])
    assert (result.missing_count, result.unlisted) == (0, ("2",))

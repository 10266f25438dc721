"""What is expected and what is here, asked while instances arrive."""

import dataclasses
import time

from received import data_set, received

from mkiso.core.holdings import Holdings
from mkiso.core.model import ExpectedInstance, FindResult, Series, Study
from mkiso.core.retrieval_plan import Request

A, B = "1.2.3.1", "1.2.3.2"
STUDY = Request("1.2.3")


def instance(number, series=A):
    return received(data_set(number=number, SeriesInstanceUID=series))


def series(uid=A, numbers=(), count=None):
    listed = tuple(ExpectedInstance(f"1.2.3.4.{n}", uid, "1.2.3") for n in numbers)
    return Series(uid, "1.2.3", "CT", listed, count)


def found(*several, **more):
    return FindResult((Study("1.2.3", "A1", several),), **more)


def test_a_listed_study_is_complete_with_its_last_instance():
    holdings = Holdings(found(series(numbers=(1, 2))))
    is_complete = holdings.completion_of(STUDY)
    assert (holdings.total, holdings.is_lacking, is_complete()) == (2, True, False)
    holdings.take(instance(1))
    assert not is_complete()
    holdings.take(instance(2))
    assert is_complete()
    assert not holdings.is_lacking
    assert holdings.gap().complete


def test_a_request_is_complete_with_what_it_is_for():
    holdings = Holdings(found(series(A, (1,)), series(B, (2, 3))))
    holdings.take(instance(1))
    holdings.take(instance(2, B))
    assert holdings.completion_of(Request("1.2.3", A))()
    assert not holdings.completion_of(Request("1.2.3", B))()
    assert holdings.completion_of(Request("1.2.3", B, ("1.2.3.4.2",)))()
    assert not holdings.completion_of(STUDY)()
    rest = holdings.missing_of(Request("1.2.3", B, ("1.2.3.4.2", "1.2.3.4.3")))
    assert [each.sop_instance_uid for each in rest] == ["1.2.3.4.3"]


def test_a_counted_series_is_complete_by_its_count():
    holdings = Holdings(found(series(A, (1,)), series(B, count=2)))
    for each in (instance(1), instance(2, B)):
        holdings.take(each)
    assert holdings.total == 3
    assert not holdings.completion_of(STUDY)()
    assert holdings.is_lacking
    holdings.take(instance(3, B))
    assert holdings.completion_of(STUDY)()
    assert not holdings.is_lacking


def test_a_listed_instance_does_not_count_for_the_series_it_says_it_is_of():
    holdings = Holdings(found(series(A, (1,)), series(B, count=1)))
    holdings.take(instance(1, B))
    assert holdings.is_lacking
    assert holdings.gap().missing_count == 1


def test_a_series_without_list_and_count_lacks_until_it_was_answered_and_never_is_complete():
    holdings = Holdings(found(series(A), count_verified=False))
    assert (holdings.total, holdings.is_lacking) == (None, True)
    assert [each.series_instance_uid for each in holdings.uncounted] == [A]
    holdings.take(instance(1))
    assert not holdings.completion_of(STUDY)()
    assert holdings.is_lacking
    holdings.take_answer(STUDY)
    assert not holdings.is_lacking
    assert holdings.uncounted == ()
    gap = holdings.gap()
    assert (gap.missing_count, gap.unlisted) == (0, ())


def test_a_new_list_is_compared_with_what_is_here_already():
    holdings = Holdings(found(series(A, (1,))))
    holdings.take(instance(1))
    holdings.take(instance(2))
    assert holdings.gap().unlisted == ("1.2.3.4.2",)
    holdings.expect(found(series(A, (1, 2, 3))))
    assert holdings.gap().unlisted == ()
    assert [each.sop_instance_uid for each in holdings.gap().missing] == ["1.2.3.4.3"]
    holdings.expect(found(series(A, count=2)))
    assert not holdings.is_lacking


def test_a_study_is_wanted_whole_unless_a_filter_applies():
    listed = found(series(A, (1,)))
    assert Holdings(listed).wants("1.2.3", "1.9")
    assert not Holdings(listed).wants("1.2.4", A)
    filtered = Holdings(dataclasses.replace(listed, filtered=True))
    assert filtered.wants("1.2.3", A)
    assert not filtered.wants("1.2.3", "1.9")


def test_questions_do_not_look_at_all_instances():
    """They are asked a hundred times a second, beside threads that receive."""
    holdings = Holdings(found(series(A, range(20_000)), series(B, count=20_000)))
    is_complete = holdings.completion_of(STUDY)
    template = instance(1, B)
    for n in range(19_999):
        holdings.take(dataclasses.replace(template, sop_instance_uid=f"1.9.{n}"))
    began = time.perf_counter()
    for _ in range(1000):
        assert not is_complete()
        assert holdings.is_lacking
        assert holdings.total == 40_000
    assert time.perf_counter() - began < 5  # 0.01 s; each look at all of them takes 5 ms

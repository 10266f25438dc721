"""What is asked for first, and what again."""

from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.model import ExpectedInstance, FindResult, Series, Study
from mkiso.core.retrieval_plan import (
    MOST_UIDS,
    first_requests,
    halves,
    image_requests,
    rest_requests,
    series_requests,
)


def instances(count, series="1.1.1"):
    return tuple(ExpectedInstance(f"{series}.{n}", series, "1.1", "1.2.840") for n in range(count))


def found(*, filtered=False) -> FindResult:
    series = tuple(Series(uid, "1.1", "CT", instances(3, uid)) for uid in ("1.1.1", "1.1.2"))
    return FindResult((Study("1.1", "A", series),), filtered=filtered)


def test_a_whole_study_is_one_request_at_study_level():
    (request,) = first_requests(found())
    assert (request.level, request.study_instance_uid) == ("STUDY", "1.1")
    assert request.sop_class_uids == ("1.2.840",)


def test_a_filtered_study_is_asked_for_by_series():
    requests = first_requests(found(filtered=True))
    assert [(r.level, r.series_instance_uid) for r in requests] == [
        ("SERIES", "1.1.1"),
        ("SERIES", "1.1.2"),
    ]


def test_only_series_that_lack_something_are_asked_for_again():
    requests = series_requests(found(), instances(1, "1.1.2"), ())
    assert [r.series_instance_uid for r in requests] == ["1.1.2"]


def test_image_requests_are_of_one_series_and_bounded():
    requests = image_requests(instances(MOST_UIDS + 1) + instances(2, "1.1.2"))
    assert [len(r.sop_instance_uids) for r in requests] == [MOST_UIDS, 1, 2]
    assert {r.level for r in requests} == {"IMAGE"}


@given(st.integers(1, 60), st.data())
def test_halving_finds_every_instance_that_can_be_sent(count, data):
    """An archive that gives up at the first bad instance still gives all the good ones."""
    everything = instances(count)
    bad = data.draw(st.sets(st.sampled_from([i.sop_instance_uid for i in everything])))
    got: set[str] = set()
    requests = list(image_requests(everything))
    asked = 0
    while requests:
        request = requests.pop()
        asked += 1
        for uid in request.sop_instance_uids:
            if uid in bad:
                break
            got.add(uid)
        requests += halves(request, [i for i in everything if i.sop_instance_uid not in got])
    assert got == {i.sop_instance_uid for i in everything} - bad
    assert asked <= 4 * count


def test_of_what_is_here_in_part_only_the_rest_is_asked_for_and_by_name():
    begun, untouched = instances(3, "1.1.1"), instances(3, "1.1.2")
    requests = rest_requests(found(), [*begun[2:], *untouched], (), {"1.1.1"})
    assert [(r.level, r.series_instance_uid, r.sop_instance_uids) for r in requests] == [
        ("SERIES", "1.1.2", ()),
        ("IMAGE", "1.1.1", ("1.1.1.2",)),
    ]
    assert rest_requests(found(), (), (), {"1.1.1", "1.1.2"}) == ()

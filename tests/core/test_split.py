"""The plan of several discs: everything once, nothing over the capacity, series in one piece."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkiso.core.media import (
    MEDIA,
    capacity_bytes,
    parse_size,
    smallest_medium,
)
from mkiso.core.split import (
    FIXED_BYTES,
    Sized,
    bytes_on_disc,
    require_one,
    split,
)
from mkiso.errors import LimitError, UsageError

MB = 1_000_000
ROOM = 100 * MB


@st.composite
def jobs(draw):
    """Give the instances of some studies with some series, none of them larger than a disc."""
    items = []
    for study in range(draw(st.integers(1, 4))):
        for series in range(draw(st.integers(1, 5))):
            sizes = draw(st.lists(st.integers(1, 90 * MB), min_size=1, max_size=12))
            items += [
                Sized(f"{study}.{series}.{n}", f"{study}", f"{study}.{series}", size)
                for n, size in enumerate(sizes)
            ]
    return items


@given(jobs(), st.sampled_from([0.0, 0.05]))
@settings(max_examples=150, deadline=None)
def test_every_instance_is_on_exactly_one_disc_in_its_order(items, share):
    discs = split(items, ROOM + FIXED_BYTES, share)
    assert [item for disc in discs for item in disc.items] == items


@given(jobs())
@settings(max_examples=150, deadline=None)
def test_no_disc_is_over_the_capacity_and_none_is_empty(items):
    for disc in split(items, ROOM + FIXED_BYTES):
        assert disc.items
        assert disc.size_bytes <= ROOM + FIXED_BYTES
        assert disc.size_bytes == FIXED_BYTES + sum(bytes_on_disc(i.size_bytes) for i in disc.items)


@given(jobs())
@settings(max_examples=150, deadline=None)
def test_a_series_that_fits_a_disc_is_never_cut(items):
    discs = split(items, ROOM + FIXED_BYTES)
    sizes, places = {}, {}
    for number, disc in enumerate(discs):
        for item in disc.items:
            uid = item.series_instance_uid
            sizes[uid] = sizes.get(uid, 0) + bytes_on_disc(item.size_bytes)
            places.setdefault(uid, set()).add(number)
    for uid, size in sizes.items():
        if size <= ROOM:
            assert len(places[uid]) == 1
        else:  # a cut series lies on discs in a row
            assert max(places[uid]) - min(places[uid]) == len(places[uid]) - 1


@given(jobs())
@settings(max_examples=150, deadline=None)
def test_the_number_of_discs_is_near_the_least(items):
    discs = split(items, ROOM + FIXED_BYTES)
    least = -(-sum(bytes_on_disc(i.size_bytes) for i in items) // ROOM)
    assert least <= len(discs) <= 2 * least + 1


@given(jobs())
@settings(max_examples=50, deadline=None)
def test_without_a_capacity_there_is_one_disc(items):
    assert len(split(items, None)) == 1


def series(study, number, megabytes, count=1):
    return [
        Sized(f"{study}{number}{n}", study, f"{study}{number}", megabytes * MB // count)
        for n in range(count)
    ]


def names(discs):
    return [sorted({item.series_instance_uid for item in disc.items}) for disc in discs]


def test_a_study_stays_together_when_that_costs_no_disc_more():
    items = series("a", 1, 40) + series("b", 1, 45) + series("b", 2, 45)
    assert names(split(items, ROOM + FIXED_BYTES)) == [["a1"], ["b1", "b2"]]


def test_a_study_is_divided_when_that_saves_a_disc():
    items = series("a", 1, 40) + series("b", 1, 55) + series("b", 2, 40) + series("c", 1, 55)
    assert names(split(items, ROOM + FIXED_BYTES)) == [["a1", "b1"], ["b2", "c1"]]


def test_a_series_larger_than_a_disc_is_cut_between_instances():
    discs = split(series("a", 1, 250, 100), ROOM + FIXED_BYTES)
    assert [len(disc.items) for disc in discs] == [39, 39, 22]


def test_an_instance_larger_than_a_disc_is_refused():
    with pytest.raises(LimitError, match="One instance takes 200 MB"):
        split(series("a", 1, 200), ROOM)


def test_what_the_pages_need_is_told_where_only_that_makes_an_instance_too_large():
    with pytest.raises(LimitError, match="and of the medium's 9 MB only 611 kB are left"):
        split(series("a", 1, 5), 9_000_000)


def test_no_split_says_what_would_be_needed():
    discs = split(series("a", 1, 90) + series("a", 2, 90), ROOM + FIXED_BYTES)
    with pytest.raises(LimitError, match=r"188 MB, or 2 discs; .* 108 MB.*--medium cd650"):
        require_one(discs, ROOM + FIXED_BYTES, ["cd650"])
    require_one(discs[:1], ROOM)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4700372992", 4_700_372_992),
        ("4.7GB", 4_700_000_000),
        ("700 MB", 700_000_000),
        ("650MiB", 650 << 20),
        ("25g", 25_000_000_000),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "4,7GB", "-1", "5 discs"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError):
        parse_size(text)


def test_media_grow_in_the_table_and_a_size_overrides_the_name():
    sizes = [medium.size_bytes for medium in MEDIA if medium.sectors]
    assert sizes == sorted(sizes)
    assert capacity_bytes("cd700", None) == 736_972_800
    assert capacity_bytes("cd700", 500 * MB) == 500 * MB
    assert capacity_bytes("", None) is None
    assert capacity_bytes("usb", None) is None
    assert smallest_medium(5_000_000_000).name == "dvd-dl"
    assert smallest_medium(10**12) is None
    with pytest.raises(UsageError, match="known are cd650"):
        capacity_bytes("floppy", None)
    with pytest.raises(UsageError, match="too small"):
        capacity_bytes("usb", 1000)

"""Which instance goes on which disc: decided before a byte is written.

Discs follow the order of studies, series and instances, so that each one holds a stretch of it
that a person can name ("CT series 5 to 9"). A series stays together when a disc can hold it; a
larger one is cut between two instances. A study stays together when that costs no disc more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from mkiso.core.display_text import size_text
from mkiso.core.media import SECTOR_BYTES
from mkiso.errors import LimitError

#: What a disc has besides instances and viewer: structures, pages, indexes.
FIXED_BYTES = 8 << 20
#: What an instance takes besides its file: records of DICOMDIR and directories, check sum, index.
BYTES_PER_INSTANCE = 4 << 10


class Sized(NamedTuple):
    """An instance, or a whole series of unknown instances, with the bytes that it takes."""

    uid: str
    study_instance_uid: str
    series_instance_uid: str
    size_bytes: int


class Share(NamedTuple):
    """What goes on one disc, in order, and how many bytes that takes, overhead included."""

    items: tuple[Sized, ...]
    size_bytes: int


def bytes_on_disc(size_bytes: int) -> int:
    """Return what a file of so many bytes takes on a disc, its records included."""
    return -(-size_bytes // SECTOR_BYTES) * SECTOR_BYTES + BYTES_PER_INSTANCE


def split(
    items: Sequence[Sized], capacity_bytes: int | None, viewer_share: float = 0.0
) -> tuple[Share, ...]:
    """Return the discs for `items`, which come in the order of studies and series.

    `viewer_share` is what a viewer takes for each byte of instances. Without a capacity there is
    one disc. Raises LimitError when one instance is larger than a disc.
    """
    factor = 1.0 + viewer_share

    def cost(item: Sized) -> int:
        return int(bytes_on_disc(item.size_bytes) * factor)

    if capacity_bytes is None:
        return (_share(items, [cost(item) for item in items]),)
    room = capacity_bytes - FIXED_BYTES
    largest = max((cost(item) for item in items), default=0)
    if largest > room:
        raise LimitError(
            f"One instance takes {size_text(largest)}, and of the medium's "
            f"{size_text(capacity_bytes)} only {size_text(max(0, room))} are left beside the "
            "pages; choose a larger one with --medium."
        )
    series = [
        list(group)
        for _, group in groupby(items, key=lambda i: (i.study_instance_uid, i.series_instance_uid))
    ]
    studies = [list(group) for _, group in groupby(items, key=lambda i: i.study_instance_uid)]
    by_series = _fill([[s] for s in series], room, cost)
    together = [
        [list(g) for _, g in groupby(study, key=lambda i: i.series_instance_uid)]
        for study in studies
    ]
    by_study = _fill(together, room, cost)
    best = by_study if len(by_study) <= len(by_series) else by_series
    return tuple(_share(disc, [cost(item) for item in disc]) for disc in best)


def require_one(
    shares: Sequence[Share], capacity_bytes: int | None, media_names: Iterable[str] = ()
) -> None:
    """Raise LimitError, with what would be needed, when there is more than one disc."""
    if len(shares) > 1 and capacity_bytes:
        needed = sum(share.size_bytes for share in shares) - (len(shares) - 1) * FIXED_BYTES
        larger = next(iter(media_names), "")
        raise LimitError(
            f"This takes {needed / 1e6:,.0f} MB, or {len(shares)} discs; the medium holds "
            f"{capacity_bytes / 1e6:,.0f} MB. Leave --no-split out"
            + (f", or use --medium {larger}." if larger else ".")
        )


def _share(items: Sequence[Sized], costs: Sequence[int]) -> Share:
    return Share(tuple(items), FIXED_BYTES + sum(costs))


_Series = list[Sized]


def _fill(
    groups: list[list[_Series]], room: int, cost: Callable[[Sized], int]
) -> list[list[Sized]]:
    """Return discs filled in order; a group begins a new disc when only that keeps it whole."""
    discs: list[list[Sized]] = [[]]
    used = 0

    def begin() -> None:
        nonlocal used
        if discs[-1]:
            discs.append([])
        used = 0

    def put(items: Iterable[Sized]) -> None:
        nonlocal used
        for item in items:
            if used + cost(item) > room:
                begin()
            discs[-1].append(item)
            used += cost(item)

    for group in groups:
        whole = sum(cost(item) for series in group for item in series)
        if used + whole > room >= whole:
            begin()
        for series in group:
            size = sum(cost(item) for item in series)
            if used + size > room >= size:
                begin()
            put(series)
    return [disc for disc in discs if disc]

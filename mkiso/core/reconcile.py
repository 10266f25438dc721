"""Expected against received: what is missing, what came unlisted. Counting UIDs, never responses.

A C-MOVE's own counts are not evidence: Orthanc reports success before it sent anything, dcmqrscp
reports success for a study it does not have.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mkiso.core.model import ExpectedInstance, FindResult, Series


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What the archive listed, compared with what is on our disk."""

    missing: tuple[ExpectedInstance, ...]
    unlisted: tuple[str, ...]  # SOP Instance UIDs received inside the job's studies, not listed
    short_series: tuple[tuple[Series, int], ...] = ()  # counted series: how many are missing

    @property
    def complete(self) -> bool:
        """Whether exactly the listed instances are there."""
        return not (self.missing or self.unlisted or self.short_series)

    @property
    def missing_count(self) -> int:
        """How many instances are missing, listed or only counted."""
        return len(self.missing) + sum(count for _, count in self.short_series)


def reconcile(found: FindResult, received: Collection[tuple[str, str]]) -> Reconciliation:
    """Compare the expected set with `received`, pairs of (SOP Instance UID, Series Instance UID).

    A series that the archive does not list instance by instance is compared by its count; of one
    that it does not even count, whatever came is neither missing nor unlisted.
    """
    have = {uid for uid, _ in received}
    expected = found.expected
    listed = {instance.sop_instance_uid for instance in expected}
    by_count = {s.series_instance_uid: s for s in unlisted_series(found)}
    in_series: dict[str, int] = {}
    unlisted: list[str] = []
    for uid, series_uid in received:
        if uid in listed:
            continue
        if series_uid in by_count:
            in_series[series_uid] = in_series.get(series_uid, 0) + 1
        else:
            unlisted.append(uid)
    short: list[tuple[Series, int]] = []
    for series_uid, series in by_count.items():
        if series.number_of_instances is None:
            continue
        gap = series.number_of_instances - in_series.get(series_uid, 0)
        if gap > 0:
            short.append((series, gap))
        elif gap < 0:
            unlisted.append(f"{-gap} in series {series_uid}")
    missing = tuple(i for i in expected if i.sop_instance_uid not in have)
    return Reconciliation(missing, tuple(unlisted), tuple(short))


def unlisted_series(found: FindResult) -> tuple[Series, ...]:
    """Return the series that the archive does not list instance by instance."""
    return tuple(s for study in found.studies for s in study.series if not s.instances)

"""Which of the listed studies and series belong to the job, and whether they may go together."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence

from mkiso.core.model import LeftOutSeries, Series, Study
from mkiso.errors import AmbiguousError, LimitError

#: PS3.3 C.4.23.1.1: these are not at hand, and may take the archive hours.
_NOT_AT_HAND = frozenset({"NEARLINE", "OFFLINE", "UNAVAILABLE"})


def are_of_one_patient(studies: Iterable[Study]) -> bool:
    """Return whether no two studies state different PatientIDs or different issuers.

    An empty value does not differ from any: who the patient is, the received objects decide.
    """
    patient_ids, issuers = set(), set()
    for study in studies:
        patient_ids.add(study.patient_id)
        issuers.add(study.issuer_of_patient_id)
    return len(patient_ids - {""}) <= 1 and len(issuers - {""}) <= 1


def require_one_patient(studies: Sequence[Study], asked: str, archive: str) -> None:
    """Raise AmbiguousError when what was `asked` for belongs to several patients."""
    if not are_of_one_patient(studies):
        raise AmbiguousError(
            f"{asked} belongs to several patients in {archive}, so nothing was retrieved; have it "
            "corrected there, or name the right study with --study-uid.",
            details=tuple(f"study {study.study_instance_uid}" for study in studies[:20]),
        )


def require_one_patient_in_job(studies: Sequence[Study]) -> None:
    """Raise AmbiguousError when the studies of a job belong to several patients."""
    if not are_of_one_patient(studies):
        raise AmbiguousError(
            "The studies asked for belong to several patients; make a disc for each of them, or "
            "all of these at once with --per-patient.",
            details=tuple(
                f"study {study.study_instance_uid}, accession number {study.accession_number!r}"
                for study in studies[:20]
            ),
        )


def without_duplicates(studies: Iterable[Study]) -> tuple[Study, ...]:
    """Return each study once, in order: two accession numbers may lead to the same one."""
    return tuple({study.study_instance_uid: study for study in studies}.values())


def filter_series(
    series: Iterable[Series], modalities: Collection[str]
) -> tuple[tuple[Series, ...], tuple[LeftOutSeries, ...]]:
    """Return the series of these modalities, literally, and the others; no modality means all."""
    kept, left_out = [], []
    for each in series:
        if not modalities or each.modality in modalities:
            kept.append(each)
        else:
            left_out.append(
                LeftOutSeries(each.series_instance_uid, each.study_instance_uid, each.modality)
            )
    return tuple(kept), tuple(left_out)


def with_counts(study: Study, series: Sequence[Series], *, all_series: bool) -> tuple[Series, ...]:
    """Return the series, with the one missing count worked out from the count of the study.

    Only when all series of the study are there and a single one has neither list nor count.
    """
    uncounted = [s for s in series if not s.instances and s.number_of_instances is None]
    if not all_series or len(uncounted) != 1 or study.number_of_instances is None:
        return tuple(series)
    others = sum(count_of(s) or 0 for s in series if s is not uncounted[0])
    rest = study.number_of_instances - others
    return tuple(
        dataclasses.replace(s, number_of_instances=rest) if s is uncounted[0] and rest > 0 else s
        for s in series
    )


def count_of(series: Series) -> int | None:
    """Return how many instances a series has: those listed, else what the archive claims."""
    return len(series.instances) or series.number_of_instances


def are_counted(studies: Iterable[Study]) -> bool:
    """Return whether every series is known instance by instance, or at least by its count."""
    return all(
        study.series and all(count_of(series) is not None for series in study.series)
        for study in studies
    )


def require_limit(number_of_instances: int, maximum: int) -> None:
    """Raise LimitError when there are more instances than a job may have."""
    if number_of_instances > maximum:
        raise LimitError(
            f"The archive lists {number_of_instances} instances or more, and a job may have "
            f"{maximum}; ask for less, or raise --max-instances."
        )


def availability_warning(study: Study) -> str | None:
    """Return a warning when the archive says that a study is not at hand."""
    if study.instance_availability not in _NOT_AT_HAND:
        return None
    return (
        f"Study {study.study_instance_uid} is {study.instance_availability} in the archive: it may "
        "take long to come, or not come at all."
    )


def listing_warning(series: Series) -> str | None:
    """Return a warning when list and count of a series differ; some archives cut a list short."""
    listed, claimed = len(series.instances), series.number_of_instances
    if not listed or claimed is None or listed == claimed:
        return None
    return (
        f"Series {series.series_instance_uid}: the archive lists {listed} instances and counts "
        f"{claimed}; the list is what was asked for."
    )


def has_changed(before: Study, now: Study) -> bool:
    """Return whether a study's series or any count that both times were given differ."""
    if _differ(before.number_of_instances, now.number_of_instances):
        return True
    counts = {s.series_instance_uid: s.number_of_instances for s in before.series}
    return counts.keys() != {s.series_instance_uid for s in now.series} or any(
        _differ(counts[s.series_instance_uid], s.number_of_instances) for s in now.series
    )


def _differ(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and before != now

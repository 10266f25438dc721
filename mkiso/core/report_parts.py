"""Parts of the report made from what the stages return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mkiso.core.conversion_plan import Conversion
from mkiso.core.disc_content import Disc
from mkiso.core.model import FindResult, RetrieveResult, Study, ViewerContent
from mkiso.core.report import (
    ConversionReport,
    DiscReport,
    LeftOutReport,
    MissingInstance,
    StudyReport,
    ViewerReport,
)
from mkiso.core.selection import count_of


def disc_reports(discs: Iterable[Disc]) -> tuple[DiscReport, ...]:
    """Return the finished discs as the report shows them."""
    return tuple(
        DiscReport(
            path=str(disc.path),
            size_bytes=disc.size_bytes,
            sha256=disc.sha256,
            volume_id=disc.volume_id,
            instances=disc.instances,
            number=disc.number,
            of=disc.of,
            complete=disc.complete,
            profile=disc.profile,
            profile_problems=disc.profile_problems,
            conversions=_conversions(disc.conversions),
            viewer=_viewer(disc.viewer) if disc.viewer else None,
        )
        for disc in discs
    )


def _conversions(conversions: Iterable[Conversion]) -> tuple[ConversionReport, ...]:
    counts = Counter((each.source, each.target, each.problem) for each in conversions)
    return tuple(
        ConversionReport(source, target, count, problem)
        for (source, target, problem), count in sorted(counts.items())
    )


def _viewer(viewer: ViewerContent) -> ViewerReport:
    return ViewerReport(viewer.mode, viewer.size_bytes, viewer.preview_series, viewer.tiles)


def study_reports(found: FindResult | None, retrieved: RetrieveResult | None) -> dict[str, Any]:
    """Return the fields `studies`, `expected`, `missing` and `left_out` of the report."""
    if found is None:
        return {}
    missing = retrieved.missing if retrieved else ()
    return {
        "studies": tuple(_study(study, retrieved) for study in found.studies),
        "expected": _expected_count(found),
        "missing": tuple(
            MissingInstance(i.sop_instance_uid, i.series_instance_uid, i.study_instance_uid)
            for i in missing
        ),
        "left_out": tuple(
            LeftOutReport(s.series_instance_uid, s.study_instance_uid, s.modality)
            for s in found.left_out
        ),
    }


def _study(study: Study, retrieved: RetrieveResult | None) -> StudyReport:
    """Return one study with what arrived of it, by modality."""
    modality_of = {series.series_instance_uid: series.modality for series in study.series}
    counts = Counter(
        modality_of.get(instance.series_instance_uid, "")
        for instance in (retrieved.instances if retrieved else ())
        if instance.study_instance_uid == study.study_instance_uid
    )
    return StudyReport(
        study.study_instance_uid, study.accession_number, dict(counts), sum(counts.values())
    )


def _expected_count(found: FindResult) -> int | None:
    """Return how many instances the archive lists, by name or by count; None when it does not."""
    counts = [count_of(series) for study in found.studies for series in study.series]
    return None if None in counts else sum(count or 0 for count in counts)

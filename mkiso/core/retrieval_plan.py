"""What to ask the archive to send, and what to ask again when something is missing.

Whole studies (or the filtered series) first. What is missing then is asked for by SERIES, and at
last by IMAGE: in one request, and as long as a request brings not everything, in halves of it. Some
archives give up at the first instance that fails (Orthanc), so only single requests tell which one
cannot be sent; others report each failure (dcmqrscp), then nothing is asked a second time.
PS3.4 C.4.2.1.4.1: unique keys only, a list of UIDs only at the level itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from mkiso.core.contexts import is_uid
from mkiso.core.model import ExpectedInstance, FindResult, Series

#: UIDs in one IMAGE level request: 64 characters each must stay within one identifier of 64 KiB.
MOST_UIDS = 500


@dataclass(frozen=True, slots=True)
class Request:
    """One C-MOVE or C-GET: its level is the deepest one with a UID."""

    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uids: tuple[str, ...] = ()
    sop_class_uids: tuple[str, ...] = ()  # for C-GET: what may come

    @property
    def level(self) -> str:
        """STUDY, SERIES or IMAGE (0008,0052)."""
        if self.sop_instance_uids:
            return "IMAGE"
        return "SERIES" if self.series_instance_uid else "STUDY"


def covers(request: Request, series: Series) -> bool:
    """Return whether a request of STUDY or SERIES level is for this series, too."""
    return request.study_instance_uid == series.study_instance_uid and (
        request.series_instance_uid in ("", series.series_instance_uid)
    )


def first_requests(found: FindResult) -> tuple[Request, ...]:
    """Return one request a study, or one a series when a modality filter applies."""
    if not found.filtered:
        return tuple(
            Request(study.study_instance_uid, sop_class_uids=_classes(study.series))
            for study in found.studies
        )
    return tuple(_series_request(series) for study in found.studies for series in study.series)


def series_requests(
    found: FindResult, missing: Iterable[ExpectedInstance], short: Iterable[Series]
) -> tuple[Request, ...]:
    """Return one request for every series that lacks something."""
    wanted = {instance.series_instance_uid for instance in missing}
    wanted.update(series.series_instance_uid for series in short)
    return tuple(
        _series_request(series)
        for study in found.studies
        for series in study.series
        if series.series_instance_uid in wanted
    )


def rest_requests(
    found: FindResult,
    missing: Sequence[ExpectedInstance],
    short: Iterable[Series],
    begun: Collection[str],
) -> tuple[Request, ...]:
    """Return requests for what is missing and for nothing that is here.

    Series of which nothing is here as a whole, the others (`begun`) by name.
    """
    whole = [i for i in missing if i.series_instance_uid not in begun]
    rest = [i for i in missing if i.series_instance_uid in begun]
    return (*series_requests(found, whole, short), *image_requests(rest))


def image_requests(missing: Sequence[ExpectedInstance]) -> tuple[Request, ...]:
    """Return requests at IMAGE level for the missing instances, at most `MOST_UIDS` in each.

    What is listed under no UID cannot be asked for by name.
    """
    groups: dict[tuple[str, str], list[ExpectedInstance]] = {}
    for instance in (each for each in missing if is_uid(each.sop_instance_uid)):
        key = (instance.study_instance_uid, instance.series_instance_uid)
        groups.setdefault(key, []).append(instance)
    return tuple(
        _image_request(group[start : start + MOST_UIDS])
        for group in groups.values()
        for start in range(0, len(group), MOST_UIDS)
    )


def halves(request: Request, missing: Sequence[ExpectedInstance]) -> tuple[Request, ...]:
    """Return what an IMAGE level request lacks, in two halves to ask again; a single is final."""
    asked = set(request.sop_instance_uids)
    rest = [instance for instance in missing if instance.sop_instance_uid in asked]
    if not rest or len(asked) == 1:
        return ()
    if len(rest) == 1:
        return (_image_request(rest),)
    middle = len(rest) // 2
    return (_image_request(rest[:middle]), _image_request(rest[middle:]))


def _series_request(series: Series) -> Request:
    """Return the SERIES level request for a series."""
    return Request(
        series.study_instance_uid, series.series_instance_uid, sop_class_uids=_classes((series,))
    )


def _image_request(instances: Sequence[ExpectedInstance]) -> Request:
    """Return the IMAGE level request for instances of one series."""
    return Request(
        instances[0].study_instance_uid,
        instances[0].series_instance_uid,
        tuple(instance.sop_instance_uid for instance in instances),
        tuple(sorted({i.sop_class_uid for i in instances if i.sop_class_uid})),
    )


def _classes(series: Iterable[Series]) -> tuple[str, ...]:
    """Return the SOP classes the archive named for these series."""
    return tuple(sorted({i.sop_class_uid for s in series for i in s.instances if i.sop_class_uid}))

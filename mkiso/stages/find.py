"""Find: what the archive says belongs to the job, instance by instance where it can say so.

STUDY level by the exact accession number, SERIES level with the modality filter (a modality at
STUDY level is no filter), IMAGE level for the SOP Instance UIDs that must arrive.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from mkiso.core import selection
from mkiso.core.accessions import (
    printable,
    require_accession_numbers,
    require_study_instance_uids,
)
from mkiso.core.context import Context, Progress
from mkiso.core.identifier import Attributes
from mkiso.core.model import ExpectedInstance, FindResult, LeftOutSeries, Series, Study
from mkiso.core.query import (
    Identifier,
    image_query,
    matching_instance,
    matching_series,
    matching_study,
    series_query,
    study_query,
)
from mkiso.core.retry import RetryPolicy, retry
from mkiso.errors import ConfigError, NotFoundError, TemporaryError
from mkiso.network.find import FindAnswer, FindSession, QueryRefusedError
from mkiso.network.transport import AssociationLostError

Match = TypeVar("Match")

#: Answers to one query beyond the instances a job may have.
_SLACK = 1000
_NAP_SECONDS = 0.2
#: One lost association may be chance; so many, each at its first query, are not.
_LEAST_LOST = 2


def run(context: Context, *, sleep: Callable[[float], None] = time.sleep) -> FindResult:
    """Return the studies, series and instances of the job.

    Raises UsageError (an accession number that may not be sent), NotFoundError, AmbiguousError
    (several patients), LimitError (more than `max_instances`), TemporaryError (after the node's
    retries), ConfigError (AE titles), ProtocolError (no Study Root, a failure status).
    """
    session = _session(context)
    try:
        result = _Find(context, session, sleep).result()
    except BaseException:
        session.abort()
        raise
    session.close()
    return result


def has_grown(
    found: FindResult, context: Context, *, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Return whether the archive lists something else than `found` now.

    One STUDY query for each number and one SERIES query for each study; IMAGE level only where
    the archive gives no counts. Raises as `run` does.
    """
    session = _session(context)
    try:
        grown = _Find(context, session, sleep).differs_from(found)
    except BaseException:
        session.abort()
        raise
    session.close()
    return grown


def _session(context: Context) -> FindSession:
    job = context.job
    return FindSession(
        job.archive,
        calling_ae_title=job.archive.calling_ae_title or job.receiver.ae_title,
        log=context.log,
        require_running=context.require_time,
        remaining_seconds=context.remaining_seconds,
        monotonic=context.monotonic,
        keeper=context.keeper,
    )


class _Find:
    """The queries of one job, in order."""

    def __init__(
        self, context: Context, session: FindSession, sleep: Callable[[float], None]
    ) -> None:
        self._context = context
        self._job = context.job
        self._archive = context.job.archive.name
        self._session = session
        self._sleep = sleep
        self._listed = 0  # instances so far
        self._has_image_level = True
        self._warnings: list[str] = []
        self._not_found: list[str] = []

    def result(self) -> FindResult:
        """Ask at all levels."""
        studies: list[Study] = []
        left_out: list[LeftOutSeries] = []
        for study in self._studies():
            series, others = self._series(study)
            left_out.extend(others)
            if series or not others:
                studies.append(dataclasses.replace(study, series=series))
        self._require_something_left(studies, left_out)
        for number, count in Counter(study.accession_number for study in studies).items():
            if count > 1 and number:
                self._context.say(f"{printable(number)} has {count} studies of one patient.")
        claimed = [selection.count_of(s) or 0 for study in studies for s in study.series]
        selection.require_limit(sum(claimed), self._job.max_instances)
        filtered = bool(self._job.modalities)
        studies = [self._with_instances(study, filtered=filtered) for study in studies]
        counted = selection.are_counted(studies)
        if not counted:
            self._warnings.append(
                f"{self._archive} gives neither lists nor counts of instances for every series: "
                "whether everything arrived cannot be verified."
            )
        for study in studies:
            self._note(selection.availability_warning(study))
        for warning in self._warnings:
            self._context.warn(warning)
        self._context.progress(Progress("find", self._listed, self._listed))
        return FindResult(
            studies=tuple(studies),
            left_out=tuple(left_out),
            not_found=tuple(self._not_found),
            warnings=tuple(self._warnings),
            filtered=filtered,
            count_verified=counted,
        )

    def differs_from(self, found: FindResult) -> bool:
        """Ask for the studies and series again and compare."""
        before = {study.study_instance_uid: study for study in found.studies}
        emptied = {series.study_instance_uid for series in found.left_out}
        for study in self._studies():
            series, _ = self._series(study)
            known = before.pop(study.study_instance_uid, None)
            if known is None:
                if series or study.study_instance_uid not in emptied:
                    return True
                continue
            now = dataclasses.replace(study, series=series)
            if selection.has_changed(known, now) or self._grew_uncounted(known, now):
                return True
        return bool(before)

    # --- STUDY level

    def _studies(self) -> tuple[Study, ...]:
        """Return the studies of all accession numbers, or of all Study Instance UIDs."""
        job = self._job
        uids = require_study_instance_uids(job.study_instance_uids)
        if not job.accession_numbers:
            found = [self._by_uid(uid) for uid in uids]
        else:
            numbers = require_accession_numbers(job.accession_numbers)
            found = [self._by_number(number, uids) for number in numbers]
        studies = selection.without_duplicates(study for group in found for study in group)
        if not job.per_patient:
            selection.require_one_patient_in_job(studies)
        return studies

    def _by_number(self, number: str, uids: Sequence[str]) -> tuple[Study, ...]:
        """Return the studies of an accession number; with `uids`, only those that are named."""
        asked = f"The accession number {printable(number)}"
        matches = self._matching_studies(study_query(accession_number=number), asked)
        if uids:
            matches = tuple(study for study in matches if study.study_instance_uid in uids)
        selection.require_one_patient(matches, asked, self._archive)
        if not matches:
            self._require_found(number, asked)
        return matches

    def _by_uid(self, uid: str) -> tuple[Study, ...]:
        asked = f"The study {uid}"
        matches = self._matching_studies(study_query(study_instance_uid=uid), asked)
        selection.require_one_patient(matches, asked, self._archive)
        if not matches:
            self._require_found(uid, asked)
        return matches

    def _matching_studies(self, identifier: Identifier, asked: str) -> tuple[Study, ...]:
        answer = self._ask(identifier, lambda a: matching_study(a, identifier))
        if answer.dropped:
            self._context.log(
                f"{asked}: {answer.dropped} answers did not match it exactly and were dropped"
            )
        for study in answer.matches:
            self._context.notice(study.accession_number)
        return answer.matches

    def _require_found(self, wanted: str, asked: str) -> None:
        sentence = f"{asked} was not found in {self._archive}."
        if not self._job.skip_not_found:
            raise NotFoundError(
                f"{sentence[:-1]}; check it, or ask where it was archived.",
                not_found=(*self._not_found, wanted),
            )
        self._not_found.append(wanted)
        self._warnings.append(sentence)

    def _require_something_left(
        self, studies: Sequence[Study], left_out: Sequence[LeftOutSeries]
    ) -> None:
        """Raise NotFoundError when there is nothing; warn where the filter left a study empty."""
        wanted = ", ".join(self._job.modalities)
        others = ", ".join(sorted({series.modality or "?" for series in left_out}))
        if not studies:
            if not left_out:
                raise NotFoundError(
                    f"None of what was asked for was found in {self._archive}; check the numbers, "
                    "or ask where they were archived.",
                    not_found=tuple(self._not_found),
                )
            raise NotFoundError(
                f"Nothing is left with the modality {wanted}; the archive has {others} there."
            )
        kept = {study.study_instance_uid for study in studies}
        for uid in dict.fromkeys(s.study_instance_uid for s in left_out):
            if uid not in kept:
                self._warnings.append(
                    f"Study {uid} has no series with the modality {wanted}; it is left out."
                )

    # --- SERIES and IMAGE level

    def _series(self, study: Study) -> tuple[tuple[Series, ...], tuple[LeftOutSeries, ...]]:
        """Return the wanted series of a study, and those that the modality filter leaves out."""
        uid = study.study_instance_uid
        answer = self._ask(series_query(uid), lambda a: matching_series(a, uid))
        if answer.dropped:
            self._context.log(f"{answer.dropped} answers are no series of study {uid}: dropped")
        unique = {series.series_instance_uid: series for series in answer.matches}
        return selection.filter_series(unique.values(), self._job.modalities)

    def _with_instances(self, study: Study, *, filtered: bool) -> Study:
        """Return the study with the instances of its series, or with their counts."""
        series = [
            dataclasses.replace(each, instances=self._instances(each)) for each in study.series
        ]
        for each in series:
            self._note(selection.listing_warning(each))
        return dataclasses.replace(
            study, series=selection.with_counts(study, series, all_series=not filtered)
        )

    def _instances(self, series: Series) -> tuple[ExpectedInstance, ...]:
        """Return the instances of a series; none where the archive has no IMAGE level."""
        if not self._has_image_level:
            return ()
        identifier = image_query(
            series.study_instance_uid,
            series.series_instance_uid,
            with_class=self._job.archive.retrieve == "get",
        )
        try:
            answer = self._ask(identifier, lambda a: matching_instance(a, series))
        except QueryRefusedError as error:
            self._context.log(f"no IMAGE level: {error}")
            self._has_image_level = False
            self._warnings.append(
                f"{self._archive} does not list single instances; they are counted instead."
            )
            return ()
        if answer.dropped:
            self._context.log(
                f"{answer.dropped} answers are no instance of series "
                f"{series.series_instance_uid}: dropped"
            )
        unique = {instance.sop_instance_uid: instance for instance in answer.matches}
        self._listed += len(unique)
        selection.require_limit(self._listed, self._job.max_instances)
        self._context.progress(Progress("find", self._listed, None))
        return tuple(unique.values())

    def _grew_uncounted(self, before: Study, now: Study) -> bool:
        """Compare by name what the archive does not count."""
        if None not in (before.number_of_instances, now.number_of_instances):
            return False
        known = {series.series_instance_uid: series for series in before.series}
        for series in now.series:
            listed = known[series.series_instance_uid]
            if series.number_of_instances is None and listed.instances:
                names = {instance.sop_instance_uid for instance in self._instances(series)}
                if names != {instance.sop_instance_uid for instance in listed.instances}:
                    return True
        return False

    # --- asking

    def _ask(
        self, identifier: Identifier, parse: Callable[[Attributes], Match | None]
    ) -> FindAnswer[Match]:
        """Send one query, again after each failure that may pass."""
        policy = RetryPolicy(self._job.archive.retries)
        most = self._job.max_instances + _SLACK
        try:
            return retry(
                lambda: self._session.find(identifier, parse, most_answers=most),
                policy,
                self._wait,
            )
        except AssociationLostError as error:
            if self._session.lost_at_once < max(policy.retries + 1, _LEAST_LOST):
                raise
            # Orthanc accepts the association of a stranger and aborts it at the first C-FIND
            raise ConfigError(
                f"{self._archive} accepts our association and ends it at each C-FIND: it probably "
                f"does not know the AE title {self._session.calling_ae_title}; register it there."
            ) from error

    def _wait(self, seconds: float, error: TemporaryError) -> None:
        """Tell why, and sleep; raises when the job is stopped or its deadline passes."""
        self._context.say(f"{error} Trying again in {seconds:g} s.")
        for _ in range(math.ceil(seconds / _NAP_SECONDS)):
            self._context.require_time()
            self._sleep(_NAP_SECONDS)

    def _note(self, warning: str | None) -> None:
        if warning is not None:
            self._warnings.append(warning)

"""Resolve: which studies a patient and a day stand for, before there is a job at all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from mkiso.core.context import Context
from mkiso.core.model import Study
from mkiso.core.patient_query import PatientStudies, decode_answer, study_uids
from mkiso.core.query import STUDY_ROOT_FIND
from mkiso.core.retry import RetryPolicy, retry
from mkiso.errors import NotFoundError, TemporaryError
from mkiso.network.find import FindModel, FindSession

#: Nobody has more studies on one day.
_MOST_STUDIES = 1000
_NAP_SECONDS = 0.2
_MODEL = FindModel(STUDY_ROOT_FIND, decode=decode_answer)


def run(
    given: PatientStudies, context: Context, *, sleep: Callable[[float], None] = time.sleep
) -> tuple[str, ...]:
    """Return the Study Instance UIDs.

    Raises NotFoundError when there is none, and as `find.run` does.
    """
    job = context.job
    session = FindSession(
        job.archive,
        calling_ae_title=job.archive.calling_ae_title or job.receiver.ae_title,
        log=context.log,
        require_running=context.require_time,
        remaining_seconds=context.remaining_seconds,
        model=_MODEL,
        monotonic=context.monotonic,
    )

    def wait(seconds: float, error: TemporaryError) -> None:
        context.say(f"{error} Trying again in {seconds:g} s.")
        for _ in range(math.ceil(seconds / _NAP_SECONDS)):
            context.require_time()
            sleep(_NAP_SECONDS)

    studies: list[Study] = []
    try:
        for identifier in given.identifiers():
            answer = retry(
                lambda asked=identifier: session.find(  # type: ignore[misc]
                    asked, lambda a: given.matching(a, asked), most_answers=_MOST_STUDIES
                ),
                RetryPolicy(job.archive.retries),
                wait,
            )
            studies += answer.matches
    except BaseException:
        session.abort()
        raise
    session.close()
    if not studies:
        raise NotFoundError(
            f"{job.archive.name} has no study of that patient on that day; check both."
        )
    return study_uids(studies)

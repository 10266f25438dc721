"""What a batch does with the end of an attempt, and with what code it ends itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mkiso.core.exit_codes import BY_CODE
from mkiso.core.job_queue import DONE, FAILED, WAITING, QueuedJob, Verdict
from mkiso.core.report import Report
from mkiso.errors import BATCH_PARTIAL, OK, RETRY_NEVER

_INCOMPLETE, _TEMPFAIL, _VERIFY, _FORWARD = 80, 75, 83, 84
_STOPPED = frozenset({130, 143})
#: Codes that are tried again in the same run, with pauses, up to the limit of attempts.
_AGAIN_SOON = frozenset({_TEMPFAIL, _INCOMPLETE, _FORWARD})
#: A batch with one of these ends with it, whatever else happened: a person must look.
_WEIGHTIEST = (81, _VERIFY)


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How patient a batch is. Times in seconds."""

    max_attempts: int = 4  # of a job in one run; of an incomplete one in all
    stop_after_unavailable: int = 3  # jobs in a row that did not reach the archive
    first_pause_seconds: float = 30.0
    longest_pause_seconds: float = 900.0

    def pause_seconds(self, tries: int) -> float:
        """Return how long to wait after so many attempts: doubling."""
        return min(self.first_pause_seconds * 2.0 ** (tries - 1), self.longest_pause_seconds)


def verdict(report: Report, tried: QueuedJob, policy: BatchPolicy, now: float) -> Verdict:
    """Return what becomes of a job after an attempt; `tried` counts that attempt already."""
    code = report.code
    if code == OK:
        return Verdict(DONE)
    if code in _STOPPED:
        return Verdict(WAITING)
    again = (
        (code in _AGAIN_SOON and tried.tries < policy.max_attempts)
        or (code == _VERIFY and tried.tries < 2)  # a disk may err once
    ) and not is_given_up(code, tried.attempts, policy)
    if again:
        return Verdict(WAITING, now + policy.pause_seconds(tried.tries))
    return Verdict(FAILED)


def is_given_up(code: int | None, attempts: int, policy: BatchPolicy) -> bool:
    """Return whether a later run leaves a failed job alone until a person says `jobs retry`."""
    if code is None:
        return False
    row = BY_CODE.get(code)
    if row is not None and row.retry == RETRY_NEVER:
        return True
    return code == _INCOMPLETE and attempts >= policy.max_attempts


def is_unreachable(report: Report) -> bool:
    """Return whether an attempt failed before the archive answered anything."""
    return report.code == _TEMPFAIL and report.expected is None and not report.received


def batch_code(codes: Collection[int], *, stopped_by: int = OK) -> int:
    """Return the exit code of a batch whose jobs and lines ended with `codes`.

    One kind of failure is that code, several are 10; 81 and 83 win over all. `stopped_by` is what
    ended the run early: 75, 130 or 143.
    """
    kinds = set(codes) - {OK}
    for code in _WEIGHTIEST:
        if code in kinds:
            return code
    if stopped_by:
        return stopped_by
    if not kinds:
        return OK
    return kinds.pop() if len(kinds) == 1 else BATCH_PARTIAL


def is_stop(code: int) -> bool:
    """Return whether a code is that of a signal that ended the run."""
    return code in _STOPPED

"""The queue that a worker takes its jobs from: whatever can do this can drive the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mkiso.core.custody import Custody
from mkiso.core.job import Job
from mkiso.core.report import Report

# States of a job in a queue.
WAITING = "waiting"  # for its turn, or for its next attempt
RUNNING = "running"
CANCELLING = "cancelling"  # running, and asked to stop
DONE = "done"  # a complete, verified disc exists, or existed
FAILED = "failed"  # nothing more happens by itself
CANCELLED = "cancelled"  # by a person


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job and what has become of it."""

    job: Job
    state: str
    code: int | None = None  # of the last attempt
    message: str = ""
    attempts: int = 0  # in all
    tries: int = 0  # in this run
    discs: tuple[dict[str, Any], ...] = ()  # as in the report
    log: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a job after an attempt."""

    state: str
    not_before: float = 0.0  # of a waiting one: seconds since 1970


class JobQueue(Protocol):
    """Jobs for one run of a worker. Times are seconds since 1970; safe for threads."""

    def add(self, jobs: Sequence[Job]) -> tuple[QueuedJob, ...]:
        """Take jobs into this run, in order; one that is known keeps its identifier and state.

        What is done or must not be tried again is not given out by `take`.
        """

    def take(self, now: float) -> QueuedJob | None:
        """Give out the next job that is due, as running; None when there is none now."""

    def next_due(self) -> float | None:
        """Return when the next waiting job is due; None when none waits."""

    def custody(self, job_id: str) -> Custody:
        """Return what is kept of earlier attempts, and who listens to this one."""

    def enter(self, job_id: str, stage: str) -> None:
        """Note the stage that a running job has come to."""

    def is_cancelled(self, job_id: str) -> bool:
        """Return whether a person has asked a running job to stop; cheap, a second late at most."""

    def end(self, job_id: str, report: Report, verdict: Verdict) -> None:
        """Note how an attempt ended and what becomes of the job; a cancelled one stays so."""

    def put_back(self, job_id: str) -> None:
        """Take back a job that was given out and not begun: no attempt was made."""

    def all(self) -> tuple[QueuedJob, ...]:
        """Return the jobs of this run, in order."""

"""What a stage gets besides its input: the job, and the outside world as plain callables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from mkiso.core.job import Job
from mkiso.core.keeper import KEEPS_NOTHING, Keeper
from mkiso.errors import TemporaryError


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: `done` of `total` (instances, or bytes for write and verify)."""

    stage: str  # find, retrieve, author, write, verify, publish, forward
    done: int
    total: int | None
    size_bytes: int = 0
    note: str = ""


def _is_ready() -> None:
    """Nothing more is needed."""


def _overlook(_accession_number: str) -> None:
    """Nobody has to know."""


@dataclass(frozen=True, slots=True)
class Context:
    """The job and its surroundings. `deadline` is on the clock that `monotonic` reads."""

    job: Job
    deadline: float
    monotonic: Callable[[], float]
    log: Callable[[str], None]  # one line for the job's log: no patient data
    warn: Callable[[str], None]  # a warning of the report (and the log)
    say: Callable[[str], None]  # one sentence to the person (stderr)
    progress: Callable[[Progress], None]
    require_running: Callable[[], None]  # raises when SIGINT or SIGTERM came
    notice: Callable[[str], None] = _overlook  # accession numbers found, before they are told
    require_ready: Callable[[], None] = (
        _is_ready  # raises for templates that no disc can be made of
    )
    keeper: Keeper = KEEPS_NOTHING  # of associations, in a batch

    def remaining_seconds(self) -> float:
        """Return the seconds until the job's deadline, never below zero."""
        return max(0.0, self.deadline - self.monotonic())

    def require_time(self) -> None:
        """Raise when the job's deadline has passed or the job was stopped."""
        self.require_running()
        if self.remaining_seconds() <= 0:
            raise TemporaryError(
                f"The job's deadline of {self.job.deadline_seconds:g} s has passed; "
                "run it again, or give it more time with --deadline."
            )

    def for_job(self, job: Job) -> Context:
        """Return the same surroundings for another job."""
        return dataclasses.replace(self, job=job)

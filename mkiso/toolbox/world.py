"""The surroundings of a tool: whom it tells, how it learns that it has to stop, its deadline."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mkiso.core.audit_alerts import Stranger
from mkiso.core.audit_transfers import Transfer
from mkiso.core.context import Context, Progress
from mkiso.core.job import Job


@dataclass(frozen=True, slots=True)
class World:
    """What a tool gets besides its settings; `log` takes no patient data."""

    say: Callable[[str], None] = lambda _sentence: None
    log: Callable[[str], None] = lambda _line: None
    progress: Callable[[Progress], None] = lambda _progress: None
    require_running: Callable[[], None] = lambda: None
    monotonic: Callable[[], float] = time.monotonic
    job_id: str = ""
    log_path: str = ""
    warnings: dict[str, None] = field(default_factory=dict)  # of the report, in order
    transfers: list[Transfer] = field(default_factory=list)  # for the audit trail
    strangers: list[Stranger] = field(default_factory=list)  # the same
    notice: Callable[[str], None] = lambda _number: None  # accession numbers found

    def report_fields(self) -> dict[str, Any]:
        """Return what a report says of the run itself."""
        return {"job": self.job_id, "log": self.log_path, "warnings": tuple(self.warnings)}

    def warn(self, sentence: str) -> None:
        """Note a warning of the report, once."""
        if sentence not in self.warnings:
            self.warnings[sentence] = None
            self.log(f"warning: {sentence}")

    def context(self, job: Job) -> Context:
        """Return what stages get, the job's time running from now."""
        seconds = job.archive.deadline_seconds or job.deadline_seconds
        return Context(
            job=dataclasses.replace(job, deadline_seconds=seconds),
            deadline=self.monotonic() + seconds,
            monotonic=self.monotonic,
            log=self.log,
            warn=self.warn,
            say=self.say,
            progress=self.progress,
            require_running=self.require_running,
            notice=self.notice,
        )

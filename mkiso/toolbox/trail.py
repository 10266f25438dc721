"""The audit trail of a tool: what moved is noted while it moves, and written when the run is over.

A tool never fails because of it: what could not be written or told is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mkiso.core.audit_alerts import Stranger
from mkiso.core.audit_transfers import Transfer, TransferRun
from mkiso.core.job import Job
from mkiso.stages.audit import write_transfers


@dataclass(frozen=True, slots=True)
class Trail:
    """Where the trail of a command goes, and in whose name; the job says both."""

    command: str
    job: Job
    state_folder: Path | None

    def end(
        self,
        job_id: str,
        code: int,
        message: str,
        transfers: Sequence[Transfer],
        log: Callable[[str], None],
        *,
        strangers: Sequence[Stranger] = (),
    ) -> tuple[str, ...]:
        """Write what became of a run; return what a person must be warned of."""
        run = TransferRun(
            command=self.command,
            job_id=job_id,
            code=code,
            message=message,
            requested_by=self.job.requested_by,
            our_ae_title=self.job.receiver.ae_title,
            ended=utc_now(),
            transfers=transfers,
            strangers=strangers,
        )
        return write_transfers(run, self.job, self.state_folder, log)


def utc_now() -> str:
    """Return this moment as ISO 8601 in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")

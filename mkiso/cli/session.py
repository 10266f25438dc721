"""What every command is given: its output, the stop signal, and where its traces go."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from mkiso.cli.output import Output
from mkiso.cli.signals import Stop
from mkiso.core.failure import failure_lines
from mkiso.core.report import Report

if TYPE_CHECKING:
    from mkiso.core.config import Config
    from mkiso.core.job import Job


@dataclass(slots=True)
class Session:
    """One run of the command line. A command returns the Report of what it did."""

    output: Output
    stop: Stop = field(default_factory=Stop)
    command: str = ""
    job_id: str = ""
    accessions: tuple[str, ...] = ()
    state_folder: Path | None = None
    #: Writes the audit trail of a tool; returns the report with what could not be written.
    trail: Callable[[Report], Report] | None = None

    def begin_job(self, job: Job) -> Job:
        """Remember what a report of a crash needs; return the job with its state folder, if any."""
        from mkiso.storage import state_folder as storage  # noqa: PLC0415 - start-up time

        self.job_id = job.job_id
        self.accessions = () if job.deidentify else job.accession_numbers
        self.state_folder = storage.find_state_folder(job.state_folder, job.output_folder)
        return dataclasses.replace(job, state_folder=self.state_folder)

    def audited(self, report: Report) -> Report:
        """Write the audit trail of a command that has one; its jobs write their own."""
        return self.trail(report) if self.trail else report

    def keep_report(self, report: Report) -> None:
        """Write the report into the job's state file, which survives a closed pipe."""
        if self.state_folder and self.job_id:
            from mkiso.storage.state_folder import write_report  # noqa: PLC0415 - start-up time

            with contextlib.suppress(OSError):
                write_report(self.state_folder, self.job_id, report.to_dict())

    def record_crash(self, error: BaseException) -> str:
        """Write a bug's traceback, without values, into the job's log; return the log's path.

        Shows it on stderr when verbose, or when no log can be written.
        """
        from mkiso.storage import state_folder as storage  # noqa: PLC0415 - start-up time
        from mkiso.storage.job_log import JobLog  # noqa: PLC0415 - start-up time

        folder = self.state_folder or storage.find_state_folder(None, Path.cwd())
        name = self.job_id or f"crash-{new_job_id()}"
        path = storage.log_path(folder, name) if folder else None
        log = JobLog(path, self.output.say if self.output.verbose or path is None else None)
        for line in failure_lines(error):
            log(line)
        log.close()
        return str(path or "")


def new_job_id() -> str:
    """Return an identifier that sorts by time: `20250131T235959-3fa9c1`."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
    return f"{stamp}-{secrets.token_hex(3)}"


def load_config(named: str | None) -> tuple[Config, Path | None]:
    """Return the configuration of `--config` or of the first file there is, and that file."""
    from mkiso.core.config import Config  # noqa: PLC0415 - start-up time
    from mkiso.storage import config_file  # noqa: PLC0415 - start-up time

    path = config_file.find_config_file(named)
    return (config_file.read_config_file(path) if path else Config()), path


def read_stdin() -> bytes:
    """Return all of stdin, at most 32 MiB of it."""
    if sys.stdin is None:
        return b""
    with os.fdopen(os.dup(0), "rb") as stream:
        return stream.read(32 << 20)

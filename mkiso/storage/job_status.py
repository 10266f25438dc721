"""How far a job is, or how it ended, asked from outside: by its log's lock, report and ledger."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mkiso.core.context import Progress
from mkiso.core.exit_codes import BY_CODE
from mkiso.core.job_queue import CANCELLED, DONE, FAILED, RUNNING, WAITING
from mkiso.errors import MkisoError, NotFoundError, UsageError
from mkiso.storage.job_log import is_job_running
from mkiso.storage.ledger_access import LedgerFile
from mkiso.storage.progress_file import read_progress
from mkiso.storage.state_folder import log_path, progress_path, report_path

#: A run that was killed: neither ended nor running.
DIED = "died"
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job as it is now."""

    job_id: str
    state: str  # waiting, running, done, failed, cancelled, died
    progress: Progress | None = None
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The state in words."""
        if self.state == RUNNING and self.progress is not None:
            total = f" of {self.progress.total}" if self.progress.total else ""
            return f"{self.job_id}: running, {self.progress.stage} {self.progress.done}{total}."
        if self.report:
            code = self.report["code"]
            return f"{self.job_id}: {self.state}: {self.report['message']} [{code}]"
        words = {DIED: "its run was killed; nothing was published by it", RUNNING: "running"}
        return f"{self.job_id}: {words.get(self.state, self.state)}."

    def plain(self) -> dict[str, Any]:
        """Return it for JSON; `report` is null until the job has ended."""
        return {
            "job": self.job_id,
            "state": self.state,
            "progress": asdict(self.progress) if self.progress else None,
            "report": dict(self.report) or None,
        }


def job_status(state_folder: Path | None, ledger: Path | None, job_id: str) -> JobStatus:
    """Return how a job is. Raises UsageError for what is no identifier, NotFoundError."""
    if not _JOB_ID.fullmatch(job_id):
        raise UsageError("That is no identifier of a job; 'mkiso jobs' lists them.")
    log = log_path(state_folder, job_id) if state_folder else None
    if log is not None and state_folder is not None and is_job_running(log):
        return JobStatus(job_id, RUNNING, read_progress(progress_path(state_folder, job_id)))
    report = _report(state_folder, job_id)
    state = _queued_state(ledger, job_id)
    if state in (WAITING, CANCELLED):
        return JobStatus(job_id, state, report=report)
    if report:
        return JobStatus(job_id, FAILED if report["code"] else DONE, report=report)
    if state or (log is not None and log.is_file()):
        return JobStatus(job_id, DIED if state in ("", RUNNING) else state)
    raise NotFoundError(f"There is no job {job_id} here; 'mkiso jobs' lists them.")


def _report(state_folder: Path | None, job_id: str) -> dict[str, Any]:
    """Return the job's report; nothing when there is none or it makes no sense."""
    if state_folder is None:
        return {}
    try:
        value = json.loads(report_path(state_folder, job_id).read_bytes())
    except (OSError, ValueError):
        return {}
    is_report = isinstance(value, dict) and value.get("code") in BY_CODE and "message" in value
    return value if is_report else {}


def _queued_state(ledger: Path | None, job_id: str) -> str:
    """Return the state of a job in the ledger; "" when it is not there."""
    if ledger is None or not ledger.is_file():
        return ""
    try:
        file = LedgerFile(ledger)
        rows = file.rows("SELECT state FROM jobs WHERE job_id = ?", job_id)
        file.close()
    except MkisoError:
        return ""
    return str(rows[0][0]) if rows else ""

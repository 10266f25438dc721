"""The ledger as people look at it: which jobs there are, what became of one, what to do with it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from mkiso.core.job_queue import CANCELLED, CANCELLING, DONE, FAILED, RUNNING, WAITING
from mkiso.core.job_value import decode_job
from mkiso.errors import NotFoundError, UsageError
from mkiso.storage.import_ledger import destinations_of
from mkiso.storage.ledger_access import LedgerFile
from mkiso.storage.workspace import remove_abandoned

_FIELDS = (
    "job_id", "state", "code", "message", "accession_numbers", "attempts", "started", "ended",
    "image_path", "in_queue",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM jobs"  # noqa: S608 - constants


def list_jobs(file: LedgerFile, states: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Return every job, the one that changed last at the end; only those in `states`, if given."""
    rows = file.rows(f"{_SELECT} ORDER BY changed, position")
    jobs = [_job(row) for row in rows]
    return [job for job in jobs if not states or job["state"] in states]


def show_job(file: LedgerFile, job_id: str) -> dict[str, Any]:
    """Return all that is known of a job: attempts, their stages, counts of instances.

    Raises NotFoundError.
    """
    job = _find(file, job_id)
    attempts = file.rows(
        "SELECT number, started, ended, stage, code, message FROM attempts WHERE job_id = ?"
        " ORDER BY number",
        job_id,
    )
    stages = file.rows("SELECT attempt, stage, seconds FROM stages WHERE job_id = ?", job_id)
    counts = file.rows(
        "SELECT state, COUNT(*) FROM instances WHERE job_id = ? GROUP BY state", job_id
    )
    missing = file.rows(
        "SELECT sop_instance_uid FROM instances WHERE job_id = ? AND state = 'missing'", job_id
    )
    ((result,),) = file.rows("SELECT result FROM jobs WHERE job_id = ?", job_id)
    known: Mapping[str, Any] = json.loads(result) if result else {}
    job["attempts"] = [
        {
            "number": number, "started": started, "ended": ended, "stage": stage, "code": code,
            "message": message,
            "seconds": {name: round(spent, 3) for at, name, spent in stages if at == number},
        }
        for number, started, ended, stage, code, message in attempts
    ]  # fmt: skip
    job["instances"] = dict(counts)
    job["missing"] = [uid for (uid,) in missing]
    job["discs"] = known.get("discs", [])
    job["destinations"] = destinations_of(file, job_id)
    job["log"] = known.get("log", "")
    return job


def retry_job(file: LedgerFile, job_id: str) -> None:
    """Let the next batch try a job again, whatever its state. Raises NotFoundError, UsageError."""
    job = _find_in_queue(file, job_id)
    if job["state"] in (RUNNING, CANCELLING):
        raise UsageError(f"The job {job_id} is running.")
    _set(file, job_id, WAITING)


def cancel_job(file: LedgerFile, job_id: str) -> str:
    """Keep a job from running, or stop it; return its new state. Raises as `retry_job` does."""
    job = _find_in_queue(file, job_id)
    if job["state"] == DONE:
        raise UsageError(f"The job {job_id} is done: its disc is {job['image_path']}.")
    state = CANCELLING if job["state"] in (RUNNING, CANCELLING) else CANCELLED
    _set(file, job_id, state)
    if state == CANCELLED:
        _remove_work_folder(file, job_id)
    return state


def purge_jobs(file: LedgerFile, older_than_seconds: float) -> int:
    """Forget jobs that ended so long ago, and what was forwarded then; return how many jobs.

    What was forgotten and stands in a list again is done again.
    """
    before = time.time() - older_than_seconds
    rows = file.rows(
        "SELECT job_id FROM jobs WHERE changed < ? AND state IN (?, ?, ?)",
        before, DONE, FAILED, CANCELLED,
    )  # fmt: skip
    for (job_id,) in rows:
        _remove_work_folder(file, job_id)
    with file.transaction() as connection:
        for table in ("instances", "stages", "attempts", "jobs"):
            connection.executemany(f"DELETE FROM {table} WHERE job_id = ?", rows)  # noqa: S608 - constants
        connection.execute("DELETE FROM forwarded WHERE at < ?", (before,))
    return len(rows)


def _find(file: LedgerFile, job_id: str) -> dict[str, Any]:
    rows = file.rows(f"{_SELECT} WHERE job_id = ?", job_id)
    if not rows:
        raise NotFoundError(f"The ledger {file.path} has no job {job_id}; 'mkiso jobs' lists them.")
    return _job(rows[0])


def _find_in_queue(file: LedgerFile, job_id: str) -> dict[str, Any]:
    job = _find(file, job_id)
    if not job.pop("in_queue"):
        raise UsageError(f"The job {job_id} was a single run, of no batch; give its command again.")
    return job


def _set(file: LedgerFile, job_id: str, state: str) -> None:
    with file.transaction() as connection:
        connection.execute(
            "UPDATE jobs SET state = ?, not_before = 0, changed = ? WHERE job_id = ?",
            (state, time.time(), job_id),
        )


def _remove_work_folder(file: LedgerFile, job_id: str) -> None:
    """Remove what an attempt left for the next one."""
    for (value,) in file.rows("SELECT value FROM jobs WHERE job_id = ? AND in_queue", job_id):
        remove_abandoned(decode_job(value).output_folder, job_id)


def _job(row: tuple[Any, ...]) -> dict[str, Any]:
    job = dict(zip(_FIELDS, row, strict=True))
    job["accessions"] = json.loads(job.pop("accession_numbers"))
    return {"job": job.pop("job_id"), **job}

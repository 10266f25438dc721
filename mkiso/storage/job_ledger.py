"""The ledger as a queue of jobs: what a batch wants, tried, got, and goes on with after a crash.

For a batch it is no mere help: when it cannot be written, nobody would know what was done, and the
run ends. Instances are written down in bundles, a fraction of a second after they came.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from mkiso.core.custody import Custody, KeptInstance
from mkiso.core.job import Job
from mkiso.core.job_queue import (
    CANCELLED,
    CANCELLING,
    DONE,
    FAILED,
    RUNNING,
    WAITING,
    QueuedJob,
    Verdict,
)
from mkiso.core.job_value import decode_job, encode_job, job_key
from mkiso.core.model import ReceivedInstance
from mkiso.core.report import Report
from mkiso.errors import MkisoError
from mkiso.storage.ledger_access import LedgerFile

#: How long what came is kept in memory before it is written down, and how often cancelled jobs are
#: looked for.
_BUNDLE_SECONDS = 0.25
_LOOK_SECONDS = 1.0
_COLUMNS = "value, state, code, message, attempts, tries, result"


class LedgerQueue:
    """A `JobQueue` in a ledger file, for one run: the caller holds the BatchLock."""

    def __init__(
        self,
        file: LedgerFile,
        batch: str,
        *,
        is_given_up: Callable[[int | None, int], bool] = lambda _code, _attempts: False,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Be the queue of the run `batch`.

        `is_given_up(code, attempts)` says whether a job that failed in an earlier run stays failed.
        """
        self._file = file
        self._batch = batch
        self._is_given_up = is_given_up
        self._now = now
        self._bundle: list[tuple[Any, ...]] = []
        self._stages: dict[str, str] = {}
        self._cancelled: frozenset[str] = frozenset()
        self._bundle_lock = threading.Lock()
        self._failure: MkisoError | None = None
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="ledger", daemon=True)
        self._writer.start()

    def forget_instances(self, older_than_seconds: float) -> None:
        """Forget the instances of discs that are older: the sidecar of each names them, too."""
        with self._file.transaction() as connection:
            connection.execute(
                "DELETE FROM instances WHERE job_id IN"
                " (SELECT job_id FROM jobs WHERE state = ? AND changed < ?)",
                (DONE, self._now() - older_than_seconds),
            )

    def close(self) -> None:
        """Write down what is left and end the thread that writes."""
        self._stop.set()
        self._writer.join()
        self._write_bundle()

    # --- JobQueue

    def add(self, jobs: Sequence[Job]) -> tuple[QueuedJob, ...]:
        """Take jobs into this run; see JobQueue."""
        with self._file.transaction() as connection:
            (start,) = connection.execute(
                "SELECT COALESCE(MAX(position), 0) FROM jobs WHERE batch = ?", (self._batch,)
            ).fetchone()
            identifiers = [
                self._add(connection, job, start + number) for number, job in enumerate(jobs, 1)
            ]
        known = {queued.job.job_id: queued for queued in self.all()}
        return tuple(known[identifier] for identifier in identifiers)

    def add_open(self) -> int:
        """Take every job of the ledger that is not settled into this run; return how many."""
        rows = self._file.rows(
            "SELECT value FROM jobs WHERE in_queue AND state IN (?, ?, ?, ?) ORDER BY changed",
            WAITING, RUNNING, CANCELLING, FAILED,
        )  # fmt: skip
        return len(self.add([decode_job(value) for (value,) in rows]))

    def take(self, now: float) -> QueuedJob | None:
        """Give out the next job that is due, as running."""
        self._require_faultless()
        with self._file.transaction() as connection:
            row = connection.execute(
                f"SELECT job_id, {_COLUMNS} FROM jobs WHERE batch = ? AND state = ?"  # noqa: S608 - a constant
                " AND not_before <= ? ORDER BY position LIMIT 1",
                (self._batch, WAITING, now),
            ).fetchone()
            if row is None:
                return None
            job_id, *rest = row
            taken = _queued(rest)
            number = taken.attempts + 1
            connection.execute(
                "UPDATE jobs SET state = ?, attempts = ?, tries = tries + 1, changed = ?"
                " WHERE job_id = ?",
                (RUNNING, number, now, job_id),
            )
            connection.execute(
                "INSERT OR REPLACE INTO attempts (job_id, number, started) VALUES (?, ?, ?)",
                (job_id, number, _iso(now)),
            )
        return dataclasses.replace(
            taken, state=RUNNING, attempts=number, tries=taken.tries + 1, code=None, message=""
        )

    def next_due(self) -> float | None:
        """Return when the next waiting job is due."""
        ((due,),) = self._file.rows(
            "SELECT MIN(not_before) FROM jobs WHERE batch = ? AND state = ?", self._batch, WAITING
        )
        return due

    def custody(self, job_id: str) -> Custody:
        """Return what is kept of earlier attempts, and who listens to this one."""
        rows = self._file.rows(
            "SELECT file_name, sop_class_uid, sop_instance_uid, transfer_syntax_uid, size_bytes,"
            " sha256 FROM instances WHERE job_id = ? AND state = 'received'",
            job_id,
        )

        def arrived(instance: ReceivedInstance) -> None:
            self._require_faultless()
            row = (
                job_id, instance.sop_instance_uid, "received", instance.path.name,
                instance.sop_class_uid, instance.transfer_syntax_uid, instance.size_bytes,
                instance.sha256,
            )  # fmt: skip
            with self._bundle_lock:
                self._bundle.append(row)

        return Custody(tuple(KeptInstance(*row) for row in rows), arrived)

    def enter(self, job_id: str, stage: str) -> None:
        """Note the stage that a running job has come to."""
        with self._bundle_lock:
            self._stages[job_id] = stage

    def is_cancelled(self, job_id: str) -> bool:
        """Return whether a person has asked a running job to stop."""
        return job_id in self._cancelled

    def end(self, job_id: str, report: Report, verdict: Verdict) -> None:
        """Note how an attempt ended and what becomes of the job."""
        plain = report.to_dict()
        result = json.dumps({"discs": plain["discs"], "log": report.log})
        with self._file.transaction() as connection:
            self._write(connection)
            attempt, before = connection.execute(
                "SELECT attempts, state FROM jobs WHERE job_id = ?", (job_id,)
            ).fetchone()
            if before == CANCELLING and verdict.state != DONE:
                verdict = Verdict(CANCELLED)
            connection.execute(
                "UPDATE jobs SET state = ?, code = ?, message = ?, started = ?, ended = ?,"
                " image_path = ?, result = ?, not_before = ?, changed = ? WHERE job_id = ?",
                (
                    verdict.state, report.code, report.message, report.started, report.ended,
                    report.discs[0].path if report.discs else "", result, verdict.not_before,
                    self._now(), job_id,
                ),
            )  # fmt: skip
            connection.execute(
                "UPDATE attempts SET ended = ?, code = ?, message = ?"
                " WHERE job_id = ? AND number = ?",
                (report.ended, report.code, report.message, job_id, attempt),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?)",
                [(job_id, attempt, stage, spent) for stage, spent in report.seconds.items()],
            )
            connection.execute(
                "DELETE FROM instances WHERE job_id = ? AND state = 'missing'", (job_id,)
            )
            connection.executemany(
                "INSERT OR IGNORE INTO instances VALUES (?, ?, 'missing', '', '', '', 0, '')",
                [(job_id, instance.sop_instance_uid) for instance in report.missing],
            )

    def put_back(self, job_id: str) -> None:
        """Take back a job that was given out and not begun."""
        with self._file.transaction() as connection:
            self._write(connection)
            connection.execute(
                "DELETE FROM attempts WHERE job_id = ? AND number ="
                " (SELECT attempts FROM jobs WHERE job_id = ?)",
                (job_id, job_id),
            )
            connection.execute(
                "UPDATE jobs SET state = IIF(state = ?, ?, ?), attempts = attempts - 1,"
                " tries = tries - 1 WHERE job_id = ?",
                (CANCELLING, CANCELLED, WAITING, job_id),
            )

    def all(self) -> tuple[QueuedJob, ...]:
        """Return the jobs of this run, in order."""
        rows = self._file.rows(
            f"SELECT {_COLUMNS} FROM jobs WHERE batch = ? ORDER BY position",  # noqa: S608 - a constant
            self._batch,
        )
        return tuple(map(_queued, rows))

    # --- inside

    def _add(self, connection: sqlite3.Connection, job: Job, position: int) -> str:
        """Take one job into the run and return its identifier."""
        key = job_key(job)
        row = connection.execute(
            "SELECT job_id, state, code, attempts FROM jobs WHERE in_queue AND key = ?", (key,)
        ).fetchone()
        if row is None:
            connection.execute(
                "INSERT INTO jobs (job_id, key, accession_numbers, state, started, ended,"
                " image_path, in_queue, value, batch, position, changed)"
                " VALUES (?, ?, ?, ?, '', '', '', 1, ?, ?, ?, ?)",
                (
                    job.job_id, key, json.dumps(list(job.accession_numbers)), WAITING,
                    encode_job(job), self._batch, position, self._now(),
                ),
            )  # fmt: skip
            return job.job_id
        job_id, state, code, attempts = row
        if state in (RUNNING, CANCELLING):  # nobody else holds the lock: that run was killed
            state = WAITING if state == RUNNING else CANCELLED
        elif state == FAILED and not self._is_given_up(code, attempts):
            state = WAITING
        value = encode_job(dataclasses.replace(job, job_id=job_id))
        connection.execute(
            "UPDATE jobs SET state = ?, value = ?, batch = ?, position = ?, tries = 0,"
            " not_before = 0 WHERE job_id = ?",
            (state, value, self._batch, position, job_id),
        )
        return str(job_id)

    def _require_faultless(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write_on(self) -> None:
        """Write bundles, and look who was cancelled, until the queue is closed."""
        next_look = 0.0
        try:
            while not self._stop.wait(_BUNDLE_SECONDS):
                self._write_bundle()
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + _LOOK_SECONDS
                    self._cancelled = self._look()
        except MkisoError as error:
            self._failure = error

    def _look(self) -> frozenset[str]:
        rows = self._file.rows("SELECT job_id FROM jobs WHERE state = ?", CANCELLING)
        return frozenset(job_id for (job_id,) in rows)

    def _write_bundle(self) -> None:
        with self._bundle_lock:
            if not (self._bundle or self._stages):
                return
        with self._file.transaction() as connection:
            self._write(connection)

    def _write(self, connection: sqlite3.Connection) -> None:
        with self._bundle_lock:
            instances, self._bundle = self._bundle, []
            stages, self._stages = self._stages, {}
        connection.executemany(
            "INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?)", instances
        )
        connection.executemany(
            "UPDATE attempts SET stage = ? WHERE job_id = ? AND ended = ''",
            [(stage, job_id) for job_id, stage in stages.items()],
        )


def _queued(row: Sequence[Any]) -> QueuedJob:
    value, state, code, message, attempts, tries, result = row
    known = json.loads(result) if result else {}
    return QueuedJob(
        decode_job(value), state, code, message, attempts, tries,
        tuple(known.get("discs", ())), known.get("log", ""),
    )  # fmt: skip


def _iso(seconds: float) -> str:
    """Return a moment as ISO 8601 in UTC."""
    parts = time.gmtime(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", parts) + f".{int(seconds * 1000) % 1000:03d}+00:00"

"""Imports in the ledger: a row of `mkiso jobs` for each, and what every destination has taken.

Nothing of a folder's name is in it: that is the patient's. Each answer of a destination is written
down at once, without waiting for the disk: a killed run has lost none, a power cut the last few,
which are then sent again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.job_queue import CANCELLED, DONE, FAILED, RUNNING, WAITING
from mkiso.storage.ledger_access import LedgerFile

_TABLE = """
CREATE TABLE IF NOT EXISTS import_sends (
    job_id TEXT NOT NULL,
    node TEXT NOT NULL,               -- AET@HOST:PORT
    sop_instance_uid TEXT NOT NULL,
    sha256 TEXT NOT NULL,             -- of the corrected copy
    status INTEGER,                   -- of the C-STORE; NULL: no answer
    taken INTEGER NOT NULL,
    reason TEXT NOT NULL,             -- why it was not taken
    at REAL NOT NULL,                 -- seconds since 1970
    PRIMARY KEY (job_id, node, sop_instance_uid)
) WITHOUT ROWID
"""
_KEY = "import"


@dataclass(frozen=True, slots=True)
class SentInstance:
    """What a destination said to one instance."""

    sop_instance_uid: str
    sha256: str
    status: int | None
    is_taken: bool
    reason: str = ""


class ImportLedger:
    """The imports of one ledger file, from any thread; what fails is a MkisoError."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """Open the ledger. Raises DiskError or CantCreateError."""
        self._file = LedgerFile(path)
        self._now = now
        self._file.rows("PRAGMA synchronous = NORMAL")
        self._file.rows(_TABLE)
        with self._file.transaction() as connection:
            connection.execute(
                "DELETE FROM import_sends WHERE job_id NOT IN (SELECT job_id FROM jobs)"
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def begin(self, job_id: str) -> int:
        """Note that an import is running; return which attempt it is."""
        started = _iso(self._now())
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT INTO jobs (job_id, key, accession_numbers, state, started, ended,"
                " image_path, attempts, changed) VALUES (?, ?, '[]', ?, ?, '', '', 1, ?)"
                " ON CONFLICT (job_id) DO UPDATE SET state = excluded.state,"
                " started = excluded.started, attempts = attempts + 1, changed = excluded.changed",
                (job_id, _KEY, RUNNING, started, self._now()),
            )
            ((number,),) = connection.execute(
                "SELECT attempts FROM jobs WHERE job_id = ?", (job_id,)
            ).fetchall()
            connection.execute(
                "INSERT OR REPLACE INTO attempts (job_id, number, started) VALUES (?, ?, ?)",
                (job_id, number, started),
            )
        return int(number)

    def end(  # every value is a column
        self,
        job_id: str,
        *,
        code: int,
        message: str,
        is_open: bool,
        accession_numbers: Sequence[str] = (),
        place: str = "",
        log: str = "",
    ) -> None:
        """Note how an attempt ended; `is_open`: there will be another one."""
        numbers = json.dumps(list(accession_numbers))
        state = WAITING if is_open else FAILED if code else DONE
        ended = _iso(self._now())
        with self._file.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, code = ?, message = ?, ended = ?, changed = ?,"
                " image_path = ?, result = ?,"
                " accession_numbers = CASE ? WHEN '[]' THEN accession_numbers ELSE ? END"
                " WHERE job_id = ?",
                (
                    state, code, message, ended, self._now(), place,
                    json.dumps({"discs": [], "log": log}), numbers, numbers, job_id,
                ),
            )  # fmt: skip
            connection.execute(
                "UPDATE attempts SET ended = ?, code = ?, message = ? WHERE job_id = ?"
                " AND number = (SELECT attempts FROM jobs WHERE job_id = ?)",
                (ended, code, message, job_id, job_id),
            )

    def forget(self, job_id: str) -> None:
        """Note that an import will not be gone on with: its folder was taken away."""
        with self._file.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, message = ?, changed = ? WHERE job_id = ?",
                (CANCELLED, "The folder was taken away before all was done.", self._now(), job_id),
            )

    def taken(self, job_id: str, node: str) -> dict[str, str]:
        """Return what a destination has of an import: SOP Instance UID to SHA-256."""
        return dict(
            self._file.rows(
                "SELECT sop_instance_uid, sha256 FROM import_sends"
                " WHERE job_id = ? AND node = ? AND taken",
                job_id,
                node,
            )
        )

    def note(self, job_id: str, node: str, sent: SentInstance) -> None:
        """Write down what a destination said."""
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO import_sends VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job_id, node, sent.sop_instance_uid, sent.sha256, sent.status,
                    int(sent.is_taken), sent.reason, self._now(),
                ),
            )  # fmt: skip


def destinations_of(file: LedgerFile, job_id: str) -> dict[str, dict[str, int]]:
    """Return how many instances each destination of an import has taken and has not."""
    if not file.rows("SELECT 1 FROM sqlite_master WHERE name = 'import_sends'"):
        return {}
    rows = file.rows(
        "SELECT node, SUM(taken), SUM(NOT taken) FROM import_sends WHERE job_id = ? GROUP BY node",
        job_id,
    )
    return {node: {"taken": taken, "failed": failed} for node, taken, failed in rows}


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(seconds))

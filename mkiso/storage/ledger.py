"""What was made and what was sent, in one SQLite file: a help for resuming, never a reason to fail.

A missing, locked or broken ledger costs a warning and never a disc. It holds accession numbers and
UIDs, no names.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

FILE_NAME = "ledger.sqlite3"
_VERSION = 1
_BUSY_SECONDS = 5.0
_TABLES = """
CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    key TEXT NOT NULL,                -- archive and what is asked for: equal for a repeated job
    accession_numbers TEXT NOT NULL,  -- JSON array
    state TEXT NOT NULL,              -- the last stage that was entered, or done, or failed
    code INTEGER,                     -- the exit code, NULL while running
    started TEXT NOT NULL,            -- ISO 8601, UTC
    ended TEXT NOT NULL,
    image_path TEXT NOT NULL
);
CREATE INDEX jobs_by_key ON jobs (key);
CREATE TABLE forwarded (
    image_sha256 TEXT NOT NULL,
    node TEXT NOT NULL,
    sop_instance_uid TEXT NOT NULL,
    status INTEGER NOT NULL,          -- the DIMSE status of its C-STORE
    at REAL NOT NULL,                 -- seconds since 1970
    PRIMARY KEY (image_sha256, node, sop_instance_uid)
) WITHOUT ROWID;
"""


class Ledger:
    """The ledger of a state folder; every method may be called from any thread.

    `warn` gets one sentence when the ledger cannot be used; from then on it forgets everything.
    """

    def __init__(self, state_folder: Path | None, warn: Callable[[str], None]) -> None:
        """Use the ledger in `state_folder`; None is no ledger, silently. Nothing is opened yet."""
        self._path = state_folder / FILE_NAME if state_folder else None
        self._warn = warn
        self._lock = threading.Lock()
        self._set_aside = False

    def record_job(
        self,
        job_id: str,
        *,
        key: str,
        accession_numbers: Sequence[str],
        state: str,
        code: int | None = None,
        started: str = "",
        ended: str = "",
        image_path: str = "",
    ) -> None:
        """Write or replace the row of a job."""
        row = (job_id, key, json.dumps(list(accession_numbers)), state, code)
        statement = "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        with self._transaction() as connection:
            if connection:
                connection.execute(statement, (*row, started, ended, image_path))

    def forwarded(self, image_sha256: str, node: str) -> dict[str, int]:
        """Return the last C-STORE status by SOP Instance UID of this image at this node."""
        statuses: dict[str, int] = {}
        with self._transaction() as connection:
            if connection:
                statuses.update(
                    connection.execute(
                        "SELECT sop_instance_uid, status FROM forwarded"
                        " WHERE image_sha256 = ? AND node = ?",
                        (image_sha256, node),
                    )
                )
        return statuses

    def record_forwarded(self, image_sha256: str, node: str, statuses: Mapping[str, int]) -> None:
        """Write the C-STORE statuses of several instances in one transaction."""
        now = time.time()
        rows = [(image_sha256, node, uid, status, now) for uid, status in statuses.items()]
        with self._transaction() as connection:
            if connection:
                connection.executemany("INSERT OR REPLACE INTO forwarded VALUES (?,?,?,?,?)", rows)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection | None]:
        """Give a connection whose changes are kept at the end, or None when there is no ledger."""
        with self._lock:
            connection = self._connect()
            if connection is None:
                yield None
                return
            try:
                with connection:
                    yield connection
            except sqlite3.Error as error:
                self._give_up(error)
            finally:
                connection.close()

    def _connect(self) -> sqlite3.Connection | None:
        if self._path is None:
            return None
        try:
            return _open(self._path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or self._set_aside:
                self._give_up(error)  # locked, full or unreadable: broken it is not
                return None
        except OSError as error:
            self._give_up(error)
            return None
        self._set_aside = True
        return self._connect_anew(self._path)

    def _connect_anew(self, path: Path) -> sqlite3.Connection | None:
        """Put a file that is no database aside, for a person to look at, and begin a new one."""
        aside = path.with_name(f"{path.name}.broken-{time.time_ns()}")
        self._warn(f"The ledger {path} is broken; it is now {aside.name}, and a new one is begun.")
        with contextlib.suppress(OSError):
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        return self._connect()

    def _give_up(self, error: Exception) -> None:
        self._warn(f"The ledger {self._path} cannot be used ({error}); going on without it.")
        self._path = None


def _open(path: Path) -> sqlite3.Connection:
    """Open the ledger, made with its tables when new, readable by its owner alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    os.close(os.open(path, flags, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            connection.execute("PRAGMA journal_mode = WAL")
            _make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables, once, however many runs begin at the same moment."""
    connection.execute("BEGIN EXCLUSIVE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    elif version != _VERSION:
        connection.rollback()
        raise sqlite3.OperationalError(f"it was made by another version, {version}")
    connection.commit()

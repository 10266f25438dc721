"""What was made and what was sent, in one SQLite file: a help for resuming, never a reason to fail.

A missing, locked or broken ledger costs a warning and never a disc. It holds accession numbers and
UIDs, no names.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mkiso.storage.ledger_file import FILE_NAME, open_ledger

_BUSY_SECONDS = 5.0


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
        row = (job_id, key, json.dumps(list(accession_numbers)), state, code, started, ended)
        with self._transaction() as connection:
            if connection:
                connection.execute(
                    "INSERT OR REPLACE INTO jobs (job_id, key, accession_numbers, state, code,"
                    " started, ended, image_path, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*row, image_path, time.time()),
                )

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
            return _in_transactions(open_ledger(self._path, _BUSY_SECONDS))
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


def _in_transactions(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Let a transaction begin with the first change, for `with connection`."""
    connection.isolation_level = "DEFERRED"
    return connection

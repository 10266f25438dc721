"""Who may write the ledger, and how: one batch at a time, in transactions that are on the disk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkiso.errors import CantCreateError, DiskError, TemporaryError
from mkiso.storage.ledger_file import open_ledger


class LedgerFile:
    """Transactions on one ledger file, from any thread; what fails is a MkisoError."""

    def __init__(self, path: Path) -> None:
        """Open the file, made when it is not there. Raises DiskError or CantCreateError."""
        self.path = path
        self._lock = threading.RLock()
        with self._said():
            self._connection = open_ledger(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection in a transaction that is on the disk at the end."""
        with self._lock, self._said():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._lock, self._said():
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CantCreateError(
                f"The ledger {self.path} cannot be opened: {error.strerror}; name another with "
                "--jobs-db."
            ) from error
        except sqlite3.Error as error:
            raise DiskError(
                f"The ledger {self.path} cannot be used ({error}); free the disk, or move the file "
                "away: discs that exist are recognised."
            ) from error


class BatchLock:
    """The lock that one batch run holds on its ledger; the kernel frees it however the run ends."""

    def __init__(self, ledger_path: Path) -> None:
        """Take the lock. Raises TemporaryError when another run has it, CantCreateError."""
        path = ledger_path.with_name(ledger_path.name + ".lock")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise CantCreateError(
                f"The lock {path} cannot be made: {error.strerror}; name another --jobs-db."
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise TemporaryError(
                f"Another batch is running with the ledger {ledger_path}; this one ends at once."
            ) from error

    def release(self) -> None:
        """Free the lock."""
        os.close(self._descriptor)

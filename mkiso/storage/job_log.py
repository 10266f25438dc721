"""The log of one job: a line per event with its time, private; accession numbers and UIDs only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import IO


class JobLog:
    """Appends lines to a file from any thread; a full disk never stops the job."""

    def __init__(
        self,
        path: Path | None,
        live: Callable[[str], None] | None = None,
        disguise: Callable[[str], str] = str,
    ) -> None:
        """Open `path` for appending, 0600; `live` gets each line as well. None: no file.

        `disguise` is asked for what is written instead of a line.
        """
        self._disguise = disguise
        self.path = path
        self._live = live
        self._lock = threading.Lock()
        self._file = _open(path) if path else None
        if self._file is not None:
            with contextlib.suppress(OSError):  # `is_job_running` looks for this lock
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __call__(self, line: str) -> None:
        """Write one line with the time in UTC; control characters in it are made visible."""
        shown = self.note(line)
        if self._live is not None:
            self._live(shown)

    def note(self, line: str) -> str:
        """Write a line that a person is told anyway into the file alone; return it as written."""
        line = self._disguise(line)
        shown = line if line.isprintable() else _visible(line)
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        with self._lock:
            if self._file is not None:
                try:
                    self._file.write(f"{stamp}Z {shown}\n")
                except OSError:
                    self._abandon()
        return shown

    def close(self) -> None:
        """Close the file; later lines only go to `live`."""
        with self._lock:
            self._abandon()

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # the disk is full: close() writes what is left
                file.close()


def is_job_running(path: Path) -> bool:
    """Return whether a run has the log at `path` open: its lock goes with it, however it dies."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _visible(line: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _open(path: Path) -> IO[str] | None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    return os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace")

"""One log for all runs of a kind: a file a day, the old ones removed; no patient data."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

#: A day's file that is longer begins anew under the next number.
_LARGEST_BYTES = 64 << 20


class CombinedLog:
    """Appends lines to `NAME.log`; yesterday's is `NAME-YYYYMMDD.log`.

    Several processes may write it. A full disk stops nobody.
    """

    def __init__(
        self, path: Path, keep_seconds: float, now: Callable[[], float] = time.time
    ) -> None:
        """Write to `path`; older files are removed after `keep_seconds`."""
        self.path = path
        self._keep_seconds = keep_seconds
        self._now = now

    def __call__(self, line: str) -> None:
        """Append one line with the time in UTC, rotating first when a day has passed."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._now()))
        shown = line if line.isprintable() else ascii(line)[1:-1]
        with contextlib.suppress(OSError):
            descriptor = self._open()
            try:
                os.write(descriptor, f"{stamp} {shown}\n".encode("utf-8", "backslashreplace"))
            finally:
                os.close(descriptor)

    def _open(self) -> int:
        """Return the file of today, locked until it is closed."""
        while True:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            state = os.fstat(descriptor)
            today = _day(self._now())
            is_of_today = not state.st_size or _day(state.st_mtime) >= today
            if state.st_nlink and is_of_today and state.st_size < _LARGEST_BYTES:
                if self._is_current(state):
                    return descriptor
            elif self._is_current(state):
                self.path.rename(self._free_name(_day(state.st_mtime)))
                self._remove_old()
            os.close(descriptor)  # somebody else has rotated, or we have

    def _is_current(self, state: os.stat_result) -> bool:
        try:
            return os.path.samestat(state, self.path.lstat())
        except FileNotFoundError:
            return False

    def _free_name(self, day: str) -> Path:
        number = 1
        while True:
            suffix = f"-{number}" if number > 1 else ""
            path = self.path.with_name(f"{self.path.stem}-{day}{suffix}{self.path.suffix}")
            if not path.exists():
                return path
            number += 1

    def _remove_old(self) -> None:
        oldest = self._now() - self._keep_seconds
        for path in self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}"):
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime < oldest:
                    path.unlink()


def _day(seconds: float) -> str:
    return time.strftime("%Y%m%d", time.localtime(seconds))

"""The files of the audit trail: one line an event, private, on the disk when the call returns.

Messages for a collector wait in a folder of their own until they could be delivered: a file each,
so that runs at the same time and a power cut lose none.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

#: In the state folder: one line of JSON for each disc and each refusal.
DISC_LINES = "discs.jsonl"
#: One line for each run of a tool that moves instances, and for each study or folder of those
#: that run for long.
TRANSFER_LINES = "transfers.jsonl"
_LAST_BYTES = 1 << 20
_QUEUE = "audit-queue"
_LOCK = "lock"
_SUFFIX = ".msg"


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Append lines to a file that only this user may read, as a whole. Raises OSError.

    What a power cut left half written before stays alone on its line.
    """
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            content = b"\n" + content
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_at_end(path: Path, words: str) -> bool:
    """Return whether `words` are in one of the last whole JSON lines of a file."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES))
        lines = file.read().splitlines()
        return any(line.endswith(b"}") and words.encode() in line for line in lines)
    return False


class AuditQueue:
    """Messages that wait for the collector, oldest first."""

    def __init__(self, state_folder: Path) -> None:
        """Use the queue of a state folder; it is made with the first message."""
        self.folder = state_folder / _QUEUE
        self._numbers = itertools.count()

    def add(self, message: bytes) -> None:
        """Put a message into the queue, on the disk. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(self._numbers)}"
        aside = self.folder / f"{name}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(aside, flags, 0o600)
        try:
            _write_all(descriptor, message)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.rename(aside.with_suffix(_SUFFIX))

    def waiting(self) -> list[Path]:
        """Return the files of the messages that wait, oldest first."""
        with contextlib.suppress(OSError):
            return sorted(self.folder.glob(f"*{_SUFFIX}"))
        return []

    def remove(self, paths: Iterable[Path]) -> None:
        """Forget messages that were delivered."""
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink()

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Give True to one process at a time; who gets False leaves its messages to the other."""
        try:
            descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            yield False
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = True
        except OSError:
            taken = False
        try:
            yield taken
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]

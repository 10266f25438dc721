"""How far a running job is, in a small file beside its log, for whoever asks from outside."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mkiso.core.context import Progress

#: A stage reports every instance; nobody looks more often.
_BETWEEN_SECONDS = 0.5
#: Small jobs of a batch go through all stages in this time: the news cost them as much as a stage.
_LEAST_SECONDS = 0.1


class ProgressFile:
    """The latest Progress of one job, as JSON; a disk that fails costs nothing but the news."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Plan the file; None: nowhere."""
        self._path = path
        self._clock = clock
        self._stage = ""
        self._next = self._not_before = 0.0
        self._lock = threading.Lock()

    def show(self, progress: Progress) -> None:
        """Write the first and the last of a stage, and in between one every half second.

        Nothing is written twice within a tenth of a second.
        """
        with self._lock:
            now = self._clock()
            if self._path is None or now < self._not_before:
                return
            if (
                progress.stage == self._stage
                and now < self._next
                and progress.done != progress.total
            ):
                return
            self._stage, self._next = progress.stage, now + _BETWEEN_SECONDS
            self._not_before = now + _LEAST_SECONDS
            _write(self._path, asdict(progress))

    def remove(self) -> None:
        """Take the file away: the report says the rest."""
        with self._lock, contextlib.suppress(OSError):
            if self._path is not None:
                self._path.unlink(missing_ok=True)


def read_progress(path: Path) -> Progress | None:
    """Return what is in a progress file; None when there is none, or nothing sensible."""
    try:
        value = json.loads(path.read_bytes())
        return Progress(**value)
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, value: dict[str, Any]) -> None:
    aside = path.with_suffix(".part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with contextlib.suppress(OSError):
        descriptor = os.open(aside, flags, 0o600)
        try:
            os.write(descriptor, json.dumps(value).encode())
        finally:
            os.close(descriptor)
        aside.replace(path)

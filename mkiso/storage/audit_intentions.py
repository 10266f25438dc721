"""What a run is about to publish, on the disk before the disc has its name.

A run that is killed between the name and its own end leaves the file; the next one finds it without
an owner, since the kernel frees a lock however its process dies, and finishes the audit trail.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_FOLDER = "audit-intentions"
_SUFFIX = ".json"


class Intention:
    """One run's intention; its file is locked for as long as the run lives."""

    def __init__(self, state_folder: Path, job_id: str, content: Mapping[str, Any]) -> None:
        """Bring the intention to the disk. Raises OSError."""
        folder = state_folder / _FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / f"{job_id}{_SUFFIX}"
        aside = self._path.with_suffix(".part")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(aside, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with os.fdopen(os.dup(self._descriptor), "w", encoding="ascii") as file:
                json.dump(content, file)
            os.fsync(self._descriptor)
            aside.rename(self._path)
            _sync(folder)
        except OSError:
            os.close(self._descriptor)
            with contextlib.suppress(OSError):
                aside.unlink()
            raise

    def end(self) -> None:
        """Forget it: what was intended is in the trail, or was not done."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)


def left_intentions(state_folder: Path) -> Iterator[dict[str, Any]]:
    """Give what dead runs intended; each goes when the next one is asked for."""
    folder = state_folder / _FOLDER
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*.part")):
            _take(path)  # killed before the disc could have its name
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            descriptor = _claim(path)
            if descriptor is None:
                continue
            try:
                with os.fdopen(os.dup(descriptor), "rb") as file, contextlib.suppress(ValueError):
                    content = json.load(file)
                    if isinstance(content, dict):
                        yield content
                path.unlink()
            finally:
                os.close(descriptor)


def _take(path: Path) -> None:
    descriptor = _claim(path)
    if descriptor is not None:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _claim(path: Path) -> int | None:
    """Lock the file of a dead run; None when a run lives, or another one was quicker."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

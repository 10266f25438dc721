"""Large compressed frames one at a time: a decoder takes five times what it makes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

#: Decoded frames above this wait for each other; below, all workers together stay small.
_LARGE_BYTES: Final = 8 << 20
_ASK_AGAIN_SECONDS: Final = 0.02


class LargeFrames:
    """A lock among the workers of one folder; the kernel frees it when its holder dies."""

    def __init__(self, folder: Path, beat: Callable[[], None]) -> None:
        """Lock a file in `folder`; `beat` is called while waiting."""
        self._path = folder / "large-frames.lock"
        self._beat = beat

    @contextlib.contextmanager
    def room(self, size_bytes: int) -> Iterator[None]:
        """Hold the lock while a frame of this size is decoded, if it is a large one."""
        if size_bytes < _LARGE_BYTES:
            yield
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _locked(descriptor):
                self._beat()
                time.sleep(_ASK_AGAIN_SECONDS)
            self._beat()
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

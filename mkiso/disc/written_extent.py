"""How much of an image is on the disk, for whoever reads it back while the rest is written."""

from __future__ import annotations

import threading
from typing import Protocol

from mkiso.core.disc_content import Image
from mkiso.errors import InternalError

#: How soon a reader that waits notices that nothing more will come.
_TICK_SECONDS = 0.25


class ImageWatcher(Protocol):
    """Hears how far the writing of an image is."""

    def begun(self, image: Image) -> None:
        """Take the image whose space is reserved, and of which nothing is written yet."""

    def on_disk(self, offset: int) -> None:
        """Hear that what lies before `offset` is on the disk and will not be written again."""


class WrittenExtent:
    """The bytes at the beginning of an image that are on the disk: one thread writes, one waits."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._changed = threading.Condition()
        self._stop = 0
        self._is_over = False

    def grow(self, stop: int) -> None:
        """Count what lies before `stop`."""
        with self._changed:
            self._stop = max(self._stop, stop)
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more will come: a reader that waits for more raises."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def has(self, stop: int) -> bool:
        """Say whether all before `stop` is on the disk."""
        return self._stop >= stop

    def wait_for(self, stop: int) -> None:
        """Return when all before `stop` is on the disk.

        Its deadline is the writer's, who calls `end`. Raises InternalError when it never will be.
        """
        with self._changed:
            while self._stop < stop:
                if self._is_over:
                    raise InternalError("The image was not written to its end.")
                self._changed.wait(_TICK_SECONDS)

"""How far a run is: bars on a terminal, JSON lines for programs, nothing otherwise."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mkiso.cli.streams import write_line

if TYPE_CHECKING:
    from mkiso.core.context import Progress
from mkiso.core.display_text import size_text

#: A stage reports every instance; people and pipes want fewer.
_BETWEEN_SECONDS = 0.2
#: Stages whose `done` counts bytes.
_BYTE_STAGES = ("write", "verify", "burn")


class ProgressView(Protocol):
    """Shows progress and lines beside it."""

    def show(self, progress: Progress) -> None:
        """Show how far a stage is."""

    def line(self, text: str) -> None:
        """Show a line for a person."""

    def close(self) -> None:
        """Take the display away."""


class Throttle:
    """Lets the first and the last of a stage pass, and between them one every 0.2 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Use `clock` for seconds."""
        self._clock = clock
        self._stage = ""
        self._next = 0.0

    def passes(self, progress: Progress) -> bool:
        """Return whether this one is to be shown."""
        now = self._clock()
        if progress.stage == self._stage and now < self._next and progress.done != progress.total:
            return False
        self._stage, self._next = progress.stage, now + _BETWEEN_SECONDS
        return True


class Silent:
    """No progress; lines go to stderr."""

    def show(self, progress: Progress) -> None:
        """Show nothing."""

    def line(self, text: str) -> None:
        """Write the line to stderr."""
        write_line(sys.stderr, text)

    def close(self) -> None:
        """Nothing to take away."""


class JsonLines:
    """A JSON object a line on stderr: `{"event": "progress", ...}` or `{"event": "line", ...}`."""

    def __init__(self) -> None:
        """Begin without a stage."""
        self._throttle = Throttle()

    def show(self, progress: Progress) -> None:
        """Write the progress, not more often than every 0.2 s."""
        if self._throttle.passes(progress):
            self._write(
                event="progress",
                stage=progress.stage,
                done=progress.done,
                total=progress.total,
                size_bytes=progress.size_bytes,
                note=progress.note,
            )

    def line(self, text: str) -> None:
        """Write the line as an object."""
        self._write(event="line", text=text)

    def close(self) -> None:
        """Nothing to take away."""

    def _write(self, **event: object) -> None:
        write_line(sys.stderr, json.dumps(event))


def make_view(mode: str) -> ProgressView:
    """Return the view for `--progress auto|json|none`; `auto` is bars when stderr is a terminal."""
    if mode == "json":
        return JsonLines()
    if mode == "auto" and sys.stderr is not None and sys.stderr.isatty():
        from mkiso.cli.progress_bars import Bars  # noqa: PLC0415 - rich is slow to import

        return Bars()
    return Silent()


def amount(progress: Progress) -> str:
    """Return how much of a stage is done, in words: `312 of 1000 instances, 164 MB`."""
    if progress.stage in _BYTE_STAGES:
        total = f" of {size_text(progress.total)}" if progress.total else ""
        return f"{size_text(progress.done)}{total}"
    total = f" of {progress.total}" if progress.total is not None else ""
    size = f", {size_text(progress.size_bytes)}" if progress.size_bytes else ""
    return f"{progress.done}{total}{size}"


def rate(progress: Progress, seconds: float) -> str:
    """Return the speed of a stage after `seconds`: `85.2 MB/s`, or "" before there is one."""
    size = progress.done if progress.stage in _BYTE_STAGES else progress.size_bytes
    return f"{size_text(int(size / seconds))}/s" if size and seconds > 0 else ""

"""Progress bars on a terminal, one a stage."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from mkiso.cli.progress import Throttle, amount, rate
from mkiso.core.context import Progress


class Bars:
    """A bar for each stage that has begun, with amount, speed and time; lines go above them."""

    def __init__(self) -> None:
        """Draw on stderr; nothing is shown before the first progress."""
        self._display = RichProgress(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._tasks: dict[str, tuple[TaskID, float]] = {}
        self._throttle = Throttle()
        self._started = False

    def show(self, progress: Progress) -> None:
        """Draw the stage's bar."""
        if not self._throttle.passes(progress):
            return
        if not self._started:
            self._started = True
            self._display.start()
        now = time.monotonic()
        if progress.stage not in self._tasks:
            task = self._display.add_task(
                progress.stage, total=progress.total, amount="", rate="", note=""
            )
            self._tasks[progress.stage] = (task, now)
        task, since = self._tasks[progress.stage]
        self._display.update(
            task,
            completed=progress.done,
            total=progress.total,
            amount=amount(progress),
            rate=rate(progress, now - since),
            note=progress.note,
        )

    def line(self, text: str) -> None:
        """Print a line above the bars."""
        self._display.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the bars as they are and stop drawing."""
        if self._started:
            self._started = False
            self._display.stop()

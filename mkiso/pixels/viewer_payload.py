"""The viewer's pixels, made while instances still arrive, and its files at the end.

`submit` each instance as it comes, `collect` once for each disc, `close` in any case.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mkiso.core.icon_rules import Icon
from mkiso.core.index_page import IndexPage
from mkiso.core.model import FileSetInstance, ReceivedInstance
from mkiso.core.viewer_files import ViewerFiles
from mkiso.pixels.disc_payload import DiscPayload
from mkiso.pixels.icon_jobs import has_icon
from mkiso.pixels.instance_record import Deaths, InstanceRecord
from mkiso.pixels.worker_pool import WorkerPool
from mkiso.pixels.worker_process import Limits

__all__ = ["Limits", "ViewerFiles", "ViewerPayload", "can_make_previews"]


def _nothing() -> None:
    """Do nothing."""


def can_make_previews() -> bool:
    """Tell whether there is an encoder for pictures of 8 bits."""
    return importlib.util.find_spec("PIL") is not None


class ViewerPayload:
    """Takes the instances of a job and gives the viewer's files. Start-up costs nothing."""

    def __init__(
        self,
        folder: Path,
        *,
        preview: bool = False,
        icons: bool = False,
        workers: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Work in the existing, private `folder`.

        With `preview` make pictures of 8 bits only, with `icons` those of DICOMDIR in passing.
        """
        self._folder = folder
        self._icons = icons
        self._preview = preview
        self._pool = WorkerPool(folder, workers=workers, limits=limits)
        self._deaths = Deaths()
        self._records: dict[str, InstanceRecord] = {}

    def start(self) -> None:
        """Start the workers before the first instance comes: a sixth of a second each."""
        self._pool.start()

    def submit(self, instance: ReceivedInstance) -> None:
        """Begin with an instance. Never waits; from one thread, before `collect`."""
        if instance.sop_instance_uid not in self._records:
            self._begin(instance, preview=self._preview)

    def collect(
        self,
        page: IndexPage,
        placed: Sequence[FileSetInstance],
        folder: Path,
        program: str,
        *,
        budget_bytes: int | None = None,
        tick: Callable[[], None] = _nothing,
    ) -> ViewerFiles:
        """Return the files of the viewer on the disc that `page` and `placed` describe.

        The chunk files are written into the existing `folder`, one for each disc, and stay there
        until the image is written, as what is in the folder of the workers. When it takes more than
        `budget_bytes` the largest series become 8-bit pictures, one after another, until it fits
        or nothing is left to shrink. `tick` is called while waiting and may raise.

        Raises OSError, and InternalError when no worker can be started.
        """
        for item in placed:
            self.submit(item.instance)
        self._pool.wait(tick)
        disc = DiscPayload(placed, self._records)
        while budget_bytes is not None and disc.payload_bytes() > budget_bytes:
            smaller = disc.largest_full_series()
            if smaller is None:
                break
            for record in smaller:
                self._begin(record.instance, preview=True, icon=record.icon)
            self._pool.wait(tick)
        files = disc.files(page, self._folder, folder, program, lambda jobs: self._do(jobs, tick))
        return ViewerFiles(files, disc.previews, disc.tiles, disc.documents)

    def icons(
        self, instances: Iterable[ReceivedInstance], tick: Callable[[], None] = _nothing
    ) -> dict[str, Icon]:
        """Return the icons by SOP Instance UID, of what can be shown; waits as `collect` does."""
        for instance in instances:
            self.submit(instance)
        self._pool.wait(tick)
        return {uid: each.icon for uid, each in self._records.items() if each.icon}

    def sizes(
        self, instances: Iterable[ReceivedInstance], tick: Callable[[], None] = _nothing
    ) -> dict[str, int]:
        """Return the bytes on a disc by SOP Instance UID; waits as `collect` does."""
        for instance in instances:
            self.submit(instance)
        self._pool.wait(tick)
        return {uid: each.disc_bytes for uid, each in self._records.items()}

    @property
    def unfinished(self) -> int:
        """How many jobs the workers have not done."""
        return self._pool.unfinished

    def close(self) -> None:
        """End the workers, finished or not. What they wrote stays in the folder."""
        self._pool.close()

    def _begin(
        self, instance: ReceivedInstance, *, preview: bool, icon: Icon | None = None
    ) -> None:
        self._records[instance.sop_instance_uid] = record = InstanceRecord(
            instance,
            self._deaths,
            self._pool.submit,
            preview=preview,
            shares=self._pool.workers,
            icon=self._icons and has_icon(instance) and icon is None,
        )
        if icon:
            record.icon = icon

    def _do(self, jobs: Iterable[Any], tick: Callable[[], None]) -> None:
        """Do jobs and wait for them."""
        for job in jobs:
            self._pool.submit(job)
        self._pool.wait(tick)

"""write: a file-set becomes an image under a temporary name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mkiso.core.context import Context, Progress
from mkiso.core.disc_content import Image
from mkiso.core.media_names import source_date_epoch
from mkiso.core.model import FileSet
from mkiso.disc.image import planned_size, write_image
from mkiso.disc.written_extent import ImageWatcher
from mkiso.errors import LimitError


def require_fit(file_sets: Sequence[FileSet], capacity_bytes: int | None) -> None:
    """Raise LimitError when an image would be larger than the medium it is meant for.

    The plan of several discs estimates what viewers take; here their sizes are known.
    """
    if capacity_bytes is None:
        return
    for file_set in file_sets:
        size = planned_size(file_set)
        if size > capacity_bytes:
            raise LimitError(
                f"Disc {file_set.number} of {file_set.of} would take {size / 1e6:,.1f} MB and the "
                f"medium holds {capacity_bytes / 1e6:,.1f} MB; use a smaller viewer with --viewer "
                "preview or none, or a larger medium with --medium."
            )


def run(
    file_set: FileSet,
    part: Path,
    context: Context,
    *,
    watcher: ImageWatcher | None = None,
    clock: Callable[[], float] = time.time,
    environment: Mapping[str, str] = os.environ,
) -> Image:
    """Write the image of `file_set` to the new file `part`, on the file system of the output.

    `part` must not be called `*.iso`: what has such a name was verified. `watcher` hears how much
    of it is on the disk.
    Raises DiskError, VerifyError (a source file has changed), and what stops the job.
    """

    def progress(done: int, total: int) -> None:
        context.require_time()
        context.progress(Progress("write", done, total, size_bytes=done))

    context.require_time()
    image = write_image(
        file_set,
        part,
        source_date_epoch=source_date_epoch(environment),
        progress=progress,
        watcher=watcher,
        clock=clock,
    )
    context.log(f"image {file_set.number} of {file_set.of} written: {image.size_bytes} bytes")
    return image

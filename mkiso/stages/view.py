"""view: the images as a browser shows them, begun while instances still arrive."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mkiso import __version__
from mkiso.core.context import Context, Progress
from mkiso.core.icon_rules import Icon
from mkiso.core.index_page import IndexPage
from mkiso.core.model import FileSetInstance, ReceivedInstance
from mkiso.core.viewer_files import ViewerFiles, bytes_without_viewer, medium_of
from mkiso.errors import ConfigError, DiskError

if TYPE_CHECKING:
    from mkiso.pixels.viewer_payload import ViewerPayload

#: What needs Pillow.
_PREVIEW = "preview"
_NONE = "none"


@contextlib.contextmanager
def run(context: Context, folder: Path) -> Iterator[Viewing]:
    """Give what takes the job's instances and makes the viewer of each disc.

    It works below the existing, private `folder`; its workers end with the block. Without a viewer
    nothing is loaded, nothing is started. Raises ConfigError when previews are asked for and
    cannot be made.
    """
    viewing = Viewing(context, folder, _payload(context, folder))
    try:
        yield viewing
    finally:
        viewing.close()


def _payload(context: Context, folder: Path) -> ViewerPayload | None:
    """Return what makes the pixels, None when nobody wants them."""
    if context.job.viewer == _NONE:
        return None
    from mkiso.pixels.viewer_payload import ViewerPayload, can_make_previews  # noqa: PLC0415

    preview = context.job.viewer == _PREVIEW
    if preview and not can_make_previews():
        raise ConfigError(
            "Previews need the package Pillow, which is not installed: install mkiso[previews], or "
            "make the disc with --viewer full."
        )
    spools = folder / "viewer"
    spools.mkdir(mode=0o700)
    return ViewerPayload(spools, preview=preview, icons=context.job.icons)


def _unwritten(error: OSError) -> DiskError:
    return DiskError(
        f"The viewer's files could not be written: {error.strerror}; "
        "check the disk of the output folder."
    )


class Viewing:
    """The viewer of one job, or none."""

    def __init__(self, context: Context, folder: Path, payload: ViewerPayload | None) -> None:
        """Take what `run` made."""
        self._context = context
        self._folder = folder
        self._payload = payload

    @property
    def listeners(self) -> tuple[Callable[[ReceivedInstance], None], ...]:
        """What is to be called for each instance that arrives; it never waits."""
        return (self._payload.submit,) if self._payload else ()

    def start(self) -> None:
        """Start the workers, so that they are ready for the first instance."""
        if self._payload:
            self._payload.start()

    def collect(
        self, page: IndexPage, placed: Sequence[FileSetInstance], number: int
    ) -> ViewerFiles | None:
        """Return the viewer's files of disc `number`; None when the disc has no viewer.

        Waits for the workers. Raises DiskError, InternalError, and what stops the job.
        """
        if self._payload is None:
            return None
        began, folder = time.monotonic(), self._folder / f"viewer{number}"
        try:
            folder.mkdir(mode=0o700)
            made = self._payload.collect(
                page,
                placed,
                folder,
                f"mkiso {__version__}",
                budget_bytes=self._budget_bytes(placed),
                tick=lambda: self._tick(len(placed)),
            )
        except OSError as error:
            raise _unwritten(error) from error
        self._context.log(
            f"viewer {number}: {len(made.files)} files, {made.size_bytes} bytes, "
            f"{len(made.preview_series)} series as previews, {made.tiles} tiles; "
            f"waited {time.monotonic() - began:.2f} s"
        )
        return self._fitting(made, placed)

    def icons(self, instances: Sequence[ReceivedInstance]) -> dict[str, Icon] | None:
        """Return the icons for DICOMDIR by SOP Instance UID, as the workers have made them.

        None without workers. Waits for them. Raises DiskError, InternalError, and what stops the
        job.
        """
        if self._payload is None:
            return None
        try:
            return self._payload.icons(instances, lambda: self._tick(len(instances)))
        except OSError as error:
            raise _unwritten(error) from error

    def sizes(self, instances: Sequence[ReceivedInstance]) -> dict[str, int] | None:
        """Return how many bytes the viewer takes by SOP Instance UID, for the plan of the discs.

        None where nobody needs to know: without a viewer, without a medium, and with "auto", which
        takes what room there is. Waits for the workers. Raises as `icons` does.
        """
        job = self._context.job
        if self._payload is None or not job.media_size_bytes or job.viewer == "auto":
            return None
        try:
            return self._payload.sizes(instances, lambda: self._tick(len(instances)))
        except OSError as error:
            raise _unwritten(error) from error

    def close(self) -> None:
        """End the workers and remove what they wrote; at any time, any number of times."""
        if self._payload:
            self._payload.close()
            with contextlib.suppress(OSError):
                for path in (self._folder / "viewer").glob("*.spool"):
                    path.unlink()

    def _tick(self, count: int) -> None:
        self._context.require_time()
        left = min(count, self._payload.unfinished) if self._payload else 0
        self._context.progress(Progress("author", count - left, count))

    def _budget_bytes(self, placed: Sequence[FileSetInstance]) -> int | None:
        """Return what pixels may take; None when everything is wanted, or can only be that."""
        from mkiso.pixels.viewer_payload import can_make_previews  # noqa: PLC0415

        job = self._context.job
        if job.viewer != "auto" or not can_make_previews():
            return None
        needed = bytes_without_viewer(placed, icons=job.icons)
        return max(0, medium_of(needed, job.media_size_bytes) - needed)

    def _fitting(self, made: ViewerFiles, placed: Sequence[FileSetInstance]) -> ViewerFiles | None:
        """Return the viewer when it fits the medium that was named; say what was reduced."""
        job = self._context.job
        if job.viewer != "auto":
            return made
        needed = bytes_without_viewer(placed, icons=job.icons)
        medium = medium_of(needed, job.media_size_bytes)
        if job.media_size_bytes and needed + made.size_bytes > medium:
            self._context.warn(
                "The disc has no viewer: its data and even a reduced one would not fit the medium "
                f"of {medium / 1e6:,.0f} MB."
            )
            return None
        if made.preview_series:
            self._context.warn(
                f"{len(made.preview_series)} series are shown in the disc's viewer as pictures of "
                f"8 bits, since all their pixels would not fit the medium of {medium / 1e6:,.0f} "
                "MB; the DICOM files are complete."
            )
        return made

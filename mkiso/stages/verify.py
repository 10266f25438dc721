"""verify: a written image is read back from the disk and compared with what was planned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from mkiso.core.context import Context, Progress
from mkiso.core.disc_content import CheckResult, Image, VerifiedImage, expected_content
from mkiso.core.display_text import counted
from mkiso.core.findings import WARNING
from mkiso.core.model import FileSet
from mkiso.disc.presence import is_zip, require_disc, said_of
from mkiso.disc.publication import check_against_sidecar
from mkiso.disc.read_back import check_folder, check_image, check_zip
from mkiso.disc.written_extent import WrittenExtent
from mkiso.errors import InternalError, VerifyError

#: Findings in the words of an exception; the rest is in the log.
MAX_DETAILS = 50
#: How often the job's thread looks at the clock and at signals while another one reads.
_TICK_SECONDS = 0.1
#: A reader that is told to stop does so after the block that it reads.
_STOP_SECONDS = 30.0


class ReadBack:
    """Reads an image back in a thread of its own, each part as soon as it is on the disk.

    Hears of the image as the watcher of its writing; with the end of `with` the reading ends, too.
    """

    def __init__(self, file_set: FileSet) -> None:
        """Compare what will be written with `file_set`."""
        self._file_set = file_set
        self._written = WrittenExtent()
        self._thread: threading.Thread | None = None
        self._is_stopped = False
        self._outcome: CheckResult | BaseException | None = None
        self._done = 0

    def __enter__(self) -> ReadBack:  # noqa: PYI034 - typing.Self came with Python 3.11
        """Wait for an image."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading."""
        self._is_stopped = True
        self._written.end()
        if self._thread:
            self._thread.join(_STOP_SECONDS)

    def begun(self, image: Image) -> None:
        """Begin with the image whose space is reserved."""
        self._thread = threading.Thread(
            target=self._read, args=(image,), name="mkiso-read-back", daemon=True
        )
        self._thread.start()

    def on_disk(self, offset: int) -> None:
        """Read on, up to `offset`."""
        self._written.grow(offset)

    def result(self, tick: Callable[[int], None]) -> CheckResult:
        """Wait for what was found; `tick` gets the bytes done meanwhile and may raise."""
        if self._thread is None:
            raise InternalError("No image was begun.")
        while self._thread.is_alive():
            tick(self._done)
            self._thread.join(_TICK_SECONDS)
        tick(self._done)
        if isinstance(self._outcome, CheckResult):
            return self._outcome
        raise self._outcome or InternalError("The image was not read back.")

    def _read(self, image: Image) -> None:
        expected = expected_content(self._file_set, image)
        try:
            self._outcome = check_image(image.part, expected, self._progress, written=self._written)
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            self._outcome = error

    def _progress(self, done: int, _total: int) -> None:
        if self._is_stopped:
            raise InternalError("The reading back was stopped.")
        self._done = done


def run(
    image: Image, file_set: FileSet, context: Context, reading: ReadBack | None = None
) -> VerifiedImage:
    """Read the image back and give it as verified, when it is exactly `file_set`.

    With `reading` that began while the image was written, and only its end is waited for. Raises
    VerifyError with the findings as details: such an image never gets a name.
    """

    def tick(done: int) -> None:
        context.require_time()
        context.progress(Progress("verify", done, image.size_bytes, size_bytes=done))

    context.require_time()
    if reading:
        result = reading.result(tick)
    else:
        expected = expected_content(file_set, image)
        result = check_image(image.part, expected, lambda done, _total: tick(done))
    for finding in result.findings:
        context.log(f"verify: {finding}")
        if finding.severity == WARNING:
            context.warn(finding.message)
    if not result.passed:
        raise VerifyError(
            f"The image read back from the disk has {counted(len(result.errors), 'fault')} and is "
            "not published; check the disk and run the job again.",
            details=tuple(str(finding) for finding in result.errors[:MAX_DETAILS]),
        )
    if file_set.profile and file_set.profile not in result.profiles:
        context.warn(
            f"The disc says that it meets {file_set.profile}; a key of its directory does not."
        )
    context.log(f"verified: {len(result.files)} files, {len(result.instances)} instances")
    return VerifiedImage(image.part, result.size_bytes, result.sha256, result)


def check_path(
    path: Path, progress: Callable[[Progress], None] | None = None, *, profile: str = ""
) -> CheckResult:
    """Judge an image, or a mounted or extracted disc, without knowing what was planned.

    What keeps it from the application profile named `profile` is a fault, too. An image with a
    sidecar beside it is compared with that, too. Raises as `require_disc` does
    when there is nothing to judge at `path`, and PermissionDeniedError for a file in the folder.
    """

    def report(done: int, total: int) -> None:
        if progress:
            progress(Progress("verify", done, total, size_bytes=done))

    if is_zip(path):
        with said_of(path):
            result = check_zip(path, progress=report, profile=profile)
        return check_against_sidecar(path, result)
    require_disc(path)
    if path.is_dir():
        with said_of(path):
            return check_folder(path, progress=report, profile=profile)
    result = check_image(path, progress=report, profile=profile)
    return check_against_sidecar(path, result)

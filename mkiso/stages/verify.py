"""verify: a written image is read back from the disk and compared with what was planned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mkiso.core.context import Context, Progress
from mkiso.core.disc_content import CheckResult, Image, VerifiedImage, expected_content
from mkiso.core.display_text import counted
from mkiso.core.findings import WARNING
from mkiso.core.model import FileSet
from mkiso.disc.presence import is_zip, require_disc, said_of
from mkiso.disc.publication import check_against_sidecar
from mkiso.disc.read_back import check_folder, check_image, check_zip
from mkiso.errors import VerifyError

#: Findings in the words of an exception; the rest is in the log.
MAX_DETAILS = 50


def run(image: Image, file_set: FileSet, context: Context) -> VerifiedImage:
    """Read the image back and give it as verified, when it is exactly `file_set`.

    Raises VerifyError with the findings as details: such an image never gets a name.
    """

    def progress(done: int, total: int) -> None:
        context.require_time()
        context.progress(Progress("verify", done, total, size_bytes=done))

    context.require_time()
    result = check_image(image.part, expected_content(file_set, image), progress)
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

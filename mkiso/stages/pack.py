"""pack: the same file-set as a folder or a ZIP archive, and an encrypted one, read back."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mkiso.core.checksums import CHECKSUMS
from mkiso.core.context import Context, Progress
from mkiso.core.disc_content import CheckResult, ExpectedContent, VerifiedImage, expected_content
from mkiso.core.job import Job
from mkiso.core.media_names import source_date_epoch
from mkiso.core.model import DiscFile, FileSet
from mkiso.disc.folder_writer import write_folder
from mkiso.disc.read_back import check_folder, check_zip
from mkiso.disc.zip_writer import require_encryption, write_zip
from mkiso.errors import DiskError, UsageError, VerifyError

#: A pass phrase of fewer characters is no protection for a disc that is lost.
SHORTEST_PASSPHRASE = 12
_MOST_PASSPHRASE_BYTES = 4096


def is_plain_image(job: Job) -> bool:
    """Tell whether a job's discs are images that can be read again without anything else."""
    return job.deliver_as == "iso" and not job.encrypt


def passphrase_of(job: Job) -> bytes | None:
    """Return the pass phrase of a job: the first line of its file; None when there is none.

    `fd:3` is the open descriptor 3. Raises UsageError when it cannot be read or is too short,
    and for what cannot be encrypted; ConfigError when the package for it is missing.
    """
    if not job.encrypt:
        return None
    if job.deliver_as == "folder":
        raise UsageError("A folder cannot be encrypted; use --as zip or --as iso with --encrypt.")
    try:
        if job.encrypt.startswith("fd:") and job.encrypt[3:].isdigit():
            content = os.read(int(job.encrypt[3:]), _MOST_PASSPHRASE_BYTES)
        else:
            with Path(job.encrypt).open("rb") as file:
                content = file.read(_MOST_PASSPHRASE_BYTES)
    except OSError as error:
        raise UsageError(f"The pass phrase cannot be read: {error.strerror}.") from error
    passphrase = content.partition(b"\n")[0].strip(b"\r")
    if len(passphrase.decode("utf-8", "replace")) < SHORTEST_PASSPHRASE:
        raise UsageError(
            f"The pass phrase has fewer than {SHORTEST_PASSPHRASE} characters; take a longer one."
        )
    require_encryption()
    return passphrase


def run(
    file_set: FileSet,
    part: Path,
    context: Context,
    *,
    passphrase: bytes | None = None,
    environment: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.time,
) -> VerifiedImage:
    """Write the file-set as the job's `deliver_as` says to the new `part`, and read it back.

    Raises DiskError, VerifyError, and what stops the job.
    """
    job = context.job
    expected = expected_content(file_set)
    made_at = source_date_epoch(environment) or int(clock())

    def write(progress: Callable[[int, int], None]) -> None:
        if job.deliver_as == "folder":
            write_folder(file_set.files, part, file_mode=job.image_mode, progress=progress)
        else:
            write_zip(
                file_set.files, part, made_at=made_at, passphrase=passphrase, progress=progress
            )

    return _written(part, expected, context, write, passphrase)


def encrypt(
    image: VerifiedImage,
    file_set: FileSet,
    part: Path,
    context: Context,
    *,
    passphrase: bytes,
    clock: Callable[[], float] = time.time,
) -> VerifiedImage:
    """Put a verified image into the new encrypted archive `part`, and read it back.

    Raises DiskError, VerifyError, and what stops the job.
    """
    name = f"{file_set.volume_id}.ISO"
    file = DiscFile(name, image.size_bytes, image.sha256, source=image.part)
    expected = ExpectedContent({name: (image.sha256, image.size_bytes)}, frozenset(), "")

    def write(progress: Callable[[int, int], None]) -> None:
        write_zip([file], part, made_at=int(clock()), passphrase=passphrase, progress=progress)

    packed = _written(part, expected, context, write, passphrase, of_image=True)
    image.part.unlink(missing_ok=True)
    return VerifiedImage(packed.part, packed.size_bytes, packed.sha256, image.result)


def _written(
    part: Path,
    expected: ExpectedContent,
    context: Context,
    write: Callable[[Callable[[int, int], None]], None],
    passphrase: bytes | None,
    *,
    of_image: bool = False,
) -> VerifiedImage:
    """Write, bring to the disk, read back and compare."""

    def tell(stage: str) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            context.require_time()
            context.progress(Progress(stage, done, total, size_bytes=done))

        return progress

    context.require_time()
    try:
        write(tell("write"))
        _sync(part)
        result = _checked(part, expected, tell("verify"), passphrase, of_image=of_image)
        size, sha256 = _size(part), _sha256(part)
    except OSError as error:
        raise DiskError(
            f"The disc could not be written ({error.strerror}); check the output disk."
        ) from error
    if not result.passed:
        raise VerifyError(
            f"What was read back has {len(result.errors)} faults and is not published; check the "
            "disk and run the job again.",
            details=tuple(str(finding) for finding in result.errors[:50]),
        )
    context.log(f"packed and verified: {len(result.files)} files, {size} bytes")
    return VerifiedImage(part, size, sha256, result)


def _checked(
    part: Path,
    expected: ExpectedContent,
    progress: Callable[[int, int], None],
    passphrase: bytes | None,
    *,
    of_image: bool,
) -> CheckResult:
    if part.is_dir():
        return check_folder(part, expected, progress)
    return check_zip(part, expected, progress, passphrase=passphrase, as_disc=not of_image)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def _size(part: Path) -> int:
    if part.is_dir():
        return sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    return part.stat().st_size


def _sha256(part: Path) -> str:
    """Return the hash of the archive; of a folder that of its list of hashes."""
    digest = hashlib.sha256()
    with (part / CHECKSUMS if part.is_dir() else part).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()

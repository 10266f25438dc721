"""Writes the image of a file-set under a temporary name, whole and on the disk, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mkiso.core.disc_content import Image, ImageStructure
from mkiso.core.model import DiscFile, FileSet
from mkiso.disc.copying import copy_file, reaching_the_disk
from mkiso.disc.disc_reading import ReportBytes, silent
from mkiso.disc.image_structures import Structures, build_structures
from mkiso.errors import DiskError, VerifyError


def write_image(
    file_set: FileSet,
    target_part: Path,
    *,
    source_date_epoch: int | None = None,
    progress: ReportBytes = silent,
    clock: Callable[[], float] = time.time,
) -> Image:
    """Write the image to the new file `target_part` (mode 0600) and bring it to the disk.

    `progress` is called with bytes and may raise to stop. On any failure the file is removed.
    Raises DiskError when there is no space or the disk fails, VerifyError when a source file is
    not the one that was planned.
    """
    made_at = int(clock()) if source_date_epoch is None else source_date_epoch
    structures = build_structures(file_set, made_at)
    try:
        descriptor = os.open(target_part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _disk_error(error, structures.size_bytes) from error
    try:
        _fill(descriptor, file_set, structures, progress)
    except OSError as error:
        _remove(target_part)
        raise _disk_error(error, structures.size_bytes) from error
    except BaseException:
        _remove(target_part)
        raise
    finally:
        os.close(descriptor)
    return Image(
        part=target_part,
        size_bytes=structures.size_bytes,
        structure=ImageStructure(
            len(structures.content), hashlib.sha256(structures.content).hexdigest()
        ),
    )


def planned_size(file_set: FileSet) -> int:
    """Return how many bytes the image will have."""
    return build_structures(file_set, 0).size_bytes


def _fill(
    descriptor: int, file_set: FileSet, structures: Structures, progress: ReportBytes
) -> None:
    _reserve(descriptor, structures.size_bytes)
    with reaching_the_disk(descriptor):
        _write_all(descriptor, structures.content, 0)
        done = len(structures.content)
        for file in file_set.files:
            for size in _pieces(file, descriptor, structures.offsets.get(file.path, 0)):
                done += size
                progress(done, structures.size_bytes)
    progress(structures.size_bytes, structures.size_bytes)


def _reserve(descriptor: int, size_bytes: int) -> None:
    """Take the space now, so that a full disk says so before the work and not in the middle."""
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV):
            raise
        os.ftruncate(descriptor, size_bytes)


def _pieces(file: DiscFile, descriptor: int, offset: int) -> Iterator[int]:
    """Write one file to its place; gives the bytes of each piece."""
    if file.source is not None:
        yield from copy_file(file.source, file.size_bytes, descriptor, offset)
        return
    content = file.content or b""
    if len(content) != file.size_bytes:
        raise VerifyError(f"{file.path} is not as long as planned; this disc is not made.")
    _write_all(descriptor, content, offset)
    yield len(content)


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _disk_error(error: OSError, size_bytes: int) -> DiskError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(
            f"There is no space for the image of {size_bytes} bytes; "
            "free some on the output disk and run the job again."
        )
    return DiskError(
        f"The image could not be written ({os.strerror(error.errno or 0)}); check the output disk."
    )

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
from mkiso.disc.written_extent import ImageWatcher
from mkiso.errors import DiskError, InternalError, VerifyError


def write_image(
    file_set: FileSet,
    target_part: Path,
    *,
    source_date_epoch: int | None = None,
    progress: ReportBytes = silent,
    watcher: ImageWatcher | None = None,
    clock: Callable[[], float] = time.time,
) -> Image:
    """Write the image to the new file `target_part` (mode 0600) and bring it to the disk.

    `progress` is called with bytes and may raise to stop, `watcher` hears what is on the disk
    already. On any failure the file is removed.
    Raises DiskError when there is no space or the disk fails, VerifyError when a source file is
    not the one that was planned.
    """
    made_at = int(clock()) if source_date_epoch is None else source_date_epoch
    structures = build_structures(file_set, made_at)
    image = Image(
        part=target_part,
        size_bytes=structures.size_bytes,
        structure=ImageStructure(
            len(structures.content), hashlib.sha256(structures.content).hexdigest()
        ),
    )
    try:
        descriptor = os.open(target_part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _disk_error(error, structures.size_bytes) from error
    try:
        _reserve(descriptor, structures.size_bytes)
        if watcher:
            watcher.begun(image)
        _fill(descriptor, file_set, structures, progress, watcher.on_disk if watcher else _nobody)
    except OSError as error:
        _remove(target_part)
        raise _disk_error(error, structures.size_bytes) from error
    except BaseException:
        _remove(target_part)
        raise
    finally:
        os.close(descriptor)
    return image


def planned_size(file_set: FileSet) -> int:
    """Return how many bytes the image will have."""
    return build_structures(file_set, 0).size_bytes


def _nobody(_offset: int) -> None:
    """Tell nobody what is on the disk."""


def _fill(
    descriptor: int,
    file_set: FileSet,
    structures: Structures,
    progress: ReportBytes,
    on_disk: Callable[[int], None],
) -> None:
    """Write everything from the beginning to the end: nothing twice, and never backwards."""
    places = structures.offsets
    done = 0
    with reaching_the_disk(descriptor, lambda: done, on_disk):
        _write_all(descriptor, structures.content, 0)
        done = len(structures.content)
        for file in sorted(file_set.files, key=lambda file: places.get(file.path, 0)):
            offset = places.get(file.path, done)  # an empty file has no place
            if offset < done:
                raise InternalError(f"{file.path} would lie over what is written already.")
            for size in _pieces(file, descriptor, offset):
                offset += size
                done = offset
                progress(done, structures.size_bytes)
        done = structures.size_bytes
    progress(done, structures.size_bytes)


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

"""Copies a file into its place in an image, by the kernel where it can."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mkiso.errors import VerifyError

#: Bytes copied between two reports (and looks at whether the job was stopped).
PIECE = 64 * 1024 * 1024

#: Bytes of a piece copied by hand: large enough that the calls do not count.
BUFFER = 1024 * 1024

#: Seconds between two starts of bringing what was written to the disk.
FLUSH_SECONDS = 0.03

#: The kernel cannot copy between these two files: by hand then.
_NO_KERNEL_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


def copy_file(
    source: Path, size_bytes: int, target: int, offset: int, *, by_kernel: bool = True
) -> Iterator[int]:
    """Copy the `size_bytes` of `source` into the open file `target` at `offset`, piece by piece.

    Gives the bytes of each piece. Raises VerifyError when the source is shorter or longer: pycdlib
    would have filled with zeros, or cut.
    """
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size != size_bytes:
            raise _changed(source)
        done = 0
        while done < size_bytes:
            wanted = min(PIECE, size_bytes - done)
            copied = 0
            if by_kernel:
                copied = _by_kernel(descriptor, target, wanted, done, offset + done)
                by_kernel = copied > 0
            if not copied:
                copied = _by_hand(descriptor, target, wanted, done, offset + done)
            if not copied:
                raise _changed(source)
            done += copied
            yield copied
    finally:
        os.close(descriptor)


@contextmanager
def reaching_the_disk(
    descriptor: int, written: Callable[[], int], on_disk: Callable[[int], None]
) -> Iterator[None]:
    """Bring the open file to the disk while it is written, and wholly when the block ends well.

    `written` says up to which offset the file is written for good; `on_disk` hears in a thread of
    its own how much of that has reached the disk, and at the end, in this one, that all has.

    Saves a fifth of writing and fsync one after the other. An error of the disk is told to one
    caller of fsync only, so what the thread was told is raised here.
    """
    finished = threading.Event()
    errors: list[OSError] = []

    def flush() -> None:
        try:
            while not finished.wait(FLUSH_SECONDS):
                offset = written()
                os.fdatasync(descriptor)
                on_disk(offset)
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=flush, name="mkiso-flush", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
    if errors:
        raise errors[0]
    os.fsync(descriptor)
    on_disk(written())


def _by_kernel(source: int, target: int, size: int, start: int, offset: int) -> int:
    """Give the bytes copied, 0 when the kernel cannot."""
    try:
        return os.copy_file_range(source, target, size, start, offset)
    except OSError as error:
        if error.errno in _NO_KERNEL_COPY:
            return 0
        raise


def _by_hand(source: int, target: int, size: int, start: int, offset: int) -> int:
    data = memoryview(os.pread(source, min(size, BUFFER), start))
    copied = 0
    while copied < len(data):
        copied += os.pwrite(target, data[copied:], offset + copied)
    return copied


def _changed(source: Path) -> VerifyError:
    return VerifyError(
        f"The work file {source.name} is not the one that was received: its length has changed; "
        "run the job again."
    )

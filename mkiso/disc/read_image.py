"""Reads an image once: its trees, the hash of the whole, the hash of every file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mkiso.core.disc_content import ExpectedContent
from mkiso.core.findings import Findings
from mkiso.disc.disc_reading import DiscReading, LookAt, ReportBytes
from mkiso.disc.image_hashes import hash_image
from mkiso.disc.iso_reader import read_iso
from mkiso.disc.iso_tree import Extents
from mkiso.disc.written_extent import WrittenExtent


@contextmanager
def open_image(
    path: Path,
    expected: ExpectedContent | None,
    findings: Findings,
    progress: ReportBytes,
    look_at: LookAt,
    *,
    written: WrittenExtent | None = None,
) -> Iterator[DiscReading]:
    """Read the image at `path` and give what is in it, while the file stays open.

    With `written` the image is still being written: nothing is read before it is on the disk.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        findings.error("image.unreadable", f"The image cannot be opened: {error.strerror}.")
        yield DiscReading()
        return
    try:
        yield _read(descriptor, expected, findings, progress, look_at, written=written)
    finally:
        os.close(descriptor)


def _read(
    descriptor: int,
    expected: ExpectedContent | None,
    findings: Findings,
    progress: ReportBytes,
    look_at: LookAt,
    *,
    written: WrittenExtent | None,
) -> DiscReading:
    if written and expected and expected.structure:
        written.wait_for(expected.structure.size_bytes)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # the disk is read, not memory
    try:
        image = read_iso(descriptor)
    except OSError as error:
        findings.error("image.unreadable", f"The image cannot be read: {error.strerror}.")
        return DiscReading()
    findings.extend(image.findings)
    places: dict[str, Extents] = {}
    for path, extents in image.primary.files.items():
        upper = path[1:].upper()
        if upper != path[1:]:
            findings.warning("iso.lower-case", f"{path[1:]} is not in upper case.")
        if upper in places:
            findings.error("iso.name-twice", f"{upper} is there twice but for the case of letters.")
        places[upper] = extents
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if stat.S_ISBLK(os.fstat(descriptor).st_mode):
        size = min(size, image.size_bytes)  # a drive counts run-out blocks that nobody can read
    volume_id = image.volume_id
    del image  # its trees are as large as what follows
    read_at = _reader(descriptor, places)
    sizes = {path: sum(length for _, length in extents) for path, extents in places.items()}
    hashes = hash_image(
        descriptor,
        size,
        places,
        expected.structure if expected else None,
        findings=findings,
        progress=progress,
        finished=lambda path: look_at(path, sizes[path], read_at),
        written=written,
    )
    return DiscReading(hashes.files, read_at, volume_id, size, hashes.sha256)


def _reader(descriptor: int, places: dict[str, Extents]) -> Callable[[str, int, int], bytes]:
    """Give what reads a piece of a file through its extents."""

    def read_at(path: str, offset: int, length: int) -> bytes:
        found = b""
        for start, size in places[path]:
            if length > 0 and offset < size:
                piece = os.pread(descriptor, min(length, size - offset), start + offset)
                found += piece
                length -= len(piece)
                offset = size
            offset -= size
        return found

    return read_at

"""One sequential pass over an image that hashes the whole and every file in it."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from mkiso.core.disc_content import FileOnDisc, ImageStructure
from mkiso.core.findings import Findings
from mkiso.disc.disc_reading import ReportBytes
from mkiso.disc.iso_tree import Extents
from mkiso.disc.written_extent import WrittenExtent

#: Bytes read at once, and blocks in memory: what is hashed twice stays in the processor's cache.
BLOCK = 1024 * 1024
BLOCKS = 6
#: Blocks that are read side by side: a disk that has several requests is faster.
_AHEAD = 3

_EMPTY = hashlib.sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class ImageHashes:
    """SHA-256 (hex) of the whole image, and of each file that could be read whole."""

    sha256: str
    files: Mapping[str, FileOnDisc]


@dataclass(slots=True)
class _Target:
    """Something to be hashed: a file under all its names, or the structures (no name)."""

    size_bytes: int
    paths: list[str]
    remaining: int
    hasher: Any = None  # while some of it has been read
    sha256: str = ""  # when all of it has been read

    def take(self, piece: memoryview) -> bool:
        """Hash the next bytes; say whether they were the last."""
        if self.hasher is None:
            self.hasher = hashlib.sha256()
        self.hasher.update(piece)
        self.remaining -= len(piece)
        if self.remaining:
            return False
        self.sha256, self.hasher = self.hasher.hexdigest(), None
        return True


class _Piece(NamedTuple):
    start: int
    stop: int
    target: _Target | None  # None: belongs to nothing, must be zero


def hash_image(
    descriptor: int,
    size: int,
    files: Mapping[str, Extents],
    structure: ImageStructure | None,
    *,
    findings: Findings,
    progress: ReportBytes,
    finished: Callable[[str], None],
    written: WrittenExtent | None = None,
) -> ImageHashes:
    """Read the `size` bytes of the open image once, from the disk and not from memory.

    With `structure` no byte is left out: the first bytes must have that hash, and what belongs to
    no file must be zero. `finished` is called with the path of every file that has been read,
    while the next ones are read and hashed: reading, both hashes and that run side by side. With
    `written` they run beside the writing, too.
    """
    targets = _targets(files)
    pieces = _pieces(files, targets, findings)
    if structure:
        targets[""] = _Target(structure.size_bytes, [], structure.size_bytes)
        pieces.append(_Piece(0, structure.size_bytes, targets[""]))
        pieces = _with_gaps(sorted(pieces, key=lambda piece: piece[:2]), size)
    feeder = _Feeder(pieces, findings)
    image_hash = hashlib.sha256()
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    # What is not on the disk yet must not be read ahead of time
    advice = os.POSIX_FADV_RANDOM if written else os.POSIX_FADV_SEQUENTIAL
    os.posix_fadvise(descriptor, 0, 0, advice)
    blocks = _fed_blocks(descriptor, size, image_hash.update, feeder.feed, written)
    try:
        with closing(blocks):  # its threads end before the file is closed
            for offset, block, read in blocks:
                for path in read:
                    finished(path)
                progress(offset + len(block), size)
    except OSError as error:
        findings.error("image.unreadable", f"The image cannot be read: {error.strerror}.")
        return ImageHashes("", {})
    return ImageHashes(image_hash.hexdigest(), _results(targets, structure, findings))


def _fed_blocks(
    descriptor: int,
    size: int,
    update: Callable[[memoryview], object],
    feed: Callable[[int, memoryview], list[str]],
    written: WrittenExtent | None,
) -> Generator[tuple[int, memoryview, list[str]], None, None]:
    """Give offset, bytes, and what `feed` said of each block; a file may end before its `size`.

    Both get all blocks in order, each in a thread of its own, and never wait for each other.
    """
    free: deque[memoryview] = deque()
    spare = BLOCKS  # not made yet: a small image needs few
    reads: deque[tuple[int, memoryview, Future[int]]] = deque()
    works: deque[tuple[int, memoryview, Future[object], Future[list[str]]]] = deque()
    start = 0
    with (
        ThreadPoolExecutor(_AHEAD, thread_name_prefix="mkiso-read") as reading,
        ThreadPoolExecutor(1, thread_name_prefix="mkiso-hash") as hashing,
        ThreadPoolExecutor(1, thread_name_prefix="mkiso-files") as feeding,
    ):
        while start < size or reads or works:
            while start < size and len(reads) < _AHEAD and (free or spare):
                stop = min(start + BLOCK, size)
                if written and not written.has(stop):
                    if reads or works:
                        break
                    written.wait_for(stop)
                if not free:
                    free.append(memoryview(bytearray(BLOCK)))
                    spare -= 1
                buffer = free.popleft()[: stop - start]
                read = _read_from_disk if written else _read_whole
                future = reading.submit(read, descriptor, buffer, start)
                reads.append((start, buffer, future))
                start += BLOCK
            if reads:
                offset, buffer, future = reads.popleft()
                count = future.result()
                if count < len(buffer):
                    size = start = offset + count
                    reads.clear()
                block = buffer[:count]
                works.append(
                    (
                        offset,
                        buffer,
                        hashing.submit(update, block),
                        feeding.submit(feed, offset, block),
                    )
                )
            if works and (not reads or len(works) >= BLOCKS - _AHEAD):
                offset, buffer, hashed, fed = works.popleft()
                paths = fed.result()
                hashed.result()
                yield offset, buffer, paths
                free.append(buffer)


def _read_from_disk(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Read what was written a moment ago from the disk and not from memory."""
    os.posix_fadvise(descriptor, offset, len(buffer), os.POSIX_FADV_DONTNEED)
    return _read_whole(descriptor, buffer, offset)


def _read_whole(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Read until `buffer` is full or the file ends; give the number of bytes."""
    done = 0
    while done < len(buffer):
        count = os.preadv(descriptor, [buffer[done:]], offset + done)
        if not count:
            break
        done += count
    return done


def _targets(files: Mapping[str, Extents]) -> dict[Extents | str, _Target]:
    """Give what is to be hashed by its place: names that share a place share a hash."""
    targets: dict[Extents | str, _Target] = {}
    for path, extents in files.items():
        size = sum(length for _, length in extents)
        targets.setdefault(extents if size else "empty", _Target(size, [], size)).paths.append(path)
    return targets


def _pieces(
    files: Mapping[str, Extents], targets: Mapping[Extents | str, _Target], findings: Findings
) -> list[_Piece]:
    """Give all pieces of files by offset; pieces that overlap are left out and reported."""
    wanted = sorted(
        {
            (start, start + length, number, extents)
            for extents in set(files.values())
            for number, (start, length) in enumerate(extents)
            if length
        }
    )
    pieces: list[_Piece] = []
    for start, stop, _, extents in wanted:
        if pieces and start < pieces[-1].stop:
            path = targets[extents].paths[0]
            findings.error("iso.extents-overlap", f"{path} lies over another file.")
            continue
        pieces.append(_Piece(start, stop, targets[extents]))
    return pieces


def _with_gaps(pieces: list[_Piece], size: int) -> list[_Piece]:
    """Give the pieces with what lies between them, up to the end of the image."""
    whole: list[_Piece] = []
    end = 0
    for piece in pieces:
        if piece.start > end:
            whole.append(_Piece(end, piece.start, None))
        whole.append(piece)
        end = max(end, piece.stop)
    if end < size:
        whole.append(_Piece(end, size, None))
    return whole


class _Feeder:
    """Gives each piece its bytes of the blocks that pass by."""

    def __init__(self, pieces: list[_Piece], findings: Findings) -> None:
        self._pieces = pieces
        self._next = 0
        self._findings = findings

    def feed(self, offset: int, block: memoryview) -> list[str]:
        """Take one block, which come in order; give the paths of the files that are whole now."""
        end = offset + len(block)
        finished: list[str] = []
        while self._next < len(self._pieces):
            piece = self._pieces[self._next]
            if piece.start >= end:
                break
            start, stop = max(piece.start, offset) - offset, min(piece.stop, end) - offset
            if piece.target is not None:
                if piece.target.take(block[start:stop]):
                    finished += piece.target.paths
            elif bytes(block[start:stop]).strip(b"\0"):
                self._findings.error(
                    "image.gap-not-empty",
                    f"Bytes at {offset + start} that belong to no file are set.",
                )
            if piece.stop > end:
                break
            self._next += 1
        return finished


def _results(
    targets: Mapping[Extents | str, _Target], structure: ImageStructure | None, findings: Findings
) -> dict[str, FileOnDisc]:
    found: dict[str, FileOnDisc] = {}
    for key, target in targets.items():
        sha256 = target.sha256 if target.size_bytes else _EMPTY
        if target.remaining:
            for path in target.paths or ["The beginning of the image"]:
                findings.error("image.cut-off", f"{path} is not whole: the image ends before.")
        elif key == "" and structure and sha256 != structure.sha256:
            findings.error(
                "image.structure-changed",
                "The directories of the image are not those that were written.",
            )
        for path in target.paths:
            found[path] = FileOnDisc(path, target.size_bytes, sha256)
    return found

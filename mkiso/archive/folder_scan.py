"""Brings the index up to date with its folder; files that did not change are not read again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mkiso.archive.index import DAMAGED, NOT_DICOM, Index
from mkiso.archive.stored_file import NotDicomError, read_stored_file
from mkiso.core.byte_source import HeaderError

INDEX_NAME = ".mkiso-archive.sqlite"
PART_SUFFIX = ".part"
_BATCH = 500


def update(index: Index, folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Add what is new or changed in the folder and below, forget what is gone.

    `progress` is told how many of the files to be read are done. DICOMDIR, files that are not
    DICOM and damaged ones are counted by the index, not served.
    """
    root = os.fsencode(folder)
    cut = len(root.rstrip(b"/")) + 1
    present = {path[cut:]: (size, mtime) for path, size, mtime in _files(root)}
    known = index.files()
    with index.transaction():
        index.forget(path for path, seen in known.items() if present.get(path) != seen)
    known = index.files()
    unread = [(path, seen) for path, seen in present.items() if path not in known]
    for start in range(0, len(unread), _BATCH):
        if progress is not None:
            progress(start, len(unread))
        with index.transaction():
            for path, (size, mtime) in unread[start : start + _BATCH]:
                _read(index, folder, path, size, mtime)
    if progress is not None:
        progress(len(unread), len(unread))


def _read(index: Index, folder: Path, path: bytes, size_bytes: int, mtime_ns: int) -> None:
    try:
        index.add(path, read_stored_file(folder / os.fsdecode(path)))
    except NotDicomError:
        index.skip(path, size_bytes, mtime_ns, NOT_DICOM)
    except HeaderError:
        index.skip(path, size_bytes, mtime_ns, DAMAGED)
    except OSError:  # gone, or not readable: tried again at the next start
        return


def _files(folder: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give path, size and modification time (ns) of every file, in the order of their names."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name = os.fsdecode(entry.name)
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif _is_served(name) and entry.is_file():
                status = entry.stat()
                yield entry.path, status.st_size, status.st_mtime_ns
        except OSError:
            continue


def _is_served(name: str) -> bool:
    return not (
        name.startswith(INDEX_NAME) or name.endswith(PART_SUFFIX) or name.upper() == "DICOMDIR"
    )

"""Reads a mounted or extracted disc: the hash of every file below a folder."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mkiso.core.disc_content import FileOnDisc
from mkiso.core.display_text import counted
from mkiso.core.findings import Findings
from mkiso.disc.disc_reading import DiscReading, LookAt, ReportBytes

MAX_FILES = 300_000
MAX_DEPTH = 16

_PIECE = 1024 * 1024


@contextmanager
def open_folder(
    folder: Path, findings: Findings, progress: ReportBytes, look_at: LookAt
) -> Iterator[DiscReading]:
    """Hash the files below `folder` and give what is there.

    A mounted disc may show its names in lower case or with the version `;1`: the paths given are
    upper case without it. Links are not followed. Raises PermissionError.
    """
    found: dict[str, Path] = {}
    altered = 0
    for path, real in _files(folder, findings):
        if path in found:
            findings.error("disc.name-twice", f"{path} is there twice.")
        found[path] = real
        altered += path != real.relative_to(folder).as_posix()
    if altered:
        findings.note(
            "disc.names-altered", f"{counted(altered, 'name')} not as on the disc: ;1 or case."
        )

    def read_at(path: str, offset: int, length: int) -> bytes:
        descriptor = _open(found[path])
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)

    sizes = {path: real.lstat().st_size for path, real in found.items()}
    total, done = sum(sizes.values()), 0
    files: dict[str, FileOnDisc] = {}
    for path, real in found.items():
        try:
            files[path] = _hashed(path, real)
        except PermissionError:
            raise  # who judges may not see it: no fault of the disc
        except OSError as error:
            findings.error("disc.unreadable", f"{path} cannot be read: {error.strerror}.")
        else:
            look_at(path, files[path].size_bytes, read_at)
        done += sizes[path]
        progress(min(done, total), total)
    yield DiscReading(files, read_at)


def _files(folder: Path, findings: Findings) -> Iterator[tuple[str, Path]]:
    """Give (path on the disc, real path) of all regular files, in the order of their names."""
    waiting = [("", folder, 0)]
    count = 0
    while waiting:
        prefix, place, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except PermissionError:
            raise
        except OSError as error:
            findings.error("disc.unreadable", f"A folder cannot be read: {error.strerror}.")
            continue
        for entry in entries:
            name = entry.name.upper()
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and depth < MAX_DEPTH:
                waiting.append((f"{prefix}{name}/", Path(entry.path), depth + 1))
            elif stat.S_ISREG(mode) and count < MAX_FILES:
                count += 1
                yield f"{prefix}{name.removesuffix(';1').removesuffix('.')}", Path(entry.path)
            else:
                findings.error("disc.not-a-file", f"{prefix}{name} is no file that can be checked.")


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _hashed(path: str, real: Path) -> FileOnDisc:
    descriptor = _open(real)
    hasher = hashlib.sha256()
    size = 0
    try:
        while piece := os.read(descriptor, _PIECE):
            hasher.update(piece)
            size += len(piece)
    finally:
        os.close(descriptor)
    return FileOnDisc(path, size, hasher.hexdigest())

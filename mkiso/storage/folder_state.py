"""What lies in a folder and since when nobody changed it, without reading a file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Signature(NamedTuple):
    """What tells that a file is the one that was read, and as it was."""

    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class FolderState:
    """A folder, or a single file, as it is now."""

    digest: bytes  # of all names, sizes and times
    newest_ns: int  # when anything in it was changed last, by the file system's clock
    files: int
    size_bytes: int


def signature(state: os.stat_result) -> Signature:
    """Return what tells a file from what it may become."""
    return Signature(state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def folder_state(path: Path, now_ns: int | None = None) -> FolderState:
    """Return what is below `path`; links are not followed. Raises OSError when it is gone.

    A folder that cannot be read counts as one file. Times of modification after `now_ns` are not
    believed: a copy keeps those of its original, and that one's clock may have been wrong.
    """
    digest = hashlib.sha256()
    own = path.lstat()
    newest, files, size = _newest(own, now_ns), 0, 0
    if not stat.S_ISDIR(own.st_mode) or not os.access(path, os.R_OK | os.X_OK):
        digest.update(repr(signature(own)).encode("ascii"))
        return FolderState(digest.digest(), newest, 1, own.st_size)
    for name, state in entries(path):
        newest = max(newest, _newest(state, now_ns))
        is_folder = stat.S_ISDIR(state.st_mode)
        files += not is_folder
        size += 0 if is_folder else state.st_size
        known = (state.st_ino,) if is_folder else signature(state)
        digest.update(os.fsencode(name) + b"\0" + repr(tuple(known)).encode("ascii"))
    return FolderState(digest.digest(), newest, files, size)


def entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every file and folder below `folder`, by its relative path, in order.

    A folder that cannot be read is yielded as what it is, and nothing of what is in it.
    """
    places = [""]
    while places:
        place = places.pop()
        try:
            with os.scandir(folder / place) as found:
                names = sorted(entry.name for entry in found)
        except OSError:
            if not place:
                raise
            continue
        inner = []
        for name in names:
            relative = os.path.join(place, name)  # noqa: PTH118 - names that Path would change
            with contextlib.suppress(FileNotFoundError):
                state = os.lstat(folder / relative)
                yield relative, state
                if stat.S_ISDIR(state.st_mode):
                    inner.append(relative)
        places += reversed(inner)


def is_being_written(path: Path) -> bool:
    """Return whether a process of this machine has a file open for writing, as far as one can say.

    A read lease is given for no such file (fcntl(2)); to whom the file does not belong none is
    given at all.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # who opens it in this moment makes the kernel send a signal: one that does nothing
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EWOULDBLOCK)
    except AttributeError:  # not Linux
        return False
    finally:
        os.close(descriptor)
    return False


def _newest(state: os.stat_result, now_ns: int | None) -> int:
    is_believed = now_ns is None or state.st_mtime_ns <= now_ns
    return max(state.st_ctime_ns, state.st_mtime_ns if is_believed else 0)

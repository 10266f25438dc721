"""Moves folders and files, also to another file system; nothing goes before its copy is safe."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from mkiso.errors import CantCreateError, DiskError

_STAMP = "%Y%m%d_%H%M%S"
_STAMPED = re.compile(r"[0-9]{8}_[0-9]{6}")
#: A copy in the making.
PART = ".mkiso-part"
_LONGEST_NAME = 255  # bytes


def free_place(root: Path, name: str, now: float) -> Path:
    """Return `<root>/<yyyymmdd_hhmmss>/<name>` for a moment (local time), or the next free second.

    The folder of that second is made. Raises CantCreateError or DiskError.
    """
    while True:
        folder = root / time.strftime(_STAMP, time.localtime(now))
        place = folder / name
        if not os.path.lexists(place) and not os.path.lexists(_part(place)):
            break
        now += 1.0
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise CantCreateError(f"{root} cannot be used: {error.strerror}.") from error
    return folder / name


def move(source: Path, target: Path) -> None:
    """Move a file or folder to a name that is free.

    On another file system it is copied, synced, and only then removed here. Raises DiskError with
    everything still at its place.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise DiskError(_sentence(target, error)) from error
    else:
        _sync(target.parent)
        return
    part = _part(target)
    try:
        if stat.S_ISDIR(source.lstat().st_mode):
            shutil.copytree(source, part, symlinks=True)
        else:
            shutil.copy2(source, part, follow_symlinks=False)
        _sync_all(part)
        part.rename(target)
        _sync(target.parent)
    except (OSError, shutil.Error) as error:
        remove(part)
        raise DiskError(_sentence(target, error)) from error
    remove(source)


def remove(path: Path) -> None:
    """Remove a file or a folder with everything in it, as far as it goes."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def old_places(root: Path, older_than_seconds: float, now: float) -> tuple[Path, ...]:
    """Return the folders of `<root>/<yyyymmdd_hhmmss>` that are older, by their names."""
    oldest = time.strftime(_STAMP, time.localtime(now - older_than_seconds))
    try:
        with os.scandir(root) as found:
            names = [
                entry.name
                for entry in found
                if _STAMPED.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return ()
    return tuple(root / name for name in sorted(names) if name < oldest)


def remove_unfinished(roots: Iterable[Path]) -> None:
    """Remove copies that a killed run left half made."""
    for root in roots:
        for path in root.glob(f"[0-9]*_[0-9]*/*{PART}"):
            remove(path)


def _part(target: Path) -> Path:
    """Return what a copy is called before it is whole; a name may be as long as names can be."""
    name = os.fsencode(target.name)[: _LONGEST_NAME - len(PART)]
    return target.with_name(os.fsdecode(name) + PART)


def _sync_all(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        _sync(path)
        return
    for place, _, names in os.walk(path):
        for name in names:
            _sync(Path(place, name))
        _sync(Path(place))


def _sync(path: Path) -> None:
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a share may sync no folders
            raise
    finally:
        os.close(descriptor)


def _sentence(target: Path, error: Exception) -> str:
    """Say what is wrong with a place without naming the folder, which names a patient."""
    where = target.parent.parent
    number = (error.errno if isinstance(error, OSError) else None) or _errno_of(error)
    why = os.strerror(number) if number else "the copy failed"
    return f"Nothing can be moved to {where}: {why}; nothing was deleted. Make room, or repair it."


def _errno_of(error: Exception) -> int:
    """Return the number of what `shutil.copytree` collects as text."""
    text = str(error)
    match = re.search(r"\[Errno ([0-9]+)\]", text)
    return int(match[1]) if match else 0

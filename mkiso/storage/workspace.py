"""The work folder of a run, beside its result: private, locked while it lives, swept when dead.

It is on the output's file system, so that a finished image gets its name by a rename.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

from mkiso.errors import CantCreateError, DiskError, MkisoError

PREFIX = ".mkiso-"
#: A folder in the making: it has no lock yet. One this old was left by a run that died there.
_IN_THE_MAKING = ".new"
_MAKING_TAKES_SECONDS = 600.0
_LOCK_NAME = "lock"
#: The disk is at fault, not the name: another folder on it would do no better.
_DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def harden_process() -> None:
    """Make files of this process private by default, and keep memory out of core dumps."""
    os.umask(0o077)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def require_output_folder(folder: Path, mode: int = 0o750) -> bool:
    """Make sure that `folder` can take a disc image; return whether it had to be made.

    A missing folder is made when its parent exists, with `mode`. Raises CantCreateError, or
    DiskError when the disk itself is at fault.
    """
    made = False
    try:
        if not folder.is_dir():
            if folder.exists():
                raise CantCreateError(
                    f"The output folder {folder} is not a folder; choose another with --output."
                )
            folder.mkdir()
            folder.chmod(mode)
            made = True
        probe = Path(tempfile.mkdtemp(prefix=PREFIX, suffix=_IN_THE_MAKING, dir=folder))
        probe.rmdir()
    except OSError as error:
        raise _unusable(folder, error) from error
    return made


def free_bytes(folder: Path) -> int:
    """Return the bytes that this user may still write on the file system of `folder`."""
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize


def require_free(folder: Path, needed_bytes: int) -> None:
    """Raise DiskError when the file system of `folder` has less than `needed_bytes` free."""
    free = free_bytes(folder)
    if free < needed_bytes:
        raise DiskError(
            f"{folder} has {free / 1e6:,.0f} MB free and about {needed_bytes / 1e6:,.0f} MB are "
            "needed; make room there, or choose another folder with --output."
        )


class Workspace:
    """A work folder that exists from `with` to the end of it, whatever happens in between.

    While it exists, temporary files of all libraries go into it, too.
    """

    def __init__(self, output_folder: Path, job_id: str) -> None:
        """Plan `<output_folder>/.mkiso-<job_id>`; nothing is made before `with`."""
        self.folder = output_folder.absolute() / f"{PREFIX}{job_id}"
        self._lock = -1
        self._before: tuple[str | None, str | None] = (None, None)

    def __enter__(self) -> Workspace:  # noqa: PYI034 - typing.Self came with Python 3.11
        """Make and lock the folder. Raises CantCreateError or DiskError."""
        making = self.folder.with_name(self.folder.name + _IN_THE_MAKING)
        try:
            making.mkdir(mode=0o700)
            self._lock = os.open(making / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Under its own name only when locked: a sweeper never sees it as dead. A folder of
            # that name that is there already makes the rename fail, as its lock file is in it.
            making.rename(self.folder)
        except OSError as error:
            self._unlock()
            if not isinstance(error, FileExistsError):
                shutil.rmtree(making, ignore_errors=True)
            raise _unusable(self.folder.parent, error) from error
        self._before = (tempfile.tempdir, os.environ.get("TMPDIR"))
        _point_temporary_files(str(self.folder), str(self.folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the folder with everything in it and free the lock."""
        if tempfile.tempdir == str(self.folder):  # else a later run has pointed them elsewhere
            _point_temporary_files(*self._before)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _point_temporary_files(tempdir: str | None, variable: str | None) -> None:
    """Set where libraries and child programs put temporary files; a folder that is gone is not."""
    tempfile.tempdir = tempdir if tempdir and Path(tempdir).is_dir() else None
    if variable and Path(variable).is_dir():
        os.environ["TMPDIR"] = variable
    else:
        os.environ.pop("TMPDIR", None)


def sweep_stale(output_folder: Path, now: float | None = None) -> tuple[str, ...]:
    """Remove the work folders that dead runs left in `output_folder`; return their names.

    Dead is who does not hold the lock any more: the kernel frees it on SIGKILL and power loss.
    Folders that cannot be removed (another user's) are left.
    """
    swept = []
    with contextlib.suppress(OSError), os.scandir(output_folder) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                folder = Path(entry.path)
                if _is_dead(folder, time.time() if now is None else now):
                    shutil.rmtree(folder, ignore_errors=True)
                    if not folder.exists():
                        swept.append(entry.name)
    return tuple(sorted(swept))


def _is_dead(folder: Path, now: float) -> bool:
    try:
        if folder.name.endswith(_IN_THE_MAKING):
            return now - folder.stat().st_mtime > _MAKING_TAKES_SECONDS
        lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False  # not a work folder, or not ours to touch
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _unusable(folder: Path, error: OSError) -> MkisoError:
    if error.errno in _DISK_FAULTS:
        return DiskError(
            f"Nothing can be written in the output folder {folder}: {error.strerror}; "
            "make room there, or choose another folder with --output."
        )
    return CantCreateError(
        f"The output folder {folder} cannot be used: {error.strerror}; "
        "choose a folder that exists and is writable with --output."
    )

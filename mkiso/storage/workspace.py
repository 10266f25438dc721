"""The work folder of a run, beside its result: private, locked while it lives, swept when dead.

It is on the output's file system, so that a finished image gets its name by a rename.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from mkiso.errors import CantCreateError, DiskError, MkisoError

PREFIX = ".mkiso-"
#: A folder in the making: it has no lock yet. One this old was left by a run that died there.
_IN_THE_MAKING = ".new"
_MAKING_TAKES_SECONDS = 600.0
_LOCK_NAME = "lock"
#: In a folder that the next attempt at its job may take over; sweepers leave it alone so long.
_RESUMABLE_NAME = "resumable"
KEPT_SECONDS = 86400.0
#: Of a whole instance, as `storage.instances` names them.
INSTANCE_ENDING = ".dcm"
FOLDER_OWN_FILES = (_LOCK_NAME, _RESUMABLE_NAME)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
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
            made = _made(folder)
            if made:
                with contextlib.suppress(OSError):  # a network share may know no permissions
                    folder.chmod(mode)
        probe = Path(tempfile.mkdtemp(prefix=PREFIX, suffix=_IN_THE_MAKING, dir=folder))
        probe.rmdir()
    except OSError as error:
        raise _unusable(folder, error) from error
    return made


def _made(folder: Path) -> bool:
    """Make the folder; False: another run was quicker. Raises CantCreateError and OSError."""
    try:
        folder.mkdir()
    except FileExistsError:
        if folder.is_dir():
            return False
        raise CantCreateError(
            f"The output folder {folder} is not a folder; choose another with --output."
        ) from None
    return True


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

    def __init__(
        self,
        output_folder: Path,
        job_id: str,
        *,
        resumable: bool = False,
        keep_after: frozenset[int] = frozenset(),
    ) -> None:
        """Plan `<output_folder>/.mkiso-<job_id>`; nothing is made before `with`.

        `resumable`: a folder that a dead run of the same job left is taken over, for
        `storage.resuming` to judge what is in it; and this one stays when the run is killed, or
        ends with a failure of one of the codes in `keep_after`.
        """
        self.folder = output_folder.absolute() / f"{PREFIX}{job_id}"
        self.is_adopted = False
        self._resumable = resumable
        self._keep_after = keep_after
        self._lock = -1

    def __enter__(self) -> Workspace:  # noqa: PYI034 - typing.Self came with Python 3.11
        """Make and lock the folder. Raises CantCreateError or DiskError."""
        self.is_adopted = self._resumable and self._adopt()
        if not self.is_adopted:
            self._make()
        _TEMPORARY_FILES.enter(str(self.folder))
        return self

    def _make(self) -> None:
        making = self.folder.with_name(self.folder.name + _IN_THE_MAKING)
        try:
            making.mkdir(mode=0o700)
            self._lock = os.open(making / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            self._take_lock()
            if self._resumable:
                (making / _RESUMABLE_NAME).touch(mode=0o600, exist_ok=False)
            # Under its own name only when locked: a sweeper never sees it as dead. A folder of
            # that name that is there already makes the rename fail, as its lock file is in it.
            making.rename(self.folder)
        except OSError as error:
            self._unlock()
            if not isinstance(error, FileExistsError):
                _discard(making)
            raise _unusable(self.folder.parent, error) from error

    def _adopt(self) -> bool:
        """Take over the folder of a dead run: ours, private, not too old, with its lock free."""
        try:
            state = self.folder.lstat()
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
                return False
            if _is_resumable(self.folder, time.time()):
                self.folder.chmod(0o700)
                self._lock = os.open(self.folder / _LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # a sweeper may have been quicker between the two
                if (self.folder / _LOCK_NAME).stat().st_ino == os.fstat(self._lock).st_ino:
                    _remove_unfinished(self.folder)
                    return True
            else:
                sweep_stale(self.folder.parent, only=self.folder.name)
        except OSError:
            pass
        self._unlock()
        return False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the folder with everything in it and free the lock."""
        _TEMPORARY_FILES.leave(str(self.folder))
        if not (isinstance(error, MkisoError) and error.code in self._keep_after):
            _remove(self.folder)
        self._unlock()

    def _take_lock(self) -> None:
        """Lock the new folder; a share without locks keeps what a killed run leaves there."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


@contextlib.contextmanager
def private_folder(purpose: str) -> Iterator[Path]:
    """Give a folder among the temporary ones for what nobody keeps, gone at the end.

    What runs of this user that were killed left there goes first. Raises DiskError.
    """
    place = Path(tempfile.gettempdir())
    sweep_stale(place, owner=os.geteuid())
    with contextlib.ExitStack() as stack:
        try:
            work = stack.enter_context(Workspace(place, f"{purpose}-{secrets.token_hex(4)}"))
        except MkisoError as error:
            raise DiskError(f"There is no room for temporary files in {place}.") from error
        yield work.folder


def _discard(making: Path) -> None:
    """Remove a folder that was not finished; without opening it, as no handle may be left."""
    for name in FOLDER_OWN_FILES:
        with contextlib.suppress(OSError):
            (making / name).unlink()
    with contextlib.suppress(OSError):
        making.rmdir()


def _remove_unfinished(folder: Path) -> None:
    """Remove everything but the folder's own files and whole instances. Raises OSError."""
    with os.scandir(folder) as entries:
        others = [e for e in entries if e.name not in FOLDER_OWN_FILES]
    for entry in others:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        elif not entry.name.endswith(INSTANCE_ENDING):
            Path(entry.path).unlink()


class _TemporaryFiles:
    """Where libraries and child programs put temporary files: the work folder of the last run.

    Runs of one process overlap, and end in any order, in several threads.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._folders: list[str] = []
        self._outside: tuple[str | None, str | None] = (None, None)

    def enter(self, folder: str) -> None:
        with self._guard:
            if not self._folders:
                self._outside = (tempfile.tempdir, os.environ.get("TMPDIR"))
            self._folders.append(folder)
            self._point(folder, folder)

    def leave(self, folder: str) -> None:
        with self._guard:
            if folder not in self._folders:  # it was left before
                return
            self._folders.remove(folder)
            last = self._folders[-1] if self._folders else None
            self._point(*((last, last) if last else self._outside))

    def _point(self, tempdir: str | None, variable: str | None) -> None:
        tempfile.tempdir = tempdir
        if variable:
            os.environ["TMPDIR"] = variable
        else:
            os.environ.pop("TMPDIR", None)


_TEMPORARY_FILES = _TemporaryFiles()


def sweep_stale(
    output_folder: Path,
    now: float | None = None,
    *,
    only: str = "",
    owner: int | None = None,
) -> tuple[str, ...]:
    """Remove the work folders that dead runs left in `output_folder`; return their names.

    Dead is who does not hold the lock any more: the kernel frees it on SIGKILL and power loss.
    Folders that cannot be removed (another user's) are left, and for a day those that another
    attempt at the job may take over. `only` is the name of the one folder that is looked at; with
    an `owner`, only that user's are: in a place for everybody, others may put anything there.
    """
    swept = []
    moment = time.time() if now is None else now
    with contextlib.suppress(OSError), os.scandir(output_folder) as entries:
        for entry in entries:
            if only not in ("", entry.name):
                continue
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                folder = Path(entry.path)
                if owner is not None and folder.lstat().st_uid != owner:
                    continue
                if not _is_resumable(folder, moment) and _is_dead(folder, moment):
                    _remove(folder)
                    if not folder.exists():
                        swept.append(entry.name)
    return tuple(sorted(swept))


def remove_abandoned(output_folder: Path, job_id: str) -> None:
    """Remove the work folder of a job that nobody will go on with, unless a run has it."""
    sweep_stale(output_folder, time.time() + 2 * KEPT_SECONDS, only=f"{PREFIX}{job_id}")


def _is_resumable(folder: Path, now: float) -> bool:
    try:
        marked = (folder / _RESUMABLE_NAME).lstat().st_mtime
    except OSError:
        return False
    return now - marked < KEPT_SECONDS


def _remove(folder: Path) -> None:
    """Remove a work folder as far as it goes, its lock last: a sweeper knows the rest by that."""
    with contextlib.suppress(OSError):
        with os.scandir(folder) as found:
            entries = list(found)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != _LOCK_NAME:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108 - thousands of them
        if os.listdir(folder) == [_LOCK_NAME]:  # noqa: PTH208 - names are all that is wanted
            (folder / _LOCK_NAME).unlink()
        folder.rmdir()


def _is_dead(folder: Path, now: float) -> bool:
    try:
        if folder.name.endswith(_IN_THE_MAKING):
            return now - folder.stat().st_mtime > _MAKING_TAKES_SECONDS
        lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return _is_old_and_empty(folder, now)
    except OSError:
        return False  # not a work folder, or not ours to touch
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _is_old_and_empty(folder: Path, now: float) -> bool:
    """Whether nothing but the folder itself could not be removed, some time ago."""
    with contextlib.suppress(OSError):
        return now - folder.stat().st_mtime > _MAKING_TAKES_SECONDS and not any(folder.iterdir())
    return False


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

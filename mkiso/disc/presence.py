"""Whether there is a disc to judge at all, and whether this user may read it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mkiso.disc.iso_records import SECTOR
from mkiso.errors import DiskError, NotFoundError, PermissionDeniedError, VerifyError

#: ECMA-119 6.2.1 and 8.1.2: the first volume descriptor is in sector 16.
_FIRST_DESCRIPTOR = 16 * SECTOR
_STANDARD_IDENTIFIER = b"CD001"
_GIVE = "give an image, a drive, or the folder of a mounted or extracted disc."


def require_disc(path: Path) -> None:
    """Raise one clear failure for what is no disc; what may be one is for the judge.

    NotFoundError for nothing, a pipe or a terminal; PermissionDeniedError; DiskError when it cannot
    be read; VerifyError for an empty folder and for a file without an ISO 9660 volume.
    """
    with said_of(path):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            _require_entries(path)
        elif stat.S_ISREG(mode) or stat.S_ISBLK(mode):
            _require_volume(path)
        else:
            raise NotFoundError(f"{path} is no file that could hold a disc; {_GIVE}")


def is_zip(path: Path) -> bool:
    """Say whether the file at `path` begins as a ZIP archive does (APPNOTE 4.3.7)."""
    if not path.is_file():  # reading from a pipe would wait
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\3\4"
    except OSError:
        return False


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """Turn what the system says about `path` into a failure of the program."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"There is nothing at {path}; {_GIVE}") from error
    except PermissionError as error:
        place = f": {error.filename}" if error.filename not in {None, str(path), path} else ""
        raise PermissionDeniedError(
            f"{path} may not be read by this user{place}; change its permissions, or run mkiso as "
            "a user who may read it."
        ) from error
    except OSError as error:
        hint = "insert a disc" if error.errno == errno.ENOMEDIUM else "check the disk or the drive"
        raise DiskError(f"{path} cannot be read: {error.strerror}; {hint}.") from error


def _require_entries(folder: Path) -> None:
    with os.scandir(folder) as entries:
        if next(entries, None) is None:
            raise VerifyError(
                f"{folder} is an empty folder: no disc is mounted or extracted there."
            )


def _require_volume(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.pread(descriptor, 1 + len(_STANDARD_IDENTIFIER), _FIRST_DESCRIPTOR)
        is_empty = not found and not os.pread(descriptor, 1, 0)
    finally:
        os.close(descriptor)
    if is_empty:
        raise VerifyError(f"{path} is empty: no disc image; make or copy it again.")
    if found[1:] != _STANDARD_IDENTIFIER:
        raise VerifyError(f"{path} is no disc image: there is no ISO 9660 volume in it.")

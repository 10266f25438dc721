"""Gives a finished image its name, sidecar first, so that a name never stands for half a thing."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mkiso.core.checksums import CHECKSUMS
from mkiso.core.disc_content import CheckResult
from mkiso.core.display_text import counted
from mkiso.core.findings import Findings
from mkiso.core.sidecar import MAX_SIDECAR_BYTES, decode_sidecar, instances_of, missing_count
from mkiso.errors import CantCreateError, DiskError, MkisoError

_PIECE = 1024 * 1024
LOCK_POLL_SECONDS = 0.05

#: The file system knows no hard links (FAT, some network shares).
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def sidecar_path(image: Path) -> Path:
    """Give the place of an image's sidecar: `NAME.json` beside `NAME.iso`."""
    if image.suffix in {".iso", ".zip"}:
        return image.with_suffix(".json")
    return image.with_name(f"{image.name}.json")  # a folder, whose name may have a dot


def existing_disc(image: Path) -> dict[str, Any] | None:
    """Give the sidecar of the image that is there, None unless the two belong together.

    The image is read and hashed: a run that was killed between the two names, or a person with an
    editor, may have left an image beside another one's sidecar.
    """
    found = described_disc(image)
    try:
        return found if found and _sha256(image) == found.get("sha256") else None
    except OSError:
        return None


def described_disc(image: Path) -> dict[str, Any] | None:
    """Give the sidecar of the image that is there, None when it cannot be its own.

    Only the size is compared: what is None here is None for `existing_disc`, in no time.
    """
    try:
        with sidecar_path(image).open("rb") as file:
            found = decode_sidecar(file.read(MAX_SIDECAR_BYTES))
        return found if found and found.get("size_bytes") == _size(image) else None
    except OSError:
        return None


def check_against_sidecar(image: Path, result: CheckResult) -> CheckResult:
    """Give the result with what the image's sidecar has to say, when there is one."""
    findings = Findings()
    try:
        with sidecar_path(image).open("rb") as file:
            found = decode_sidecar(file.read(MAX_SIDECAR_BYTES))
    except OSError:
        return result
    if found is None:
        findings.warning("sidecar.foreign", "The file beside the image is no sidecar of mkiso.")
    elif found.get("sha256") != result.sha256:
        findings.error("sidecar.image", "The image is not the one that its sidecar describes.")
    elif instances_of(found) != {(i.sop_instance_uid, i.sha256) for i in result.instances}:
        findings.error("sidecar.instances", "The sidecar lists other instances than are there.")
    elif found.get("complete") is False:
        findings.error(
            "sidecar.incomplete",
            "By its own description the disc is incomplete: "
            f"{counted(missing_count(found), 'instance')} known to be missing.",
        )
    return dataclasses.replace(result, findings=result.findings + findings.result())


def give_name(part: Path, image: Path, sidecar: bytes, *, mode: int, replace: bool) -> None:
    """Publish the verified file `part` as `image`, and `sidecar` beside it before.

    Both are on the disk under temporary names in the folder of `part` before either is named; the
    image's name is the only commit point: until it is there a failure brings back the sidecar that
    was. One without image is the rest of a run that died here, and is overwritten.
    Raises CantCreateError or DiskError.
    """
    aside = part.with_name(f"{part.name}.json")
    try:
        _write_to_disk(aside, sidecar, mode)
        _set_mode(part, mode)
        with _sidecar_named(aside, sidecar_path(image), part.with_name(f"{part.name}.old.json")):
            _sync_folder(image.parent)
            if replace:
                part.replace(image)
            else:
                _name_if_free(part, image)
        _sync_folder(image.parent)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise _failure(image, error) from error


def withdraw(image: Path, part: Path) -> None:
    """Take the name of a disc that was just published away again: it becomes `part`."""
    with suppress(OSError):
        image.rename(part)
        sidecar_path(image).unlink()
        _sync_folder(image.parent)


@contextmanager
def _sidecar_named(aside: Path, named: Path, former: Path) -> Iterator[None]:
    """Give the sidecar its name; when what follows fails, the one that was there has it again."""
    kept = _keep(named, former)
    try:
        aside.replace(named)
        yield
    except OSError:
        with suppress(OSError):
            if kept:
                former.replace(named)
            elif not aside.exists():
                named.unlink()
        raise


def _keep(path: Path, under: Path) -> bool:
    """Keep the file at `path`, if there is one, under a second name; return whether there is."""
    try:
        under.hardlink_to(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not path.exists():
            return False
        shutil.copyfile(path, under)
    return True


@contextmanager
def output_lock(folder: Path, require_time: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on naming discs in `folder`: two runs may end at the same moment.

    `require_time` is called while waiting and raises when there is no time left. Where the file
    system knows no locks there is none.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CantCreateError(
            f"The output folder {folder} cannot be used: {error.strerror}; choose another."
        ) from error
    try:
        while not _locked(descriptor):
            require_time()
            time.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here, and no use in waiting for one
    return True


def _name_if_free(part: Path, image: Path) -> None:
    """Rename, but never over a file that came to be there meanwhile."""
    try:
        image.hardlink_to(part)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if image.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(image)) from None
        part.rename(image)
    else:
        with suppress(OSError):  # it goes with the work folder
            part.unlink()


def _set_mode(path: Path, mode: int) -> None:
    """Set the permissions where the file system has any (a network share often has not)."""
    if path.is_dir():  # its files have theirs already
        return
    with suppress(PermissionError, NotImplementedError):
        try:
            path.chmod(mode)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise


def _write_to_disk(path: Path, content: bytes, mode: int) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        _set_mode(path, mode)
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    """Give the bytes of an image or an archive, or of all files of a folder."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size


def _sha256(path: Path) -> str:
    """Give the hash of an image or an archive; of a folder that of its list of hashes."""
    hasher = hashlib.sha256()
    whole = path / CHECKSUMS if path.is_dir() else path
    with whole.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


def _failure(image: Path, error: OSError) -> MkisoError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return DiskError(f"The disc could not be stored at {image}: {error.strerror}.")
    if error.errno == errno.EEXIST:
        return CantCreateError(f"Meanwhile another disc was made at {image}; run the job again.")
    if error.errno == errno.EXDEV:
        return CantCreateError(
            f"The work folder is not on the file system of {image.parent}; choose another folder."
        )
    return CantCreateError(
        f"The disc could not be named {image}: {error.strerror}; check the output folder."
    )

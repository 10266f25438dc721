"""C-STORE into the archive's folder: a file has its name only when it is whole and on the disk."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import sqlite3
import threading
from pathlib import Path

from mkiso.archive.folder_scan import PART_SUFFIX
from mkiso.archive.index import Index
from mkiso.archive.stored_file import NotDicomError, StoredFile, read_stored_file
from mkiso.core.byte_source import HeaderError
from mkiso.core.contexts import is_uid
from mkiso.core.file_meta import encode_file_meta
from mkiso.network.dimse import Command

# Status codes of C-STORE, PS3.4 Table B.2-1
_SUCCESS = 0x0000
_OUT_OF_RESOURCES = 0xA700
_DOES_NOT_MATCH = 0xA900
_CANNOT_UNDERSTAND = 0xC000
_OTHER_CONTENT = 0xC111  # the instance is here already, with other bytes: a person must look

_FOLDER = "received"
_BUFFER_BYTES = 1 << 20


class Storage:
    """Takes instances into `received/` below the archive's folder, named by a hash of UIDs."""

    def __init__(self, folder: Path, index: Index) -> None:
        """Remove what a killed archive left half written; nothing else is touched."""
        self._folder = folder
        self._index = index
        self._lock = threading.Lock()
        for path in (folder / _FOLDER).glob(f"*/*{PART_SUFFIX}"):
            _remove_abandoned(path)

    def begin(self, command: Command, transfer_syntax_uid: str) -> Incoming:
        """Begin to take the instance of a C-STORE request; an error shows when it is finished."""
        return Incoming(self, command, transfer_syntax_uid)

    def new_file(self, name: str) -> tuple[Path, int]:
        """Create a file for an instance on its way in; return path and descriptor."""
        folder = self._folder / _FOLDER / name[:2]
        _make_folder(folder, self._folder)
        path = folder / f".{name[2:]}-{secrets.token_hex(4)}{PART_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # it belongs to somebody who is alive
        return path, descriptor

    def take(self, part: Path, file: StoredFile) -> int:
        """Give a whole file its name and an entry in the index; return the status."""
        uids = (file.values["StudyInstanceUID"], file.values["SOPInstanceUID"])
        name = hashed_name("\0".join(uids))
        final = self._folder / _FOLDER / name[:2] / f"{name[2:]}.dcm"
        with self._lock:
            here = self._index.file_of(*uids)
            if here is not None and here.path.exists():
                same = _same_data_set(part, file.data_set_offset, here.path, here.data_set_offset)
                return _SUCCESS if same else _OTHER_CONTENT
            _make_folder(final.parent, self._folder)
            part.replace(final)  # nothing is lost: no instance of the index is there
            _sync(final.parent)
            with self._index.transaction():
                if here is not None:
                    self._index.forget([os.fsencode(here.path.relative_to(self._folder))])
                self._index.add(os.fsencode(final.relative_to(self._folder)), file)
        return _SUCCESS


class Incoming:
    """One instance on its way in. `write` never raises; `finish` gives the C-STORE's status."""

    def __init__(self, storage: Storage, command: Command, transfer_syntax_uid: str) -> None:
        """Create the file and write its meta information."""
        self._storage = storage
        self._sop_class_uid = command.get("AffectedSOPClassUID", "")
        self._sop_instance_uid = command.get("AffectedSOPInstanceUID", "")
        self._path: Path | None = None
        self._failed = False
        self._are_uids = is_uid(self._sop_class_uid) and is_uid(self._sop_instance_uid)
        if not self._are_uids:
            return
        try:
            name = hashed_name(self._sop_instance_uid)
            self._path, descriptor = storage.new_file(name)
            self._file = os.fdopen(descriptor, "wb", buffering=_BUFFER_BYTES)
            self._file.write(
                encode_file_meta(self._sop_class_uid, self._sop_instance_uid, transfer_syntax_uid)
            )
        except OSError:
            self._failed = True

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set."""
        if self._path is not None and not self._failed:
            try:
                self._file.write(fragment)
            except OSError:
                self._failed = True

    def finish(self) -> int:
        """Bring the file to the disk, check it, name it; return the status."""
        try:
            return self._finished()
        except (OSError, sqlite3.Error):
            return _OUT_OF_RESOURCES
        except (HeaderError, NotDicomError):
            return _CANNOT_UNDERSTAND
        finally:
            self.discard()

    def _finished(self) -> int:
        if not self._are_uids:
            return _CANNOT_UNDERSTAND
        if self._failed or self._path is None:
            return _OUT_OF_RESOURCES
        self._file.flush()
        os.fsync(self._file.fileno())
        file = read_stored_file(self._path)
        named = (file.values["SOPClassUID"], file.values["SOPInstanceUID"])
        if named != (self._sop_class_uid, self._sop_instance_uid):
            return _DOES_NOT_MATCH
        return self._storage.take(self._path, file)

    def discard(self) -> None:
        """Close the file and remove it unless it got its name."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._path = None


def hashed_name(uid: str) -> str:
    """Return a file name for a UID: what comes from the network is never part of a path."""
    return hashlib.sha256(uid.encode()).hexdigest()[:34]


def _same_data_set(one: Path, offset: int, other: Path, other_offset: int) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        first.seek(offset)
        second.seek(other_offset)
        while True:
            piece = first.read(_BUFFER_BYTES)
            if piece != second.read(_BUFFER_BYTES):
                return False
            if not piece:
                return True


def _make_folder(folder: Path, root: Path) -> None:
    """Make a folder below `root` so that it is there after a power cut, too."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for parent in folder.parents:
            _sync(parent)
            if parent == root:
                break


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(path: Path) -> None:
    """Remove a file that nobody writes: its writer's lock went with the writer."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()

"""What can be sent: the instances in files, folders, file-sets, ISO images and ZIP archives."""

from __future__ import annotations

import errno
import hashlib
import lzma
import os
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mkiso.core.byte_source import HeaderError
from mkiso.core.header import LevelCache, ParsedHeader, read_header
from mkiso.disc.dicomdir_reader import MEDIA_STORAGE_DIRECTORY, parse_dicomdir
from mkiso.disc.file_meta import MAX_META_BYTES, is_dicom, parse_file_meta
from mkiso.disc.iso_reader import read_iso
from mkiso.errors import DataError, DiskError, UsageError
from mkiso.network.store import OutgoingFile
from mkiso.storage.workspace import require_free

# Why something is not sent
NOT_DICOM = "not DICOM"
DAMAGED = "damaged or without UIDs"
UNREADABLE = "unreadable"
NOT_THERE = "named by DICOMDIR, not there"
TWICE = "the same instance again"
A_LINK = "a symbolic link inside a folder"
#: What was there to be sent and is not: who asked for it must hear of it.
LACKING = (DAMAGED, UNREADABLE, NOT_THERE)

_HEAD_BYTES = 256 * 1024
_PIECE = 1 << 20
_ISO_SIGNATURE = (32769, b"CD001")  # ECMA-119 8.1.2, in sector 16
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_MOST_DICOMDIR_BYTES = 512 << 20
_SPARE_BYTES = 64 << 20
#: What Python raises for a ZIP archive that is damaged, encrypted or of a kind it does not know.
_DAMAGED_ZIP = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(NotImplementedError, RuntimeError, EOFError),
)

ReadAt = Callable[[int, int], bytes]


class Sources:
    """Instances to send, each SOP Instance UID once. `temporary` takes what is unpacked."""

    def __init__(self, temporary: Path, require_running: Callable[[], None]) -> None:
        """Begin with nothing; `require_running` raises to stop reading."""
        self.files: dict[str, OutgoingFile] = {}  # by SOP Instance UID
        self.headers: dict[str, ParsedHeader] = {}
        self.names: dict[str, str] = {}  # where each comes from
        self.not_sent: Counter[str] = Counter()
        self.conflicts: list[str] = []  # SOP Instance UIDs with two contents
        self._temporary = temporary
        self._require_running = require_running
        self._levels: LevelCache = {}

    def add(self, paths: Iterable[Path]) -> None:
        """Read what is at these paths.

        Raises UsageError for one that is not there, DataError for an archive or image that cannot
        be read, DiskError when there is no room to unpack.
        """
        for path in paths:
            try:
                mode = path.stat().st_mode
            except OSError as error:
                raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
            if stat.S_ISDIR(mode):
                self._add_folder(path)
            else:
                self._add_file(path)

    def _add_folder(self, folder: Path) -> None:
        def unreadable(_error: OSError) -> None:
            self.not_sent[UNREADABLE] += 1

        for path in _files(folder, unreadable):
            self._require_running()
            if path.is_symlink():
                self.not_sent[A_LINK] += 1
            else:
                self._add_dicom(path, str(path))

    def _add_file(self, path: Path) -> None:
        head = _head(path)
        if head[:4] in _ZIP_SIGNATURES:
            self._add_zip(path)
        elif _bytes_at(path, *_ISO_SIGNATURE):
            self._add_iso(path)
        elif _is_dicomdir(head):
            self._add_file_set(path)
        else:
            self._add_dicom(path, str(path))

    def _add_dicom(self, path: Path, name: str) -> None:
        try:
            with path.open("rb", buffering=0) as file:
                number, size = file.fileno(), os.fstat(file.fileno()).st_size
                self._add_part(path, 0, size, name, lambda at, n: os.pread(number, n, at))
        except OSError:
            self.not_sent[UNREADABLE] += 1

    def _add_part(self, path: Path, start: int, size: int, name: str, read_at: ReadAt) -> None:
        """Take the instance of `size` bytes that begins at `start` of a file."""
        head = read_at(start, min(size, _HEAD_BYTES))
        if not is_dicom(head):
            self.not_sent[NOT_DICOM] += 1
            return
        meta = parse_file_meta(head)
        if meta is None:
            self.not_sent[DAMAGED] += 1
            return
        if meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
            return
        data, length = start + meta.size_bytes, size - meta.size_bytes
        try:
            parsed = read_header(
                head[meta.size_bytes :],
                lambda at, n: read_at(data + at, n),
                length,
                meta.transfer_syntax_uid,
                self._levels,
            )
        except HeaderError:
            self.not_sent[DAMAGED] += 1
            return
        syntax = meta.transfer_syntax_uid
        uids = (parsed.sop_class_uid, parsed.sop_instance_uid, syntax)
        self._take(OutgoingFile(path, data, length, *uids), name, parsed)

    def _take(self, file: OutgoingFile, name: str, header: ParsedHeader) -> None:
        uid = file.sop_instance_uid
        first = self.files.setdefault(uid, file)
        if first is file:
            self.names[uid] = name
            self.headers[uid] = header
        elif first.transfer_syntax_uid != file.transfer_syntax_uid or _hash(first) != _hash(file):
            if uid not in self.conflicts:
                self.conflicts.append(uid)
        else:
            self.not_sent[TWICE] += 1

    def _add_file_set(self, path: Path) -> None:
        """Take the files that a DICOMDIR names, however a file system spells their names."""
        if path.stat().st_size > _MOST_DICOMDIR_BYTES:
            raise DataError(f"{path} is too large to be a DICOMDIR.")
        directory = parse_dicomdir(path.read_bytes())
        if not directory.records and directory.findings:
            raise DataError(f"{path}: {directory.findings[0].message}")
        for record in directory.references():
            self._require_running()
            found = _resolved(path.parent, record.file_id)
            if found is None:
                self.not_sent[NOT_THERE] += 1
            else:
                self._add_dicom(found, str(found))

    def _add_iso(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for name, extents in read_iso(descriptor).primary.files.items():
                self._require_running()
                place = _contiguous(extents)
                if place is None:
                    self.not_sent[UNREADABLE] += 1
                else:
                    self._add_part(
                        path, *place, f"{path}{name}", lambda at, n: os.pread(descriptor, n, at)
                    )
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
        finally:
            os.close(descriptor)

    def _add_zip(self, path: Path) -> None:
        """Unpack the DICOM files of a ZIP archive under names of our own and take them."""
        try:
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    self._require_running()
                    if not member.is_dir():
                        self._add_member(archive, member, path)
        except _DAMAGED_ZIP as error:
            raise _damaged_zip(path) from error
        except OSError as error:
            if error.errno in (None, errno.EINVAL):  # bz2's, or a place before the beginning
                raise _damaged_zip(path) from error
            raise DiskError(f"{path} cannot be unpacked: {error.strerror or error}.") from error

    def _add_member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
        with archive.open(member) as source:
            head = source.read(MAX_META_BYTES)
            if not is_dicom(head):
                self.not_sent[NOT_DICOM] += 1
                return
            require_free(self._temporary, member.file_size + _SPARE_BYTES)
            unpacked = self._temporary / f"{len(self.files):08d}-{member.header_offset}.dcm"
            with unpacked.open("xb") as file:
                file.write(head)
                shutil.copyfileobj(source, file, _PIECE)
        self._add_dicom(unpacked, f"{path}/{member.filename}")


def _files(folder: Path, unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    """Give every regular file below a folder, in the order of the names, and every link."""
    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        for name in (*folders, *sorted(names)):
            path = Path(place, name)
            try:
                if path.is_symlink() or path.is_file():
                    yield path
            except OSError as error:
                if name not in folders:  # those are met again, when they are gone into
                    unreadable(error)


def _damaged_zip(path: Path) -> DataError:
    return DataError(
        f"{path} is a ZIP archive that cannot be read: damaged, encrypted, or packed in an "
        "unknown way; unpack it by hand."
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_META_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _bytes_at(path: Path, offset: int, expected: bytes) -> bool:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(len(expected)) == expected


def _is_dicomdir(head: bytes) -> bool:
    meta = parse_file_meta(head)
    return meta is not None and meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY


def _resolved(folder: Path, file_id: tuple[str, ...]) -> Path | None:
    """Return the file of a File ID; mounted discs show names in lower case, or with `;1`."""
    if any(part in ("", ".", "..") or "/" in part for part in file_id):
        return None
    exact = folder.joinpath(*file_id)
    if exact.is_file():
        return exact
    place = folder
    for part in file_id:
        try:
            names = {_plain(name): name for name in os.listdir(place)}  # noqa: PTH208 - names alone
        except OSError:
            return None
        if _plain(part) not in names:
            return None
        place /= names[_plain(part)]
    return place if place.is_file() else None


def _plain(name: str) -> str:
    return name.upper().removesuffix(";1").removesuffix(".")


def _contiguous(extents: tuple[tuple[int, int], ...]) -> tuple[int, int] | None:
    """Return offset and size of a file in an image; None when it lies in pieces, or is empty."""
    end = extents[0][0] if extents else 0
    for start, size in extents:
        if start != end:
            return None
        end = start + size
    return (extents[0][0], end - extents[0][0]) if extents and end > extents[0][0] else None


def _hash(file: OutgoingFile) -> bytes:
    hasher = hashlib.sha256()
    with file.path.open("rb") as source:
        source.seek(file.offset)
        left = file.size_bytes
        while left and (piece := source.read(min(left, _PIECE))):
            hasher.update(piece)
            left -= len(piece)
    return hasher.digest()

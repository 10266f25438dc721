"""The references of any DICOMDIR, however it was written: strictly read first, else by pydicom.

Real ones are in Implicit VR or big endian, have a wrong group length or no preamble, or records
that no offset leads to. What is judged is judged elsewhere; here as much as can be is read.
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.config import disable_value_validation

from mkiso.core.disc_import import Reference
from mkiso.core.disc_layout import DIRECTORY
from mkiso.disc.dicomdir_reader import parse_dicomdir
from mkiso.disc.iso_reader import read_iso
from mkiso.disc.presence import is_zip

MAX_DIRECTORY_BYTES = 512 * 1024 * 1024
#: PS3.3 F.3.2.2: retired, for a record that is not used any more.
_NOT_IN_USE = 0


def foreign_references(content: bytes) -> tuple[Reference, ...] | None:
    """Return the references of a directory, None when nothing can be read in it."""
    directory = parse_dicomdir(content)
    if directory.records:
        return tuple(
            Reference(record.file_id, record.sop_instance_uid) for record in directory.references()
        )
    try:
        with warnings.catch_warnings(), disable_value_validation():
            warnings.simplefilter("ignore")
            records = dcmread(io.BytesIO(content), force=True).DirectoryRecordSequence
            return tuple(reference for r in records if (reference := _reference(r)))
    except Exception:  # noqa: BLE001 - whatever a damaged directory does to pydicom
        return None


def _reference(record: Any) -> Reference | None:
    file_id = record.get("ReferencedFileID")
    if not file_id or record.get("RecordInUseFlag", 1) == _NOT_IN_USE:
        return None
    parts = (file_id,) if isinstance(file_id, str) else tuple(map(str, file_id))
    return Reference(parts, str(record.get("ReferencedSOPInstanceUIDInFile", "")))


def find_directory(path: Path) -> tuple[str, bytes] | None:
    """Return the folder (upper case, "" for the root) and the content of a disc's DICOMDIR.

    `path` is a folder, an image or a ZIP archive; the directory nearest to the root is taken.
    None when there is none. Raises OSError.
    """
    if path.is_dir():
        places = {
            file.relative_to(path).as_posix(): file
            for file in _files(path)
            if _is_directory(file.name)
        }
        name = _nearest(places)
        return (_folder(name), _content(places[name])) if name is not None else None
    if is_zip(path):
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if _is_directory(n.rsplit("/", 1)[-1])]
            name = _nearest(names)
            if name is None or archive.getinfo(name).file_size > MAX_DIRECTORY_BYTES:
                return None
            return _folder(name), archive.read(name)
    return _in_image(path)


def _in_image(path: Path) -> tuple[str, bytes] | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        files = read_iso(descriptor).primary.files
        name = _nearest([n[1:] for n in files if _is_directory(n.rsplit("/", 1)[-1])])
        if name is None:
            return None
        extents = files[f"/{name}"]
        if sum(size for _, size in extents) > MAX_DIRECTORY_BYTES:
            return None
        return _folder(name), b"".join(os.pread(descriptor, n, at) for at, n in extents)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def _is_directory(name: str) -> bool:
    return name.upper().removesuffix(";1").removesuffix(".") == DIRECTORY


def _nearest(names: Any) -> str | None:
    return min(names, key=lambda name: (name.count("/"), name), default=None)


def _folder(name: str) -> str:
    return name.rpartition("/")[0].upper()


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_DIRECTORY_BYTES)

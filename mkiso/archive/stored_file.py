"""Reads what the index needs out of a DICOM file (PS3.10 7.1): its meta information and header."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from mkiso.archive.attributes import KEPT, SPECIFIC_CHARACTER_SET
from mkiso.core.byte_source import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG,
    ByteSource,
    HeaderError,
)
from mkiso.core.contexts import IMPLICIT_VR_LITTLE_ENDIAN
from mkiso.core.elements import scan
from mkiso.core.text import decode

EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"

_PREFIX_END = 132
_HEAD_BYTES = 65536
_MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
_TRANSFER_SYNTAX_UID = 0x00020010
_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
#: A deflated data set larger than this is not looked into.
_MAXIMUM_INFLATED = 512 << 20

_TAGS = frozenset({SPECIFIC_CHARACTER_SET, *(a.tag for a in KEPT)})


class NotDicomError(Exception):
    """The file is no DICOM file with meta information, or it is a DICOMDIR."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One DICOM file: decoded values by keyword (absent ones left out) and where its bytes are."""

    values: dict[str, str]
    character_set: str
    transfer_syntax_uid: str
    data_set_offset: int
    size_bytes: int
    mtime_ns: int


def read_stored_file(path: Path) -> StoredFile:
    """Read the header of a file.

    Raises NotDicomError, HeaderError when it is cut off or lacks one of its UIDs, and OSError.
    """
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        status = os.fstat(descriptor)
        head = os.pread(descriptor, _HEAD_BYTES, 0)
        if head[128:_PREFIX_END] != b"DICM":
            raise NotDicomError
        meta, offset = _file_meta(head)
        if _text(meta, _MEDIA_STORAGE_SOP_CLASS_UID) == _MEDIA_STORAGE_DIRECTORY:
            raise NotDicomError
        syntax = _text(meta, _TRANSFER_SYNTAX_UID)
        if not syntax:
            raise HeaderError("The file meta information names no transfer syntax.")
        if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            source = _inflated(os.pread(descriptor, status.st_size - offset, offset))
        else:
            source = ByteSource(
                head[offset:],
                lambda start, length: os.pread(descriptor, length, offset + start),
                status.st_size - offset,
            )
        values, character_set = _values(source, syntax)
    return StoredFile(values, character_set, syntax, offset, status.st_size, status.st_mtime_ns)


def _file_meta(head: bytes) -> tuple[dict[int, bytes], int]:
    """Return the elements of group 0002 and where the data set begins.

    Walked element by element, since the group length is wrong in many a file.
    """
    found: dict[int, bytes] = {}
    offset = _PREFIX_END
    try:
        while True:
            group, element, vr, length = struct.unpack_from("<HH2sH", head, offset)
            if group != 2:
                return found, offset
            value = offset + 8
            if vr in LONG:
                (length,) = struct.unpack_from("<I", head, offset + 8)
                value = offset + 12
            found[group << 16 | element] = head[value : value + length]
            offset = value + length
    except struct.error as error:
        raise HeaderError("The file ends inside its meta information.") from error


def _inflated(raw: bytes) -> ByteSource:
    try:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, _MAXIMUM_INFLATED)
    except zlib.error as error:
        raise HeaderError("The deflated data set is damaged.") from error
    return ByteSource(data, lambda start, length: data[start : start + length], len(data))


def _values(source: ByteSource, syntax: str) -> tuple[dict[str, str], str]:
    if syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        encoding = IMPLICIT_LITTLE
    else:
        encoding = EXPLICIT_BIG if syntax == EXPLICIT_VR_BIG_ENDIAN else EXPLICIT_LITTLE
    raw, _ = scan(source, encoding, _TAGS, frozenset())
    character_set = _text(raw, SPECIFIC_CHARACTER_SET)
    values = {a.keyword: decoded(raw[a.tag], a.vr, character_set) for a in KEPT if a.tag in raw}
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not values.get(keyword):
            raise HeaderError(f"The data set has no {keyword}.")
    return values, character_set


def decoded(raw: bytes, vr: str, character_set: str) -> str:
    """Return a raw value as text, without padding; binary numbers in decimal."""
    if vr == "US":
        return "\\".join(
            str(number) for (number,) in struct.iter_unpack("<H", raw[: len(raw) & ~1])
        )
    text = decode(raw, character_set, vr.encode())
    return text.rstrip(" \0") if vr in ("LT", "ST", "UT") else text.strip(" \0")


def _text(found: dict[int, bytes], tag: int) -> str:
    return found.get(tag, b"").decode("latin-1").strip(" \0")

"""Reads the beginning of a DICOM file: preamble, prefix and File Meta Information (PS3.10 7.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PREFIX = b"DICM"
PREAMBLE_BYTES = 128
#: File meta of real files has some hundred bytes; private information may be longer.
MAX_META_BYTES = 65536

#: PS3.5 7.1.2: value representations with a 32-bit length.
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"))

_MEDIA_STORAGE_SOP_CLASS_UID = 0x0002
_MEDIA_STORAGE_SOP_INSTANCE_UID = 0x0003
_TRANSFER_SYNTAX_UID = 0x0010
_IMPLEMENTATION_CLASS_UID = 0x0012
_GROUP_LENGTH = 0x0000


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the file meta says; a UID that is absent is "". `size_bytes` is up to the data set."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    preamble: bytes
    implementation_class_uid: str = ""
    group_length_right: bool = True


def is_dicom(head: bytes) -> bool:
    """Say whether a file that begins with `head` (132 bytes or more) has the DICOM prefix."""
    return head[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == PREFIX


def parse_file_meta(head: bytes) -> FileMeta | None:
    """Give the file meta at the beginning of a file, None when it is not whole or none.

    It ends where the group ends: the group length of some writers is wrong.
    """
    if not is_dicom(head):
        return None
    offset = PREAMBLE_BYTES + 4
    values: dict[int, str] = {}
    stated = None  # where the group ends, by its length
    while head[offset : offset + 2] == b"\x02\x00":
        if offset + 12 > len(head):
            return None
        element, vr = struct.unpack_from("<H2s", head, offset + 2)
        if vr in _LONG:
            (length,) = struct.unpack_from("<I", head, offset + 8)
            offset += 12
        else:
            (length,) = struct.unpack_from("<H", head, offset + 6)
            offset += 8
        if offset + length > len(head):
            return None
        if vr == b"UI":
            values[element] = (
                head[offset : offset + length].rstrip(b"\0 ").decode("ascii", "replace")
            )
        elif element == _GROUP_LENGTH and length == 4:
            stated = offset + 4 + int.from_bytes(head[offset : offset + 4], "little")
        offset += length
    return FileMeta(
        sop_class_uid=values.get(_MEDIA_STORAGE_SOP_CLASS_UID, ""),
        sop_instance_uid=values.get(_MEDIA_STORAGE_SOP_INSTANCE_UID, ""),
        transfer_syntax_uid=values.get(_TRANSFER_SYNTAX_UID, ""),
        size_bytes=offset,
        preamble=head[:PREAMBLE_BYTES],
        implementation_class_uid=values.get(_IMPLEMENTATION_CLASS_UID, ""),
        group_length_right=stated == offset,
    )

"""Preamble, prefix and file meta information of a DICOM file (PS3.10 7.1)."""

from __future__ import annotations

import struct

from mkiso.core.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

PREAMBLE_AND_PREFIX = bytes(128) + b"DICM"

_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sxxI")


def encode_file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return what stands before the data set: 128 zero bytes, DICM, the file meta.

    The same UIDs give the same bytes, so that equal data sets are equal files.
    """
    elements = b"".join(
        (
            _LONG.pack(2, 0x0001, b"OB", 2) + b"\0\1",  # File Meta Information Version
            _text(0x0002, b"UI", sop_class_uid),  # Media Storage SOP Class UID
            _text(0x0003, b"UI", sop_instance_uid),  # Media Storage SOP Instance UID
            _text(0x0010, b"UI", transfer_syntax_uid),
            _IMPLEMENTATION,
        )
    )
    group_length = _SHORT.pack(2, 0x0000, b"UL", 4) + struct.pack("<I", len(elements))
    return PREAMBLE_AND_PREFIX + group_length + elements


def _text(element: int, vr: bytes, value: str) -> bytes:
    raw = value.encode("latin-1")
    if len(raw) % 2:
        raw += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(2, element, vr, len(raw)) + raw


_IMPLEMENTATION = _text(0x0012, b"UI", IMPLEMENTATION_CLASS_UID) + _text(
    0x0013, b"SH", IMPLEMENTATION_VERSION_NAME
)

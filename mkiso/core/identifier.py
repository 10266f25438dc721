"""C-FIND, C-MOVE and C-GET identifiers: flat lists of attributes to bytes and back (PS3.5 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from mkiso.core.contexts import IMPLICIT_VR_LITTLE_ENDIAN
from mkiso.core.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, ByteSource, HeaderError, scan
from mkiso.errors import ProtocolError

#: Attributes by tag (group << 16 | element) with their raw values, padding included.
Attributes = dict[int, bytes]

_EXPLICIT = struct.Struct("<HH2sH")
_IMPLICIT = struct.Struct("<HHI")


def encode_identifier(keys: Iterable[tuple[int, str, bytes]], transfer_syntax_uid: str) -> bytes:
    """Return (tag, VR, value) triples in Implicit or Explicit VR Little Endian, in their order.

    UIDs are padded to an even length with a zero byte, everything else with a space (PS3.5 6.2).
    """
    explicit = transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN
    parts: list[bytes] = []
    for tag, vr, text in keys:
        value = text + (b"\0" if vr == "UI" else b" ") * (len(text) & 1)
        if explicit:
            parts.append(_EXPLICIT.pack(tag >> 16, tag & 0xFFFF, vr.encode(), len(value)))
        else:
            parts.append(_IMPLICIT.pack(tag >> 16, tag & 0xFFFF, len(value)))
        parts.append(value)
    return b"".join(parts)


def decode_identifier(data: bytes, transfer_syntax_uid: str, wanted: frozenset[int]) -> Attributes:
    """Return the attributes `wanted` of an identifier; everything else is walked over.

    Raises ProtocolError when the bytes are no data set.
    """
    explicit = transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN
    encoding = EXPLICIT_LITTLE if explicit else IMPLICIT_LITTLE
    source = ByteSource(data, lambda start, length: data[start : start + length], len(data))
    try:
        return scan(source, encoding, wanted, frozenset())[0]
    except HeaderError as error:
        raise ProtocolError(
            "The archive sent an identifier that is no data set; its conformance is broken."
        ) from error

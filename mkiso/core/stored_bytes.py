"""The stored values of one native frame of a DICOM file, without decoding an image.

For the judge of a disc: whole frames are one large number here, so that unused bits are cut off
and signs extended in a few steps (PS3.5 8.1.1), with nothing of what the viewer's maker uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mkiso.core.viewer_values import Values, read_values

_HEAD_BYTES: Final = 65536
_LITTLE_ENDIAN: Final = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})
_ONE_SAMPLE: Final = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})

ReadAt = Callable[[int, int], bytes]


def stored_bytes(
    read_at: ReadAt, size_bytes: int, transfer_syntax_uid: str, frame: int
) -> tuple[int, int, bytes] | None:
    """Return rows, columns and the stored values of a frame (from 0), little endian.

    None for whatever is not plain: compressed, big endian, packed bits, YBR, planes of colours.
    Raises HeaderError.
    """
    if transfer_syntax_uid not in _LITTLE_ENDIAN:
        return None
    values = read_values(read_at(0, _HEAD_BYTES), read_at, size_bytes, transfer_syntax_uid)
    span = values.span("PixelData")
    rows, columns = values.integer("Rows"), values.integer("Columns")
    if span is None or values.is_encapsulated() or not rows or not columns:
        return None
    photometric = values.text("PhotometricInterpretation")
    if photometric == "RGB" and values.integer("BitsAllocated") == 8:
        if values.integer("PlanarConfiguration"):
            return None
        size, bits = rows * columns * 3, (8, 8, False)
    else:
        form = _form(values) if photometric in _ONE_SAMPLE else None
        if form is None:
            return None
        size, bits = rows * columns * form[0] // 8, form
    start = span.start + frame * size
    if start + size > span.stop:
        return None
    return rows, columns, _extended(read_at(start, size), *bits)


def _form(values: Values) -> tuple[int, int, bool] | None:
    """Return bits allocated, bits stored, and whether values are signed; None when it is odd."""
    allocated, stored = values.integer("BitsAllocated"), values.integer("BitsStored")
    if allocated not in {8, 16, 32} or not 0 < stored <= allocated:
        return None
    if values.integer("HighBit", stored - 1) != stored - 1:
        return None
    if values.integer("SamplesPerPixel", 1) != 1:
        return None
    return allocated, stored, bool(values.integer("PixelRepresentation"))


def _extended(content: bytes, allocated: int, stored: int, signed: bool) -> bytes:
    """Return values with their unused bits cut off, or filled with the sign."""
    if stored == allocated:
        return content
    width = allocated // 8
    count = len(content) // width
    number = int.from_bytes(content, "little")
    low = ((1 << stored) - 1).to_bytes(width, "little")
    number &= int.from_bytes(low * count, "little")
    if signed:
        sign = (1 << stored - 1).to_bytes(width, "little")
        signs = number & int.from_bytes(sign * count, "little")
        number |= signs * (((1 << allocated - stored) - 1) << 1)
    return number.to_bytes(len(content), "little")

"""What an Icon Image Sequence in a directory record must be (PS3.3 F.7, C.7.6.1.1.6)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from mkiso.core.sequences import Item, encode_item

ICON_IMAGE_SEQUENCE = 0x00880200
_SAMPLES, _PHOTOMETRIC, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _HIGH, _REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_PIXELS = 0x7FE00010
_PALETTE = (0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203)

#: What the largest icon takes in a directory, its elements included.
ICON_BYTES = 64 * 64 + 160


class Icon(NamedTuple):
    """A grey picture of 8 bits, rows of pixels from the top left."""

    rows: int
    columns: int
    pixels: bytes


def icon_element(icon: Icon) -> bytes:
    """Return an Icon Image Sequence of one item in Explicit VR Little Endian."""

    def word(value: int) -> bytes:
        return struct.pack("<H", value)

    item: Item = [
        (_SAMPLES, b"US", word(1)),
        (_PHOTOMETRIC, b"CS", b"MONOCHROME2"),
        (_ROWS, b"US", word(icon.rows)),
        (_COLUMNS, b"US", word(icon.columns)),
        (_ALLOCATED, b"US", word(8)),
        (_STORED, b"US", word(8)),
        (_HIGH, b"US", word(7)),
        (_REPRESENTATION, b"US", word(0)),
        (_PIXELS, b"OB", icon.pixels),
    ]
    return encode_item([(ICON_IMAGE_SEQUENCE, b"SQ", [item])])


def check_icon(values: Mapping[int, bytes]) -> str:
    """Return what is wrong with the one item of an icon, "" when nothing is."""

    def number(tag: int) -> int:
        return int.from_bytes(values.get(tag, b""), "little")

    photometric = values.get(_PHOTOMETRIC, b"").strip(b" \0")
    rows, columns = number(_ROWS), number(_COLUMNS)
    depth = (number(_SAMPLES), number(_ALLOCATED), number(_STORED), number(_HIGH))
    is_palette = photometric == b"PALETTE COLOR"
    wanted = (
        (photometric == b"MONOCHROME2" or is_palette, "it is neither grey nor palette"),
        (depth == (1, 8, 8, 7), "it is not of one sample of 8 bits"),
        (not number(_REPRESENTATION), "its pixels are signed"),
        (rows and columns, "it has no rows or columns"),
        (not is_palette or all(tag in values for tag in _PALETTE), "it has no palette"),
        (
            len(values.get(_PIXELS, b"")) == rows * columns + rows * columns % 2,
            "its pixels are not as many as its rows and columns say",
        ),
    )
    return next((problem for holds, problem in wanted if not holds), "")

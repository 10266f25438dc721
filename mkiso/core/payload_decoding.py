"""The viewer's payload decoded again, value by value (docs/viewer-format.md, section 4).

For the judge of a disc: it shares nothing with the encoder. A third of a microsecond a value.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

#: Type code of `array`, bytes of a value, whether it is signed.
_SAMPLES: Final = {
    "u8": ("B", 1, False),
    "i8": ("b", 1, True),
    "u16": ("H", 2, False),
    "i16": ("h", 2, True),
    "u32": ("I", 4, False),
    "i32": ("i", 4, True),
    "f32": ("I", 4, False),
    "f64": ("Q", 8, False),
}
_UNSIGNED: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}


class PayloadError(ValueError):
    """A payload that is not what its frame says."""


class Frame(NamedTuple):
    """What decoding needs to know of a frame."""

    coding: str  # med, planes or bits
    sample: str
    rows: int
    columns: int
    samples: int  # a pixel: 1 or 3
    band_rows: int

    @property
    def values(self) -> int:
        """How many values the frame has."""
        return self.rows * self.columns * self.samples


def inflate(parts: Sequence[bytes], frame: Frame) -> list[bytes]:
    """Return the bands of a frame as they were before zlib. Raises PayloadError."""
    if frame.coding == "bits":
        sizes = [-(-frame.rows * frame.columns // 8)]
    else:
        width = _SAMPLES[frame.sample][1] * frame.columns * frame.samples
        sizes = [rows * width for rows in _bands(frame)]
    if len(sizes) != len(parts):
        raise PayloadError(f"{len(parts)} parts instead of {len(sizes)}")
    return [_inflated(part, size) for part, size in zip(parts, sizes, strict=True)]


def decode(bands: Sequence[bytes], frame: Frame) -> bytes:
    """Return the stored values, little endian, row by row, colours by pixel; bits stay packed."""
    if frame.coding == "bits":
        return bands[0]
    _, width, signed = _SAMPLES[frame.sample]
    out = b""
    for band, rows in zip(bands, _bands(frame), strict=True):
        size = rows * frame.columns * width
        planes = []
        for number in range(frame.samples):
            # differences of colours count as signed (4.1)
            plane_signed = signed or number > 0
            words = _words(band[number * size : (number + 1) * size], width)
            if frame.coding == "med":
                words = _predicted(words, frame.columns, 8 * width, signed=plane_signed)
            planes.append(words)
        mask = (1 << 8 * width) - 1
        if frame.samples == 3:
            green, red, blue = planes
            if frame.coding == "med":
                red = [(r + g) & mask for r, g in zip(red, green, strict=True)]
                blue = [(b + g) & mask for b, g in zip(blue, green, strict=True)]
            else:
                red, green, blue = planes
            words = [v for pixel in zip(red, green, blue, strict=True) for v in pixel]
        else:
            words = planes[0]
        out += array(_UNSIGNED[width], (word & mask for word in words)).tobytes()
    return out


def check_sum(content: bytes) -> int:
    """Return the Adler-32 by which the page knows a frame."""
    return zlib.adler32(content)


def _bands(frame: Frame) -> Iterable[int]:
    """Return the rows of each band."""
    rows = frame.band_rows
    return [min(rows, frame.rows - first) for first in range(0, frame.rows, rows)]


def _inflated(part: bytes, size: int) -> bytes:
    """Return a zlib stream of exactly that size; never more than that is made of it."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(part, size + 1)
    except zlib.error as error:
        raise PayloadError("a damaged zlib stream") from error
    if len(content) != size or not unpacker.eof:
        raise PayloadError("a zlib stream of another size")
    return content


def _words(plane: bytes, width: int) -> list[int]:
    """Return the words of byte planes, the least significant one first."""
    count = len(plane) // width
    joined = bytearray(len(plane))
    for byte in range(width):
        joined[byte::width] = plane[byte * count : (byte + 1) * count]
    words = array(_UNSIGNED[width])
    words.frombytes(bytes(joined))
    return words.tolist()


def _predicted(coded: list[int], columns: int, bits: int, *, signed: bool) -> list[int]:
    """Undo zigzag and MED prediction of one plane."""
    mask, bias = (1 << bits) - 1, (1 << bits - 1) if signed else 0
    found: list[int] = []
    above: list[int] = []
    for first in range(0, len(coded), columns):
        row: list[int] = []
        left = corner = above[0] if above else 0
        for place, z in enumerate(coded[first : first + columns]):
            rest = (z >> 1) ^ -(z & 1)
            if not above or not place:
                guess = left
            else:
                up = above[place]
                low, high = (left, up) if left < up else (up, left)
                middle = low if corner < low else high if corner > high else corner  # noqa: FURB136 - calls of min and max take twice the time
                guess = left + up - middle
                corner = up
            left = ((guess + rest + bias) & mask) - bias
            row.append(left)
        found += row
        above = row
    return found

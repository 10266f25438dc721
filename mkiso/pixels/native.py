"""Frames that are stored as they are, and stored values out of their words (PS3.5 8.1, 8.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mkiso.pixels.payload import Samples
from mkiso.pixels.pixel_format import PixelFormat


def frame_place(pixel_format: PixelFormat, index: int) -> tuple[int, int, int]:
    """Return where a native frame stands: first byte, number of bytes, bits to skip in them.

    Frames of one bit a pixel follow each other without padding (PS3.5 8.1.1).
    """
    first_bit = index * pixel_format.frame_bits
    start, skip = divmod(first_bit, 8)
    stop = -(-(first_bit + pixel_format.frame_bits) // 8)
    if pixel_format.word_swapped:  # whole words, so that they can be turned
        skip += 8 * (start % 2)
        start -= start % 2
        stop += stop % 2
    return start, stop - start, skip


def words_of(raw: bytes, pixel_format: PixelFormat, skip_bits: int = 0) -> Samples:
    """Return the words of one frame: (rows, columns) or (rows, columns, 3), native byte order.

    Raises ValueError when there are too few bytes.
    """
    if pixel_format.word_swapped:
        raw = np.frombuffer(raw, "<u2").byteswap().tobytes()
    shape = pixel_format.rows, pixel_format.columns
    if pixel_format.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
        count = shape[0] * shape[1]
        return bits[skip_bits : skip_bits + count].reshape(shape)
    raw = raw[skip_bits // 8 :]
    if pixel_format.is_subsampled:
        return _full_resolution(np.frombuffer(raw, np.uint8), pixel_format)
    count = shape[0] * shape[1] * pixel_format.samples
    words = np.frombuffer(raw, pixel_format.dtype, count)
    words = words.astype(words.dtype.newbyteorder("="), copy=False)
    if pixel_format.samples == 1:
        return words.reshape(shape)
    if pixel_format.planar:
        return words.reshape(pixel_format.samples, *shape).transpose(1, 2, 0)
    return words.reshape(*shape, pixel_format.samples)


def _full_resolution(raw: NDArray[np.uint8], pixel_format: PixelFormat) -> Samples:
    """Return YBR with a colour for each pixel: stored are Y0 Y1 B R (PS3.3 C.7.6.3.1.2)."""
    rows, columns = pixel_format.rows, pixel_format.columns
    groups = raw[: rows * columns * 2].reshape(-1, 4)
    out = np.empty((groups.shape[0], 2, 3), np.uint8)
    out[:, 0, 0], out[:, 1, 0] = groups[:, 0], groups[:, 1]
    out[:, :, 1], out[:, :, 2] = groups[:, 2:3], groups[:, 3:4]
    return out.reshape(rows, columns, 3)


def stored_values(words: Samples, pixel_format: PixelFormat) -> Samples:
    """Return the stored values of words: unused bits cut off, sign extended (PS3.5 8.1.1)."""
    if words.dtype.kind == "f" or pixel_format.bits_allocated == 1:
        return words
    above = 8 * words.itemsize - 1 - pixel_format.high_bit
    below = pixel_format.high_bit + 1 - pixel_format.bits_stored
    if above <= 0 and below <= 0:
        return words
    values: NDArray[Any] = np.left_shift(words, max(0, above))
    np.right_shift(values, max(0, above) + max(0, below), out=values)
    return values


def overlay_bits(words: Samples, position: int) -> NDArray[np.bool_]:
    """Return the overlay plane in bit `position` of the words (PS3.3 C.9.2, retired there)."""
    unsigned = words.view(np.dtype(f"u{words.itemsize}"))
    return (unsigned >> position) & 1 != 0

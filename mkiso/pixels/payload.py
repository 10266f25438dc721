"""Stored values as the page unpacks them: lossless (docs/viewer-format.md, section 4).

Prediction (MED of LOCO-I), zigzag, byte planes, zlib: about a third of the raw size for CT and MR,
and a short loop undoes it in a browser. All arithmetic is modulo 2^n in arrays of n bits: half
the memory traffic of wider ones, and no overflow to think of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mkiso.pixels.deflating import adler32, deflate, deflate_bits

#: Stored values: (rows, columns) or (rows, columns, 3), C order, native byte order.
Samples: TypeAlias = "NDArray[Any]"

#: Raw bytes of one part at most: bounds the memory here and the script strings in the browser.
PART_BYTES = 3 << 20
#: Values predicted at a time: what stays in the processor's second cache.
_BLOCK_VALUES = 65536
# Above this share of the raw size prediction may have done harm: to noise, to label maps. More
# bytes a value are only worth a second try when the upper ones hardly differ.
_DOUBTFUL = {1: 0.9, 2: 0.5, 4: 0.25}
_FEW_VALUES = 512


class PayloadEncoder:
    """Encodes frames; keeps its scratch arrays from one frame to the next."""

    def __init__(self) -> None:
        """Begin without scratch arrays."""
        self._scratch: dict[tuple[str, int], tuple[Samples, Samples, Samples]] = {}

    def encode(self, samples: Samples) -> tuple[str, Iterator[bytes]]:
        """Return the coding of a frame, and its parts as they are made: bands of `band_rows`."""
        if samples.dtype == np.float64:
            return "planes", self._parts(samples, predicted=False)
        bands = self._bands(samples)
        first = next(bands)
        stream = self._part(first, predicted=True)
        if len(stream) > _DOUBTFUL[samples.itemsize] * first.nbytes and (
            samples.itemsize == 1 or float(first.max()) - float(first.min()) < _FEW_VALUES
        ):
            plain = self._part(first, predicted=False)
            if len(plain) < len(stream):
                return "planes", self._parts(samples, predicted=False)
        return "med", self._rest(stream, bands)

    def _rest(self, first: bytes, bands: Iterator[Samples]) -> Iterator[bytes]:
        yield first
        for band in bands:
            yield self._part(band, predicted=True)

    def _parts(self, samples: Samples, *, predicted: bool) -> Iterator[bytes]:
        for band in self._bands(samples):
            yield self._part(band, predicted=predicted)

    def _bands(self, samples: Samples) -> Iterator[Samples]:
        step = band_rows(samples)
        for row in range(0, samples.shape[0], step):
            yield samples[row : row + step]

    def _part(self, band: Samples, *, predicted: bool) -> bytes:
        """Return the zlib stream of the byte planes of a band."""
        sample_planes = _separated(band)
        size = band.itemsize
        out = np.empty((len(sample_planes), size, band.shape[0] * band.shape[1]), np.uint8)
        for plane, target in zip(sample_planes, out, strict=True):
            if predicted:
                self._predict(plane, target)
            else:
                _split(_unsigned(plane.reshape(-1)).copy(), target, 0)
        return deflate(out.data)

    def _predict(self, plane: Samples, out: NDArray[np.uint8]) -> None:
        """Put the byte planes of the coded values of one sample plane into `out`."""
        if plane.dtype == np.float32:
            plane = plane.view(np.uint32)
        rows, columns = plane.shape
        values = plane.reshape(-1)
        bits = _unsigned(values)
        first = bits[:columns].copy()
        first[1:] -= bits[: columns - 1]
        _zigzag(first, np.empty_like(first))
        _split(first, out, 0)
        step = max(1, _BLOCK_VALUES // columns)
        scratch = self._arrays(plane.dtype, step * columns)
        for row in range(1, rows, step):
            start, stop = row * columns, min(rows, row + step) * columns
            low, high, coded = (array[: stop - start] for array in scratch)
            _residuals(values, start, columns, (low, high, coded))
            _zigzag(coded, _unsigned(low))
            _split(coded, out, start)

    def _arrays(self, dtype: Any, size: int) -> tuple[Samples, Samples, Samples]:
        """Return three scratch arrays of `size` values, the last one unsigned."""
        key = (dtype.str, size)
        found = self._scratch.get(key)
        if found is None:
            self._scratch.clear()  # another matrix: the old ones are not wanted again
            low = np.empty(size, dtype)
            found = low, np.empty(size, dtype), np.empty_like(_unsigned(low))
            self._scratch[key] = found
        return found


def band_rows(samples: Samples) -> int:
    """Return how many rows one part has."""
    return max(1, min(samples.shape[0], PART_BYTES // max(1, samples[0].nbytes)))


def sample_type(samples: Samples) -> str:
    """Return the name of the type of the values, such as u8, i16 or f32."""
    return f"{samples.dtype.kind}{8 * samples.itemsize}"


def check_sum(samples: Samples) -> int:
    """Return the Adler-32 of the values, little endian, rows in order, colours by pixel."""
    return adler32(np.ascontiguousarray(samples).data)


def encode_bits(samples: Samples) -> tuple[bytes, int]:
    """Return the zlib stream of values 0 and 1, and the check sum of the packed bytes."""
    packed = np.packbits(samples.reshape(-1), bitorder="little")
    return deflate_bits(packed.data), adler32(packed.data)


def _residuals(
    values: Samples, start: int, columns: int, arrays: tuple[Samples, Samples, Samples]
) -> None:
    """Put value minus prediction into the last array, from the flat position `start` on.

    `start` begins a row that is not the first. MED: left + above - the median of the corner and
    the two; the first column is predicted by what is above it.
    """
    low, high, coded = arrays
    stop = start + coded.size
    left, above = values[start - 1 : stop - 1], values[start - columns : stop - columns]
    np.minimum(left, above, out=low)
    np.maximum(left, above, out=high)
    skipped = 1 if start == columns else 0  # the very first value has no corner, nor needs it
    corner = values[start - columns - 1 + skipped : stop - columns - 1]
    np.minimum(high[skipped:], corner, out=high[skipped:])
    np.maximum(high, low, out=high)
    np.add(_unsigned(left), _unsigned(above), out=coded)
    coded -= _unsigned(high)
    coded[::columns] = _unsigned(above)[::columns]
    np.subtract(_unsigned(values)[start:stop], coded, out=coded)


def _zigzag(coded: Samples, scratch: Samples) -> None:
    """Turn residuals into numbers that are small when the residual is, whatever its sign."""
    signed = np.dtype(f"i{coded.itemsize}")
    np.right_shift(coded.view(signed), 8 * coded.itemsize - 1, out=scratch.view(signed))
    np.left_shift(coded, 1, out=coded)
    np.bitwise_xor(coded, scratch, out=coded)


def _split(coded: Samples, out: NDArray[np.uint8], start: int) -> None:
    """Put the bytes of unsigned values into the planes of `out`, least significant first."""
    stop = start + coded.size
    for number in range(coded.itemsize):
        if number:
            coded >>= 8
        np.copyto(out[number, start:stop], coded, casting="unsafe")


def _unsigned(values: Samples) -> Samples:
    """Return the same bits as unsigned numbers."""
    return values.view(np.dtype(f"u{values.itemsize}"))


def _separated(band: Samples) -> list[Samples]:
    """Return the sample planes: green, then red and blue as differences to it, or the only one."""
    if band.ndim == 2:
        return [np.ascontiguousarray(band)]
    red, green, blue = (np.ascontiguousarray(band[:, :, number]) for number in range(3))
    if band.dtype.kind == "f":
        return [green, red, blue]
    signed = np.dtype(f"i{band.itemsize}")
    return [green, (red - green).view(signed), (blue - green).view(signed)]

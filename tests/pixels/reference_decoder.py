"""What the page does to get stored values back, in numpy and zlib alone: the format, written twice.

Written from docs/viewer-format.md, section 4, and not from the encoder.
"""

import base64
import zlib

import numpy as np


def decode(frame, attributes, parts):
    """The stored values of a frame from its base64 parts; fails when the check sum is wrong."""
    coding = frame["coding"]
    streams = [base64.b64decode(part, validate=True) for part in parts]
    if coding in {"jpeg", "preview"}:
        content = b"".join(streams)
        assert zlib.adler32(content) == frame["sum"]
        return content
    shape = attributes["rows"], attributes["columns"]
    if coding == "bits":
        (stream,) = streams
        packed = zlib.decompress(stream)
        assert zlib.adler32(packed) == frame["sum"]
        bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
        return bits[: shape[0] * shape[1]].reshape(shape)
    kind = np.dtype(f"<{frame['sample'][0]}{int(frame['sample'][1:]) // 8}")
    samples = attributes["samples_per_pixel"]
    out = np.empty((*shape, samples), kind)
    step = frame.get("band_rows", shape[0])
    assert len(streams) == -(-shape[0] // step)
    for number, stream in enumerate(streams):
        rows = min(step, shape[0] - number * step)
        content = zlib.decompress(stream)
        assert len(content) == rows * shape[1] * samples * kind.itemsize
        band = _band(content, (rows, shape[1], samples), kind, predicted=coding == "med")
        out[number * step : number * step + rows] = band
    assert zlib.adler32(out.tobytes()) == frame["sum"]
    return out[:, :, 0] if samples == 1 else out


def _band(content, shape, kind, *, predicted):
    rows, columns, samples = shape
    size = kind.itemsize
    unsigned = np.dtype(f"<u{size}")
    table = np.frombuffer(content, np.uint8).reshape(samples, size, rows, columns)
    coded = np.zeros((samples, rows, columns), unsigned)
    for byte in range(size):
        coded |= table[:, byte].astype(unsigned) << unsigned.type(8 * byte)
    planes = []
    for number in range(samples):
        signed = kind.kind == "i" or number > 0
        planes.append(_unpredicted(coded[number], signed) if predicted else coded[number])
    if samples == 3:
        green, red, blue = planes
        planes = [red + green, green, blue + green]
    return np.stack(planes, axis=-1).view(kind)


def _unpredicted(coded, signed):
    """Undo zigzag and MED along the diagonals, on which no value waits for another."""
    size = coded.dtype.itemsize
    residual = (coded >> 1) ^ (0 - (coded & 1))
    rows, columns = coded.shape
    compared = np.dtype(f"<i{size}") if signed else coded.dtype
    values = np.zeros_like(coded)
    values[0] = np.cumsum(residual[0], dtype=coded.dtype)
    values[:, 0] = np.cumsum(residual[:, 0], dtype=coded.dtype)
    for diagonal in range(2, rows + columns - 1):
        row = np.arange(max(1, diagonal - columns + 1), min(rows - 1, diagonal - 1) + 1)
        column = diagonal - row
        left = values[row, column - 1].view(compared)
        above = values[row - 1, column].view(compared)
        corner = values[row - 1, column - 1].view(compared)
        low, high = np.minimum(left, above), np.maximum(left, above)
        middle = np.minimum(np.maximum(corner, low), high).view(coded.dtype)
        predicted = left.view(coded.dtype) + above.view(coded.dtype) - middle
        values[row, column] = predicted + residual[row, column]
    return values

"""What the judge decodes is what was encoded, and nothing that is damaged passes."""

import zlib

import numpy as np
import pytest

from mkiso.core.payload_decoding import Frame, PayloadError, check_sum, decode, inflate
from mkiso.pixels.payload import PayloadEncoder, band_rows, encode_bits, sample_type
from mkiso.pixels.payload import check_sum as encoder_sum


def frame_of(samples, coding, rows=None):
    count = samples.shape[2] if samples.ndim == 3 else 1
    return Frame(
        coding, sample_type(samples), *samples.shape[:2], count, rows or band_rows(samples)
    )


def encoded(samples):
    coding, parts = PayloadEncoder().encode(samples)
    return list(parts), frame_of(samples, coding)


def smooth(rows, columns, dtype):
    """Values with structure, and with the extremes of the type."""
    random = np.random.default_rng(3)
    info = np.iinfo(dtype)
    ramp = np.add.outer(np.arange(rows) * 3, np.arange(columns) * 5)
    values = (ramp + random.integers(0, 9, (rows, columns)) + int(info.min)).astype(dtype)
    values[0, 0], values[-1, -1], values[rows // 2, 0] = info.max, info.min, info.max
    return values


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (23, 31)])
def test_grey_values_come_back(dtype, shape):
    samples = smooth(*shape, dtype)
    parts, frame = encoded(samples)
    assert decode(inflate(parts, frame), frame) == samples.tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floating_point_values_come_back(dtype):
    samples = np.random.default_rng(1).normal(0, 1e3, (9, 12)).astype(dtype)
    parts, frame = encoded(samples)
    assert decode(inflate(parts, frame), frame) == samples.tobytes()


def test_colours_come_back_by_pixel():
    samples = np.random.default_rng(1).integers(0, 256, (13, 17, 3)).astype("u1")
    samples[..., 0] = np.arange(17)
    parts, frame = encoded(samples)
    assert decode(inflate(parts, frame), frame) == samples.tobytes()


def test_bands_are_decoded_each_by_itself():
    samples = smooth(1900, 1200, "u2")
    parts, frame = encoded(samples)
    assert len(parts) > 1
    assert check_sum(decode(inflate(parts, frame), frame)) == encoder_sum(samples)


def test_bits_stay_packed():
    samples = (np.arange(15 * 3).reshape(3, 15) % 4 == 0).astype("u1")
    stream, total = encode_bits(samples)
    frame = Frame("bits", "u8", 3, 15, 1, 3)
    assert check_sum(decode(inflate([stream], frame), frame)) == total


@pytest.mark.parametrize(
    "damage",
    [
        lambda stream: stream[:-1],
        lambda stream: b"x" + stream,
        lambda _stream: zlib.compress(bytes(127)),
        lambda _stream: zlib.compress(bytes(1 << 24)),
    ],
)
def test_a_stream_that_is_cut_or_of_another_size_is_damaged(damage):
    parts, frame = encoded(smooth(8, 8, "u2"))
    with pytest.raises(PayloadError):
        inflate([damage(parts[0])], frame)


def test_missing_parts_are_damage():
    _, frame = encoded(smooth(8, 8, "u2"))
    with pytest.raises(PayloadError):
        inflate([], frame)


def test_a_changed_value_changes_the_sum():
    samples = smooth(8, 8, "u2")
    parts, frame = encoded(samples)
    planes = bytearray(zlib.decompress(parts[0]))
    planes[40] ^= 1
    other = decode(inflate([zlib.compress(bytes(planes))], frame), frame)
    assert check_sum(other) != encoder_sum(samples)
    assert other != samples.tobytes()

"""The payload is lossless: what the reference decoder gets back is what went in, bit for bit."""

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixels.reference_decoder import decode

from mkiso.pixels import payload
from mkiso.pixels.payload import (
    PayloadEncoder,
    band_rows,
    check_sum,
    encode_bits,
    sample_type,
)

TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


def encoded(samples):
    """A frame as the page gets it, its attributes and its base64 parts."""
    coding, parts = PayloadEncoder().encode(samples)
    frame = {"coding": coding, "sample": sample_type(samples), "sum": check_sum(samples)}
    if band_rows(samples) < samples.shape[0]:
        frame["band_rows"] = band_rows(samples)
    attributes = {
        "rows": samples.shape[0],
        "columns": samples.shape[1],
        "samples_per_pixel": 1 if samples.ndim == 2 else 3,
    }
    return frame, attributes, [base64.b64encode(part) for part in parts]


def smooth(shape, kind, seed=1):
    """Something like an image: hills with a little noise, over all of the type's range."""
    rng = np.random.default_rng(seed)
    rows, columns = shape[:2]
    hills = np.sin(np.arange(rows) / 17)[:, None] * np.cos(np.arange(columns) / 23)[None, :]
    if len(shape) == 3:
        hills = hills[:, :, None] * np.array([1, 0.9, 0.8])
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return (hills + rng.normal(0, 0.01, shape)).astype(dtype)
    info = np.iinfo(dtype)
    middle, half = (info.max + info.min) / 2, (info.max - info.min) / 2.2
    return (middle + hills * half + rng.integers(-2, 3, shape)).astype(dtype)


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_comes_back_bit_for_bit(kind):
    samples = smooth((97, 131), kind)
    found = decode(*encoded(samples))
    assert found.dtype == samples.dtype
    assert found.tobytes() == samples.tobytes()


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_the_ends_of_the_range_wrap_and_come_back(kind):
    info = np.iinfo(kind)
    rng = np.random.default_rng(2)
    samples = rng.choice(np.array([info.min, info.max, 0, 1, info.max // 2], kind), (40, 33))
    assert (decode(*encoded(samples)) == samples).all()


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "i2"])
def test_colours_come_back(kind):
    samples = smooth((61, 45, 3), kind)
    assert (decode(*encoded(samples)) == samples).all()
    extremes = np.random.default_rng(3).choice(
        np.array([np.iinfo(kind).min, np.iinfo(kind).max], kind), (31, 17, 3)
    )
    assert (decode(*encoded(extremes)) == extremes).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (2, 2), (3, 1), (1, 3), (513, 129)])
def test_odd_shapes_come_back(shape):
    samples = smooth(shape, "u2")
    assert (decode(*encoded(samples)) == samples).all()


def test_a_large_frame_is_made_of_bands_that_come_back():
    samples = smooth((1500, 2100), "u2")
    frame, attributes, parts = encoded(samples)
    assert len(parts) == 3
    assert frame["band_rows"] == 748
    assert max(map(len, parts)) < payload.PART_BYTES
    assert (decode(frame, attributes, parts) == samples).all()


def test_a_block_border_inside_the_frame_changes_nothing(monkeypatch):
    samples = smooth((200, 37), "i2")
    whole = encoded(samples)[2]
    monkeypatch.setattr(payload, "_BLOCK_VALUES", 37 * 3)
    assert encoded(samples)[2] == whole


def test_one_encoder_serves_frames_of_many_shapes_in_turn():
    encoder = PayloadEncoder()
    for shape, kind in (((64, 64), "u2"), ((32, 100), "i2"), ((64, 64), "u1"), ((64, 64), "u2")):
        samples = smooth(shape, kind)
        coding, parts = encoder.encode(samples)
        assert [*parts] == [*PayloadEncoder().encode(samples)[1]]
        assert coding == "med"


def test_planar_views_are_encoded_as_they_look():
    planes = np.ascontiguousarray(smooth((50, 60, 3), "u1").transpose(2, 0, 1)).transpose(1, 2, 0)
    assert not planes.flags.c_contiguous
    assert (decode(*encoded(planes)) == planes).all()


def test_smooth_images_shrink_to_a_small_part():
    samples = (smooth((512, 512), "u2") >> 6).astype(np.uint16)
    parts = encoded(samples)[2]
    assert sum(map(len, parts)) * 3 / 4 < 0.25 * samples.nbytes


def test_noise_of_few_values_is_not_predicted():
    samples = np.random.default_rng(4).integers(0, 255, (256, 256)).astype(np.uint16)
    frame, attributes, parts = encoded(samples)
    assert frame["coding"] == "planes"
    assert sum(map(len, parts)) * 3 / 4 < 0.51 * samples.nbytes
    assert (decode(frame, attributes, parts) == samples).all()


def test_bits_come_back_whatever_the_width():
    bits = np.random.default_rng(5).integers(0, 2, (51, 37)).astype(np.uint8)
    stream, total = encode_bits(bits)
    frame = {"coding": "bits", "sample": "u8", "sum": total}
    attributes = {"rows": 51, "columns": 37, "samples_per_pixel": 1}
    assert (decode(frame, attributes, [base64.b64encode(stream)]) == bits).all()


def test_the_reference_decoder_notices_one_wrong_value():
    samples = smooth((40, 40), "u2")
    frame, attributes, parts = encoded(samples)
    frame["sum"] ^= 1
    with pytest.raises(AssertionError):
        decode(frame, attributes, parts)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_values_come_back(data):
    kind = data.draw(st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"]))
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    info = np.iinfo(kind)
    numbers = st.integers(int(info.min), int(info.max))
    values = data.draw(st.lists(numbers, min_size=rows * columns, max_size=rows * columns))
    samples = np.array(values, kind).reshape(rows, columns)
    assert (decode(*encoded(samples)) == samples).all()

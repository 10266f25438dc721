"""Frames of objects as they are found: every way to store pixels, and what is wrong with some."""

import struct
import zlib

import numpy as np
import pytest
from pixels.pixel_objects import encapsulated, image, ramp
from received import BIG_ENDIAN, EXPLICIT, IMPLICIT

from mkiso.core.viewer_values import read_values
from mkiso.pixels.decoding import DEFLATED_FRAMES, ENCAPSULATED_UNCOMPRESSED
from mkiso.pixels.frames import FrameReader
from mkiso.pixels.unshowable import UnshowableError

GE_PRIVATE = "1.2.840.113619.5.2"
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def reader(content, syntax=EXPLICIT):
    def read_at(offset, length):
        return content[offset : offset + length]

    return FrameReader(read_values(content[:4096], read_at, len(content), syntax), syntax, read_at)


def refusal(content, syntax=EXPLICIT, index=0):
    with pytest.raises(UnshowableError) as caught:
        reader(content, syntax).samples(index)
    return caught.value.code


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_native_pixels_are_read_in_every_byte_order(syntax, kind):
    pixels = ramp(7, 9, kind)
    if syntax == BIG_ENDIAN and pixels.itemsize == 1:  # stored in words
        raw = pixels.tobytes() + b"\0"
        swapped = np.frombuffer(raw, "<u2").byteswap().tobytes()
        content = image(pixels, syntax=syntax, PixelData=swapped)
    else:
        content = image(pixels, syntax=syntax)
    found = reader(content, syntax).samples(0)
    assert found.dtype == pixels.dtype
    assert (found == pixels).all()


def test_ge_private_syntax_has_big_endian_pixels():
    pixels = ramp(8, 8)
    content = image(pixels, syntax=IMPLICIT, PixelData=pixels.astype(">u2").tobytes())
    assert (reader(content, GE_PRIVATE).samples(0) == pixels).all()


def test_odd_frames_of_words_turned_round_are_told_apart():
    frames = np.arange(3 * 5 * 3, dtype="u1").reshape(3, 5, 3)[:, :, :]
    raw = frames.tobytes() + b"\0"
    swapped = np.frombuffer(raw, "<u2").byteswap().tobytes()
    attributes = {
        "NumberOfFrames": 3,
        "Rows": 5,
        "Columns": 3,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PlanarConfiguration": None,
    }
    content = image(frames, syntax=BIG_ENDIAN, PixelData=swapped, **attributes)
    found = reader(content, BIG_ENDIAN)
    for index in range(3):
        assert (found.samples(index) == frames[index]).all()


def test_unused_bits_are_cut_off_and_the_sign_is_extended():
    words = np.array([[0xF001, 0x0FFF], [0xA800, 0x07FF]], "u2")
    unsigned = image(words, BitsStored=12, HighBit=11)
    assert reader(unsigned).samples(0).tolist() == [[0x001, 0xFFF], [0x800, 0x7FF]]
    signed = image(words, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert reader(signed).samples(0).tolist() == [[1, -1], [-2048, 2047]]


def test_values_above_the_lowest_bits_are_shifted_down():
    words = np.array([[0x1230, 0xFFF5]], "u2")
    content = image(words, BitsStored=12, HighBit=15)
    assert reader(content).samples(0).tolist() == [[0x123, 0xFFF]]
    signed = image(words, BitsStored=12, HighBit=15, PixelRepresentation=1)
    assert reader(signed).samples(0).tolist() == [[0x123, -1]]


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_by_pixel_and_by_plane_are_the_same(planar):
    pixels = np.random.default_rng(1).integers(0, 255, (6, 10, 3)).astype("u1")
    stored = pixels.transpose(2, 0, 1) if planar else pixels
    content = image(pixels, PlanarConfiguration=planar, PixelData=stored.tobytes())
    assert (reader(content).samples(0) == pixels).all()


def test_ybr_becomes_rgb_once():
    grey = np.full((4, 4, 3), 128, "u1")
    grey[:, :, 0] = 77
    content = image(grey, PhotometricInterpretation="YBR_FULL")
    assert (reader(content).samples(0) == 77).all()


def test_subsampled_colours_are_given_to_both_pixels():
    raw = bytes([10, 20, 128, 128, 30, 40, 128, 128])  # Y0 Y1 B R, twice
    pixels = np.zeros((1, 4, 3), "u1")
    content = image(pixels, PhotometricInterpretation="YBR_FULL_422", PixelData=raw)
    found = reader(content).samples(0)
    assert found[0, :, 0].tolist() == [10, 20, 30, 40]
    assert (found[..., 0] == found[..., 1]).all()


def test_bits_of_frames_that_share_a_byte_are_told_apart():
    frames = np.random.default_rng(2).integers(0, 2, (4, 3, 5)).astype("u1")
    raw = np.packbits(frames.reshape(-1), bitorder="little").tobytes()
    attributes = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": 4}
    content = image(frames[0], PixelData=raw, **attributes)
    found = reader(content)
    assert [found.samples(n).tolist() for n in range(4)] == frames.tolist()


def test_frames_that_are_not_there_are_tiles_and_the_others_are_shown():
    frames = np.stack([ramp(8, 8), ramp(8, 8) + 1])
    content = image(frames, NumberOfFrames=5)
    found = reader(content)
    assert found.count == 5
    assert (found.samples(1) == frames[1]).all()
    assert refusal(content, index=2) == "truncated"


def test_a_mad_number_of_frames_is_bounded():
    assert reader(image(ramp(8, 8), NumberOfFrames=2_000_000_000)).count < 2000


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"BitsAllocated": 12}, "pixel_format"),
        ({"BitsAllocated": 64}, "pixel_format"),
        ({"SamplesPerPixel": 2}, "pixel_format"),
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "CMYK"}, "pixel_format"),
        ({"PhotometricInterpretation": "HSV"}, "pixel_format"),
        ({"Rows": 0}, "pixel_format"),
        ({"Columns": None}, "pixel_format"),
        ({"Rows": 65535, "Columns": 65535}, "too_large"),
        ({"Rows": 640}, "truncated"),
        ({"PixelData": b""}, "truncated"),
    ],
)
def test_what_nobody_can_show_says_why(attributes, code):
    assert refusal(image(ramp(), **attributes)) == code


@pytest.mark.parametrize("table", [b"", "right", "wrong"])
def test_fragments_are_joined_to_frames(table):
    frames = [ramp(8, 8), ramp(8, 8) + 7, ramp(8, 8) + 9]
    fragments, starts, at = [], [], 0
    for frame in frames:
        raw = frame.tobytes()
        starts.append(at)
        fragments.append(raw)
        at += len(raw) + 8
    offsets = {"right": starts, "wrong": [4, 5, 6], b"": []}[table]
    packed = struct.pack(f"<{len(offsets)}I", *offsets)
    content = encapsulated((8, 8), fragments, NumberOfFrames=3, table=packed)
    found = reader(content, ENCAPSULATED_UNCOMPRESSED)
    for index, frame in enumerate(frames):
        assert (found.samples(index) == frame).all()


def test_a_frame_of_several_fragments_is_found_by_the_table():
    raw = [ramp(8, 8).tobytes(), (ramp(8, 8) + 5).tobytes()]
    fragments = [raw[0][:40], raw[0][40:], raw[1][:10], raw[1][10:]]
    starts = [0, 2 * 8 + len(raw[0])]
    content = encapsulated((8, 8), fragments, NumberOfFrames=2, table=struct.pack("<2I", *starts))
    found = reader(content, ENCAPSULATED_UNCOMPRESSED)
    assert [found.samples(n).tobytes() for n in range(2)] == raw


def test_a_frame_of_several_fragments_is_found_by_the_end_of_its_stream():
    parts = [b"\xff\xd8one", b"two\xff\xd9", b"\xff\xd8\xff\xd9", b"rest"]
    content = encapsulated((8, 8), parts, NumberOfFrames=3)
    found = reader(content, JPEG_2000)
    assert [found.stream(n).rstrip(b"\0") for n in range(3)] == [
        b"\xff\xd8one\0two\xff\xd9",
        b"\xff\xd8\xff\xd9",
        b"rest",
    ]


def test_fewer_fragments_than_frames_leave_tiles():
    content = encapsulated((8, 8), [ramp(8, 8).tobytes()], NumberOfFrames=2)
    assert reader(content, ENCAPSULATED_UNCOMPRESSED).samples(0).tolist() == ramp(8, 8).tolist()
    assert refusal(content, ENCAPSULATED_UNCOMPRESSED, 1) == "truncated"


def test_a_deflated_frame_is_never_more_than_a_frame():
    frame = ramp(8, 8)
    packer = zlib.compressobj(wbits=-15)
    small = packer.compress(frame.tobytes()) + packer.flush()
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(frame.tobytes() + bytes(50_000_000)) + packer.flush()
    content = encapsulated((8, 8), [small, bomb, b"\xff\xff\xff"], NumberOfFrames=3)
    found = reader(content, DEFLATED_FRAMES)
    assert (found.samples(0) == frame).all()
    assert (found.samples(1) == frame).all()
    assert refusal(content, DEFLATED_FRAMES, 2) in {"decoder_failed", "truncated"}


def test_a_syntax_without_a_decoder_is_named():
    content = encapsulated((8, 8), [b"stream"])
    with pytest.raises(UnshowableError) as caught:
        reader(content, "1.2.840.10008.1.2.4.110").samples(0)  # JPEG XL
    assert caught.value.code == "decoder_missing"
    assert caught.value.text


def test_a_stream_of_another_size_is_not_given_to_a_decoder():
    header = b"\xff\x4f\xff\x51" + struct.pack(">HH8IH", 47, 0, 60000, 60000, *[0] * 6, 1) + b"\x0f"
    content = encapsulated((8, 8), [header])
    assert refusal(content, JPEG_2000) == "decoder_failed"

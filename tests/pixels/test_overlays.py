"""Overlays reach the page from their own element, from unused bits, and frame by frame."""

import base64
import zlib

import numpy as np
import pydicom
import pytest
from pixels.pixel_objects import image, ramp
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from received import BIG_ENDIAN, EXPLICIT, encoded, split_file

from mkiso.core.viewer_values import read_values
from mkiso.pixels.frames import FrameReader
from mkiso.pixels.overlays import read_overlays


def overlays_of(content, syntax=EXPLICIT, index=0):
    def read_at(offset, length):
        return content[offset : offset + length]

    values = read_values(content[:65536], read_at, len(content), syntax)
    words = FrameReader(values, syntax, read_at).words(index)
    planes = [overlay.plane(index, words) for overlay in read_overlays(values)]
    return [plane for plane in planes if plane]


def bits_of(plane):
    packed = np.frombuffer(zlib.decompress(base64.b64decode(plane["data"])), "u1")
    count = plane["rows"] * plane["columns"]
    return np.unpackbits(packed, bitorder="little")[:count].reshape(plane["rows"], plane["columns"])


def with_overlay(bits, syntax=EXPLICIT, frames=0, group=0x6000, **extra):
    """An image with an overlay group, written element by element."""
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    packed += b"\0" * (len(packed) % 2)
    if syntax == BIG_ENDIAN:
        packed = np.frombuffer(packed, "<u2").byteswap().tobytes()
    content = image(ramp(16, 16), syntax=syntax)
    rows, columns = bits.shape[-2:]
    elements = [
        (0x0010, "US", rows),
        (0x0011, "US", columns),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, -3]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x1500, "LO", "Contour"),
        (0x3000, "OW", packed),
    ]
    if frames:
        elements += [(0x0015, "IS", frames), (0x0051, "US", extra.get("origin", 1))]
    data_set = Dataset()
    for element, vr, value in sorted(elements):
        data_set.add(DataElement(group << 16 | element, vr, value))
    at = content.rindex(b"\x7f\xe0\0\x10OW" if syntax == BIG_ENDIAN else b"\xe0\x7f\x10\0OW")
    return content[:at] + encoded(data_set, syntax) + content[at:]


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN])
def test_an_overlay_of_its_own_comes_as_it_is(syntax):
    bits = np.random.default_rng(1).integers(0, 2, (13, 11)).astype("u1")
    (plane,) = overlays_of(with_overlay(bits, syntax), syntax)
    assert (bits_of(plane) == bits).all()
    assert (plane["type"], plane["label"], plane["origin"]) == ("G", "Contour", [1, -3])
    assert plane["group"] == 0x6000


def test_every_group_is_looked_at():
    bits = np.ones((4, 4), "u1")
    (plane,) = overlays_of(with_overlay(bits, group=0x601E))
    assert plane["group"] == 0x601E


def test_an_overlay_with_nothing_drawn_is_left_out():
    assert overlays_of(with_overlay(np.zeros((8, 8), "u1"))) == []


def test_frames_of_an_overlay_belong_to_frames_of_the_image():
    bits = np.random.default_rng(2).integers(0, 2, (3, 5, 5)).astype("u1")
    content = with_overlay(bits, frames=3, origin=1)

    def planes(index):
        values = read_values(content, lambda o, n: content[o : o + n], len(content), EXPLICIT)
        return [overlay.plane(index, None) for overlay in read_overlays(values)]

    for index in range(3):
        assert (bits_of(planes(index)[0]) == bits[index]).all()
    assert planes(3) == [None]


def test_an_overlay_in_unused_bits_is_drawn_and_not_part_of_the_image():
    pixels = ramp(16, 16) & 0x0FFF
    drawn = np.zeros((16, 16), "u2")
    drawn[3:5, 4:9] = 1
    content = image(
        pixels | drawn << 12,
        BitsStored=12,
        HighBit=11,
    )
    group = Dataset()
    for element, vr, value in ((0x10, "US", 16), (0x11, "US", 16), (0x100, "US", 16)):
        group.add_new(0x60000000 | element, vr, value)
    group.add_new(0x60000102, "US", 12)
    at = content.rindex(b"\xe0\x7f\x10\0OW")
    content = content[:at] + encoded(group) + content[at:]
    (plane,) = overlays_of(content)
    assert (bits_of(plane) == drawn).all()
    values = read_values(content, lambda o, n: content[o : o + n], len(content), EXPLICIT)
    samples = FrameReader(values, EXPLICIT, lambda o, n: content[o : o + n]).samples(0)
    assert (samples == pixels).all()


def test_an_overlay_that_is_cut_off_is_left_out():
    bits = np.ones((13, 11), "u1")
    content = bytearray(with_overlay(bits))
    at = bytes(content).index(b"\x00\x60\x10\x00US\x02\x00")
    content[at + 8 : at + 10] = (500).to_bytes(2, "little")  # Overlay Rows
    assert overlays_of(bytes(content)) == []


@pytest.mark.data
def test_a_real_overlay_is_what_pydicom_reads(shared_data):
    path = next(shared_data.rglob("MR-SIEMENS-DICOM-WithOverlays.dcm"))
    expected = pydicom.dcmread(path).overlay_array(0x6000)
    content, syntax = split_file(path)
    (plane,) = overlays_of(content, syntax)
    assert (bits_of(plane) == expected).all()

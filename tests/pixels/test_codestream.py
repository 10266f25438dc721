"""Which JPEG streams a browser shows as the data set means them."""

import struct

import pytest

from mkiso.pixels.codestream import read_codestream, shows_right_in_browser

JFIF = b"\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"
EXIF = b"\xff\xe1\x00\x0aExif\0\0MM"


def adobe(transform):
    return b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


def jpeg(*segments, marker=0xC0, ids=(1, 2, 3), precision=8):
    body = struct.pack(">BHHB", precision, 30, 40, len(ids))
    body += b"".join(bytes([number, 0x11, 0]) for number in ids)
    head = b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xff" + head[1:] + b"\xff\xda"


def shown(*segments, photometric, **header):
    return shows_right_in_browser(read_codestream(jpeg(*segments, **header)), photometric)


def test_the_size_is_read_behind_other_segments_and_fill_bytes():
    found = read_codestream(jpeg(JFIF, adobe(1)))
    assert (found.rows, found.columns, found.components, found.precision) == (30, 40, 3, 8)


@pytest.mark.parametrize(
    ("segments", "ids", "photometric", "right"),
    [
        ([], (1, 2, 3), "YBR_FULL_422", True),
        ([], (1, 2, 3), "RGB", False),  # a browser would take it for YCbCr
        ([JFIF], (1, 2, 3), "YBR_FULL", True),
        ([JFIF], (1, 2, 3), "RGB", True),  # JFIF is YCbCr, whatever the data set says
        ([adobe(0)], (1, 2, 3), "RGB", True),
        ([adobe(0)], (1, 2, 3), "YBR_FULL_422", False),
        ([adobe(1)], (1, 2, 3), "YBR_FULL_422", True),
        ([adobe(1)], (1, 2, 3), "RGB", False),
        ([], (0x52, 0x47, 0x42), "RGB", True),
        ([], (0x52, 0x47, 0x42), "YBR_FULL", True),
        ([EXIF], (1, 2, 3), "YBR_FULL_422", False),  # it might be turned
    ],
)
def test_colours_are_right_where_browser_and_data_set_agree(segments, ids, photometric, right):
    assert shown(*segments, photometric=photometric, ids=ids) is right


@pytest.mark.parametrize("marker", [0xC2, 0xC3, 0xC9, 0xF7])
def test_what_is_no_sequential_huffman_jpeg_is_decoded_here(marker):
    assert not shown(photometric="YBR_FULL_422", marker=marker)


def test_grey_and_deep_jpegs_are_decoded_here():
    assert not shown(photometric="MONOCHROME2", ids=(1,))
    assert not shown(photometric="YBR_FULL_422", precision=12, marker=0xC1)


@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8", b"\xff\x4f\xff\x51\0", b"GIF89a", b"\xff" * 9]
)
def test_what_is_no_stream_is_nothing(stream):
    assert read_codestream(stream) is None

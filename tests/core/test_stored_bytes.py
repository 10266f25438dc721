"""The judge's own reading of native pixels agrees with pydicom's."""

import numpy as np
import pytest
from pixels.pixel_objects import image
from received import bundled, split_file

from mkiso.core.stored_bytes import stored_bytes

EXPLICIT = "1.2.840.10008.1.2.1"


def read(content, syntax=EXPLICIT, frame=0):
    return stored_bytes(
        lambda offset, length: content[offset : offset + length], len(content), syntax, frame
    )


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "rtdose_1frame.dcm"]
)
def test_grey_files_have_the_values_that_pydicom_reads(name):
    import pydicom  # noqa: PLC0415 - of this test alone

    expected = pydicom.dcmread(bundled(name)).pixel_array
    content, syntax = split_file(bundled(name))
    rows, columns, stored = read(content, syntax)
    assert (rows, columns) == expected.shape
    assert stored == expected.astype(expected.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_are_cut_off_and_signs_extended(signed):
    stored = np.arange(-32, 32).reshape(8, 8) * (60 if signed else 1)
    stored = stored if signed else stored + 2000
    words = (stored & 0xFFF).astype("u2") | 0xA000  # an overlay in the unused bits
    content = image(words, BitsStored=12, HighBit=11, PixelRepresentation=int(signed))
    _, _, found = read(content)
    assert found == stored.astype("<i2" if signed else "<u2").tobytes()


def test_each_frame_is_found():
    frames = np.stack([np.full((4, 6), n, "u2") for n in (1, 2, 3)])
    content = image(frames)
    assert read(content, frame=2)[2] == frames[2].tobytes()
    assert read(content, frame=3) is None


def test_what_is_not_plain_is_left_to_others():
    content, syntax = split_file(bundled("JPEG2000.dcm"))
    assert read(content, syntax) is None
    content, syntax = split_file(bundled("MR_small_bigendian.dcm"))
    assert read(content, syntax) is None
    content, syntax = split_file(bundled("test-SR.dcm"))
    assert read(content, syntax) is None

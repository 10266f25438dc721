"""Objects with pixels, made for tests: native, encapsulated, damaged."""

import struct

import numpy as np
from received import BIG_ENDIAN, EXPLICIT, IMPLICIT, data_set, encoded, received

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
XRAY_ANGIOGRAPHY = "1.2.840.10008.5.1.4.1.1.12.1"
TWELVE_BIT_JPEG = "1.2.840.10008.1.2.4.51"


def ramp(rows=64, columns=64, kind="u2"):
    values = np.arange(rows)[:, None] * 3 + np.arange(columns)[None, :] * 5
    return (values % 4000).astype(kind)


def image_attributes(pixels, **attributes):
    """The image pixel module of an array (rows, columns[, 3]) or (frames, rows, columns)."""
    bits = 8 * pixels.itemsize
    found = {
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if pixels.ndim == 3 and pixels.shape[-1] == 3:
        found.update(
            Rows=pixels.shape[0],
            Columns=pixels.shape[1],
            SamplesPerPixel=3,
            PhotometricInterpretation="RGB",
            PlanarConfiguration=0,
        )
    elif pixels.ndim == 3:
        found["NumberOfFrames"] = pixels.shape[0]
    return {**found, **attributes}


def image(pixels, number=1, syntax=EXPLICIT, sop_class=SECONDARY_CAPTURE, **attributes):
    """The bytes of an image object whose pixels are stored as they are."""
    order = ">" if syntax == BIG_ENDIAN else "<"
    raw = attributes.pop("PixelData", pixels.astype(pixels.dtype.newbyteorder(order)).tobytes())
    described = data_set(sop_class, number, **image_attributes(pixels, **attributes))
    return encoded(described, syntax) + _pixel_element(raw, syntax)


def _pixel_element(raw, syntax):
    raw += b"\0" * (len(raw) % 2)
    if syntax == IMPLICIT:
        return struct.pack("<HHI", 0x7FE0, 0x10, len(raw)) + raw
    order = ">" if syntax == BIG_ENDIAN else "<"
    return struct.pack(f"{order}HH2sHI", 0x7FE0, 0x10, b"OW", 0, len(raw)) + raw


def encapsulated(shape, fragments, number=1, table=b"", sop_class=XRAY_ANGIOGRAPHY, **attributes):
    """The bytes of an object whose pixels stand in fragments, of a matrix (rows, columns)."""
    module = image_attributes(np.zeros(shape, "u2"), **attributes)
    items = b"".join(_item(part) for part in (table, *fragments))
    head = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return encoded(data_set(sop_class, number, **module)) + head + items + end


def _item(content):
    content += b"\0" * (len(content) % 2)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def file_of(content, folder, syntax=EXPLICIT, levels=None):
    """A received instance with its file."""
    return received(content, folder, syntax, levels)

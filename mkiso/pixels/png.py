"""PNG files of 8-bit pictures (ISO/IEC 15948), without a library for it."""

from __future__ import annotations

import binascii
import struct
import zlib

import numpy as np

from mkiso.pixels.rendering import Picture

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2


def encode_png(picture: Picture) -> bytes:
    """Return the PNG file of a grey or RGB picture."""
    rows, columns = picture.shape[:2]
    header = struct.pack(
        ">IIBBBBB", columns, rows, 8, _RGB if picture.ndim == 3 else _GREY, 0, 0, 0
    )
    lines = picture.reshape(rows, -1)
    filtered = np.empty((rows, lines.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2  # each line as the difference to the one above
    filtered[:, 1:] = lines
    filtered[1:, 1:] -= lines[:-1]
    body = zlib.compress(filtered.tobytes(), 9)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def data_uri(content: bytes, mime_type: str) -> str:
    """Return content as the source of an image in a page."""
    return f"data:{mime_type};base64," + binascii.b2a_base64(content, newline=False).decode("ascii")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

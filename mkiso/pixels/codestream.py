"""What the first bytes of a compressed frame say: size, components, colours (no decoding)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

# ITU-T T.81 table B.1: frame headers; T.87 C.1.1: SOF55 of JPEG-LS.
_FRAME_HEADERS: Final = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
#: Baseline, and extended sequential with 8 bits, both Huffman coded: what all browsers show.
_BROWSER_HEADERS: Final = frozenset({0xC0, 0xC1})
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xDA)})
_START_OF_SCAN, _APP0, _APP1, _APP14 = 0xDA, 0xE0, 0xE1, 0xEE
# ITU-T T.800 A.4.1, A.5.1
_JPEG_2000: Final = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True)
class Codestream:
    """The header of a JPEG, JPEG-LS or JPEG 2000 stream."""

    rows: int
    columns: int
    components: int
    precision: int
    marker: int = 0  # of the frame header; 0 for JPEG 2000
    component_ids: tuple[int, ...] = ()
    has_jfif: bool = False
    has_exif: bool = False
    adobe_transform: int | None = None


def read_codestream(stream: bytes) -> Codestream | None:
    """Return what the header says, None when it is none that is known."""
    try:
        if stream.startswith(_JPEG_2000):
            return _jpeg_2000(stream)
        if stream.startswith(b"\xff\xd8"):
            return _jpeg(stream)
    except (struct.error, IndexError):
        pass
    return None


def _jpeg_2000(stream: bytes) -> Codestream:
    """Return the SIZ marker segment."""
    x1, y1, x0, y0 = struct.unpack_from(">4I", stream, 8)
    (components,) = struct.unpack_from(">H", stream, 40)
    return Codestream(y1 - y0, x1 - x0, components, (stream[42] & 0x7F) + 1)


def _jpeg(stream: bytes) -> Codestream | None:
    """Return the frame header and what the markers before it say of the colours."""
    jfif, exif, adobe, at = False, False, None, 2
    while at + 4 <= len(stream):
        if stream[at] != 0xFF:
            return None
        marker = stream[at + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", stream, at + 2)
        body = stream[at + 4 : at + 2 + length]
        if marker in _FRAME_HEADERS:
            precision, rows, columns, components = struct.unpack_from(">BHHB", body)
            ids = tuple(body[6 + 3 * n] for n in range(components))
            return Codestream(rows, columns, components, precision, marker, ids, jfif, exif, adobe)
        if marker == _START_OF_SCAN:
            return None
        jfif = jfif or (marker == _APP0 and body.startswith(b"JFIF"))
        exif = exif or (marker == _APP1 and body.startswith(b"Exif"))
        if marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        at += 2 + length
    return None


def shows_right_in_browser(found: Codestream, photometric: str) -> bool:
    """Tell whether a browser shows a colour JPEG as the data set means it.

    Browsers take the colour space from the stream alone, as libjpeg does: JFIF is YCbCr, then
    Adobe's marker decides, then component names. Where the data set says something else the frame
    is decoded here. Turned pictures (Exif) as well.
    """
    if found.marker not in _BROWSER_HEADERS or found.precision != 8 or found.components != 3:
        return False
    return not found.has_exif and _browser_space(found) == _meant_space(found, photometric)


def _browser_space(found: Codestream) -> str:
    if found.has_jfif:
        return "YBR"
    if found.adobe_transform is not None:
        return "RGB" if found.adobe_transform == 0 else "YBR"
    return "RGB" if found.component_ids == (0x52, 0x47, 0x42) else "YBR"


def _meant_space(found: Codestream, photometric: str) -> str:
    """Return what the decoders here would take the stream for."""
    if found.component_ids in {(0x52, 0x47, 0x42), (0x72, 0x67, 0x62)}:
        return "RGB"
    if found.has_jfif:
        return "YBR"
    return "RGB" if photometric == "RGB" else "YBR"

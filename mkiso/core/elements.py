"""Takes the elements that are asked for out of the bytes of a data set (PS3.5 7).

No value is decoded and no element object is made: a CT header of 150 elements takes about a
twentieth of a millisecond, so that the receiver can look into every instance before it answers.
"""

from __future__ import annotations

import struct
from array import array

from mkiso.core.byte_source import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG,
    SHORT,
    ByteSource,
    Element,
    Encoding,
    HeaderError,
    Span,
    name_of,
)
from mkiso.core.nesting import SUSPICIOUS_BYTES, end_of_value, inner_encoding

__all__ = [
    "EXPLICIT_BIG",
    "EXPLICIT_LITTLE",
    "IMPLICIT_LITTLE",
    "MAX_VALUE_BYTES",
    "ByteSource",
    "Encoding",
    "HeaderError",
    "Span",
    "scan",
    "swapped",
]

MAX_TOP_LEVEL_ELEMENTS = 100_000
#: A value that is asked for is kept up to this length; none that is legal comes near it.
MAX_VALUE_BYTES = 65536

# PS3.5 6.2, 7.3: value representations whose bytes depend on the byte order, as array type codes.
_SWAPPED = {
    **dict.fromkeys((b"US", b"SS", b"OW", b"AT"), "H"),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"OF", b"OL"), "I"),
    **dict.fromkeys((b"FD", b"OD", b"SV", b"UV", b"OV"), "Q"),
}


def scan(  # noqa: C901 - one loop without calls: this is what every instance costs
    source: ByteSource, encoding: Encoding, values: frozenset[int], sequences: frozenset[int]
) -> tuple[dict[int, bytes], dict[int, Span]]:
    """Return the raw values of the tags `values` and the places of the tags `sequences`.

    The whole top level is walked, so that a data set that was cut off is found. Values are as
    they stand, padding included, binary ones swapped to little endian.

    Raises HeaderError for what is no whole data set.
    """
    found: dict[int, bytes] = {}
    spans: dict[int, Span] = {}
    offset, size = 0, source.size
    window, base = source.window, source.base
    header, long_length = encoding.header.unpack_from, encoding.long_length.unpack_from
    for _ in range(MAX_TOP_LEVEL_ELEMENTS):
        try:
            group, element, vr, length = header(window, offset - base)
            if vr in SHORT:
                value = offset + 8
            elif vr in LONG:
                (length,) = long_length(window, offset - base + 8)
                value = offset + 12
            else:
                _, vr, length, value = source.odd_element(offset, encoding)
        except struct.error:
            if source.only_padding(offset):
                break
            window, base = source.move_to(offset)
            continue
        stop = value + length
        tag = group << 16 | element
        if length >= SUSPICIOUS_BYTES or not group:
            if not group and source.only_padding(offset):
                break
            stop = end_of_value(source, encoding, Element(tag, vr, length, value))
            window, base = source.window, source.base
        if stop > size:
            raise HeaderError(
                f"The element {name_of(tag)} at byte {offset} runs over the end ({size} bytes)."
            )
        if tag in values:
            raw = source.bytes_at(value, min(stop, value + MAX_VALUE_BYTES))
            found[tag] = swapped(raw, vr) if encoding.big_endian else raw
        elif tag in sequences:
            spans[tag] = Span(value, stop, inner_encoding(source, encoding, vr, value))
        offset = stop
    else:
        raise HeaderError(f"The data set has more than {MAX_TOP_LEVEL_ELEMENTS} elements.")
    return found, spans


def swapped(raw: bytes, vr: bytes) -> bytes:
    """Return a big endian value in little endian; text and values of odd size stay."""
    code = _SWAPPED.get(vr)
    if code is None:
        return raw
    words = array(code)
    if len(raw) % words.itemsize:
        return raw
    words.frombytes(raw)
    words.byteswap()
    return words.tobytes()

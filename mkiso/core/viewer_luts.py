"""Lookup tables as the page gets them (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5, C.7.9.2)."""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from mkiso.core.byte_source import HeaderError
from mkiso.core.viewer_values import Values

_MAX_ENTRIES = 65536
_COLOURS = ("Red", "Green", "Blue")


def blob(content: bytes) -> str:
    """Return bytes as the page unpacks them: base64 of a zlib stream."""
    return binascii.b2a_base64(zlib.compress(content, 1), newline=False).decode("ascii")


def lut_of(item: Values, *, signed: bool | None) -> dict[str, Any]:
    """Return the LUT in an item of a LUT sequence, empty when there is none.

    `signed` tells how the first stored value mapped is written; None: as a number that is above
    32767 only where no signed input could be meant, which is how VOI LUTs are found.
    """
    try:
        descriptor, raw = _descriptor(item, "LUTDescriptor"), item.raw("LUTData")
    except HeaderError:
        return {}
    if descriptor is None or not raw:
        return {}
    entries, first, bits = descriptor
    if signed is not None:
        first = _as_signed(first) if signed else first
    elif first + entries > _MAX_ENTRIES:
        first = _as_signed(first)
    if len(raw) < 2 * entries:  # 8 bits an entry, though the standard has 16
        raw = _widened(raw[:entries])
    count = min(entries, len(raw) // 2)
    found = {"first": first, "entries": count, "bits": bits, "data": blob(raw[: 2 * count])}
    explanation = item.text("LUTExplanation")
    return {**found, "explanation": explanation} if explanation else found


def palette_of(values: Values) -> dict[str, Any]:
    """Return the palette of an image or a presentation state, empty when there is none.

    Segmented palettes are expanded.
    """
    signed = values.integer("PixelRepresentation") == 1
    try:
        found = [_colour(values, colour, signed=signed) for colour in _COLOURS]
    except HeaderError:
        return {}
    tables = [table for table in found if table]
    if len(tables) < len(_COLOURS):
        return {}
    # what the descriptor says of the bits is wrong as often as right; the entries tell
    bits = 16 if any(any(raw[1::2]) for _, raw in tables) else 8
    return {
        name: {"first": first, "entries": len(raw) // 2, "bits": bits, "data": blob(raw)}
        for name, (first, raw) in zip(("red", "green", "blue"), tables, strict=True)
    }


def _colour(values: Values, colour: str, *, signed: bool) -> tuple[int, bytes] | None:
    """Return first value mapped and 16-bit entries of one colour; None when there is none."""
    descriptor = _descriptor(values, f"{colour}PaletteColorLookupTableDescriptor")
    if descriptor is None:
        return None
    entries, first, bits = descriptor
    raw = values.raw(f"{colour}PaletteColorLookupTableData")
    segmented = values.raw(f"Segmented{colour}PaletteColorLookupTableData")
    if not raw and segmented:
        raw = b"".join(_expanded(segmented, bits, entries))
    elif len(raw) < 2 * entries:  # PS3.3 C.7.6.3.1.5: 8-bit entries, two in a word
        raw = _widened(raw[:entries])
    if not raw:
        return None
    return (_as_signed(first) if signed else first), raw[: 2 * min(entries, len(raw) // 2)]


def _descriptor(item: Values, keyword: str) -> tuple[int, int, int] | None:
    """Return number of entries, first value mapped (as unsigned), bits; None when illegal."""
    numbers = item.numbers(keyword, vr="US")
    if len(numbers) < 3:
        return None
    entries, first, bits = (int(number) for number in numbers[:3])
    return (entries or _MAX_ENTRIES), first, (16 if bits > 16 or bits < 1 else bits)


def _as_signed(value: int) -> int:
    return value - _MAX_ENTRIES if value >= _MAX_ENTRIES // 2 else value


def _widened(raw: bytes) -> bytes:
    """Return 8-bit entries as 16-bit ones."""
    wide = bytearray(2 * len(raw))
    wide[0::2] = raw
    return bytes(wide)


def _expanded(segmented: bytes, bits: int, entries: int) -> Iterator[bytes]:
    """Yield the entries of a segmented palette, 16 bits each (PS3.3 C.7.9.2).

    Discrete (0), linear (1) and indirect (2) segments; what is none of them ends the table.
    """
    width = "B" if bits <= 8 else "H"
    size = struct.calcsize(width)
    words = struct.unpack(
        f"<{len(segmented) // size}{width}", segmented[: len(segmented) // size * size]
    )
    at, last, made = 0, 0, 0
    while at + 2 < len(words) + 1 and at + 1 < len(words) and made < entries:
        code, length = words[at], words[at + 1]
        if code == 2:
            low = words[at + 2 : at + 6] if width == "B" else words[at + 2 : at + 4]
            base = 8 if width == "B" else 16
            offset = sum(word << (base * n) for n, word in enumerate(low)) // size
            values = _segments(words, offset, length, last)
            at += 2 + len(low)
        else:
            values = _segments(words, at, 1, last)
            at += 2 + (length if code == 0 else 1)
        if not values:
            return
        last, made = values[-1], made + len(values)
        yield struct.pack(f"<{len(values)}H", *values)


def _segments(words: tuple[int, ...], at: int, count: int, last: int) -> list[int]:
    """Return the values of `count` discrete or linear segments that begin at `at`."""
    values: list[int] = []
    for _ in range(count):
        if at + 2 > len(words) or len(values) > _MAX_ENTRIES:
            break
        code, length = words[at], words[at + 1]
        if code == 0:
            found = list(words[at + 2 : at + 2 + length])
            at += 2 + length
        elif code == 1 and at + 2 < len(words):
            end = words[at + 2]
            found = [round(last + (end - last) * n / length) for n in range(1, length + 1)]
            at += 3
        else:
            break
        if found:
            last = found[-1]
        values += found
    return values

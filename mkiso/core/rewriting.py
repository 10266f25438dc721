"""A data set in Explicit VR Little Endian with the bytes of its values unchanged (PS3.5 7).

What was explicit little endian is copied as it stands; implicit elements get the VR of the
dictionary, big endian words are turned. No value is decoded, so that no text and no number can
come out otherwise than it went in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mkiso.core.byte_source import (
    ITEM,
    ITEM_DELIMITATION,
    LONG,
    SEQUENCE_DELIMITATION,
    SHORT,
    UNDEFINED_LENGTH,
    ByteSource,
    Element,
    Encoding,
    HeaderError,
    Span,
    name_of,
)
from mkiso.core.elements import swapped
from mkiso.core.nesting import end_of_value, inner_encoding
from mkiso.core.sequences import dictionary_vr

PIXEL_DATA = 0x7FE00010
_PIXEL_REPRESENTATION, _WAVEFORM_BITS = 0x00280103, 0x54001004
_WAVEFORM_DATA, _WAVEFORM_PADDING = 0x54001010, 0x5400100A
_LUT_DATA = 0x00283006
_SHORT_MOST = 0xFFFE


class NewValue(NamedTuple):
    """What stands for an element's value; a `length` of None is that of the bytes."""

    vr: bytes
    value: bytes
    undefined: bool = False  # fragments, with their own delimitation


class _Level(NamedTuple):
    """What decides ambiguous VRs in one data set or item (PS3.5 A.1, PS3.3 C.7.6.3)."""

    signed: bool
    waveform_bits: int


def rewritten(data_set: bytes, encoding: Encoding, changes: Mapping[int, NewValue | None]) -> bytes:
    """Return the data set in Explicit VR Little Endian, with `changes` at its top level.

    A change of None leaves the element out; a tag that is not there is put in its place. Group
    lengths go, since they count the bytes of another encoding. Raises HeaderError.
    """
    source = ByteSource(data_set, _beyond, len(data_set))
    verbatim = encoding.explicit and not encoding.big_endian
    whole = Span(0, len(data_set), encoding)
    level = _level(source, whole, _Level(signed=False, waveform_bits=16))
    parts: list[bytes] = []
    waiting = sorted(tag for tag, change in changes.items() if change is not None)
    for element, start, stop in elements_in(source, whole):
        while waiting and waiting[0] < element.tag:
            parts.append(_changed(waiting.pop(0), changes))
        if element.tag in changes:
            if waiting and waiting[0] == element.tag:
                parts.append(_changed(waiting.pop(0), changes))
        elif verbatim and element.tag & 0xFFFF:
            parts.append(data_set[start:stop])
        elif element.tag & 0xFFFF:
            parts.append(_explicit(source, encoding, element, stop, level))
    parts += [_changed(tag, changes) for tag in waiting]
    return b"".join(parts)


def _beyond(_offset: int, _length: int) -> bytes:
    return b""


def _changed(tag: int, changes: Mapping[int, NewValue | None]) -> bytes:
    change = changes[tag]
    return _encoded(tag, change.vr, change.value, undefined=change.undefined) if change else b""


def elements_in(source: ByteSource, span: Span) -> Iterator[tuple[Element, int, int]]:
    """Yield each element with the offsets of its beginning and of what follows it."""
    offset, end, encoding = span
    while offset < end and not source.only_padding(offset):
        start = offset
        element = source.element_at(offset, encoding)
        if element.tag in {ITEM_DELIMITATION, SEQUENCE_DELIMITATION}:
            return
        if element.length == UNDEFINED_LENGTH:
            offset = end_of_value(source, encoding, element)
        else:
            offset = element.value + element.length
        if offset > end:
            raise HeaderError(f"The element {name_of(element.tag)} runs over the end.")
        yield element, start, offset


def _level(source: ByteSource, span: Span, outer: _Level) -> _Level:
    """Return what decides the ambiguous VRs among these elements."""
    signed, bits = outer
    order = "big" if span.encoding.big_endian else "little"
    for element, _, stop in elements_in(source, span):
        if element.tag == _PIXEL_REPRESENTATION and element.length == 2:
            signed = bool(int.from_bytes(source.bytes_at(element.value, stop), order))  # type: ignore[arg-type]
        elif element.tag == _WAVEFORM_BITS and element.length == 2:
            bits = int.from_bytes(source.bytes_at(element.value, stop), order)  # type: ignore[arg-type]
    return _Level(signed, bits)


def _explicit(
    source: ByteSource, encoding: Encoding, element: Element, stop: int, level: _Level
) -> bytes:
    """Return one element anew."""
    tag, vr, length, value = element
    vr = vr or _vr(tag, level)
    if vr == b"SQ":
        inside = inner_encoding(source, encoding, element.vr, value)
        return _encoded(tag, vr, _items(source, Span(value, stop, inside), level))
    if length == UNDEFINED_LENGTH:  # private items, which stay implicit in UN (PS3.5 6.2.2)
        if encoding.big_endian:
            raise HeaderError(f"The sequence {name_of(tag)} has an unknown byte order.")
        return _encoded(tag, b"UN", source.bytes_at(value, stop), undefined=True)
    raw = source.bytes_at(value, stop)
    if encoding.big_endian:
        if vr == b"UN" and len(raw) > 1:
            raise HeaderError(f"The value of {name_of(tag)} has an unknown byte order.")
        raw = swapped(raw, vr)
    return _encoded(tag, vr, raw)


def _items(source: ByteSource, span: Span, outer: _Level) -> bytes:
    """Return the items of a sequence, of defined length."""
    parts: list[bytes] = []
    offset, end, encoding = span
    while offset < end:
        tag, length = source.tag_at(offset, encoding)
        offset += 8
        if tag == SEQUENCE_DELIMITATION:
            break
        if tag != ITEM:
            raise HeaderError(f"At byte {offset - 8} {name_of(tag)} stands for an item.")
        stop = end if length == UNDEFINED_LENGTH else offset + length
        inside = Span(offset, stop, encoding)
        level = _level(source, inside, outer)
        body: list[bytes] = []
        last = offset
        for element, _, after in elements_in(source, inside):
            if element.tag & 0xFFFF:
                body.append(_explicit(source, encoding, element, after, level))
            last = after
        content = b"".join(body)
        parts.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content)
        offset = stop if length != UNDEFINED_LENGTH else _after_item(source, last, encoding)
    return b"".join(parts)


def _after_item(source: ByteSource, offset: int, encoding: Encoding) -> int:
    """Return the offset after an item's delimitation, which some writers leave out."""
    tag, _ = source.tag_at(offset, encoding)
    return offset + 8 if tag == ITEM_DELIMITATION else offset


def _vr(tag: int, level: _Level) -> bytes:
    """Return the VR of an element that does not say it (PS3.5 A.1, PS3.6)."""
    group, number = tag >> 16, tag & 0xFFFF
    if group & 1:  # PS3.5 7.8.1: private creators are LO, the rest only its maker knows
        return b"LO" if 0x10 <= number <= 0xFF else b"UN"
    if group & 0xFF01 == 0x6000 and number == 0x3000:
        return b"OW"  # PS3.5 8.1.2, overlays
    if tag in {_WAVEFORM_DATA, _WAVEFORM_PADDING}:
        return b"OB" if level.waveform_bits == 8 else b"OW"
    if tag in {_LUT_DATA, PIXEL_DATA}:
        return b"OW"
    vr = _known_vr(tag)
    return b"SS" if vr == b"US" and level.signed and tag in _SIGN_FOLLOWS else vr


def _known_vr(tag: int) -> bytes:
    vr = dictionary_vr(tag)
    return vr if vr in SHORT or vr in LONG else b"UN"


# PS3.6: VR "US or SS"; LUT descriptors are read by the sign of the pixels, too (C.11.1.1)
_SIGN_FOLLOWS = frozenset(
    {0x00280106, 0x00280107, 0x00280108, 0x00280109, 0x00280110, 0x00280111, 0x00280120}
    | {0x00280121, 0x00281101, 0x00281102, 0x00281103, 0x00283002, 0x00409211, 0x00409212}
    | {0x00409216, 0x00603004, 0x00603006, 0x00189810, 0x00280071}
)


def _encoded(tag: int, vr: bytes, value: bytes, *, undefined: bool = False) -> bytes:
    """Return an element; a value that its VR cannot be as long as becomes UN (PS3.5 6.2.2)."""
    group, number = tag >> 16, tag & 0xFFFF
    if len(value) & 1:
        value += b" " if vr in _PADDED_WITH_SPACE else b"\0"
    if vr not in LONG and len(value) > _SHORT_MOST:
        vr = b"UN"
    if vr in LONG:
        length = UNDEFINED_LENGTH if undefined else len(value)
        return struct.pack("<HH2sHI", group, number, vr, 0, length) + value
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


_PADDED_WITH_SPACE = frozenset(
    {b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST", b"TM"}
    | {b"UC", b"UR", b"UT"}
)

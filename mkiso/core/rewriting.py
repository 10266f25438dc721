"""A data set in Explicit VR Little Endian with the bytes of its values unchanged (PS3.5 7).

What was explicit little endian is copied as it stands; implicit elements get the VR of the
dictionary, big endian words are turned. No value is decoded, so that no text and no number can
come out otherwise than it went in.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from mkiso.core.byte_source import (
    EXPLICIT_LITTLE,
    LONG,
    SHORT,
    UNDEFINED_LENGTH,
    ByteSource,
    Element,
    Encoding,
    HeaderError,
    Span,
    name_of,
)
from mkiso.core.element_walk import element_head, elements_of, encoded_element, items_of
from mkiso.core.elements import swapped
from mkiso.core.nesting import inner_encoding
from mkiso.core.sequences import dictionary_vr

PIXEL_DATA = 0x7FE00010
_PIXEL_REPRESENTATION, _WAVEFORM_BITS = 0x00280103, 0x54001004
_WAVEFORM_DATA, _WAVEFORM_PADDING = 0x54001010, 0x5400100A
_LUT_DATA = 0x00283006


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
    level = _level(source, whole, _Level(signed=False, waveform_bits=16), is_item=False)
    parts: list[bytes] = []
    waiting = sorted(tag for tag, change in changes.items() if change is not None)
    for element, start, stop in elements_of(source, whole, is_item=False):
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
    if change is None:
        return b""
    encode = _fragments if change.undefined else _encoded
    return encode(tag, change.vr, change.value)


def _level(source: ByteSource, span: Span, outer: _Level, *, is_item: bool) -> _Level:
    """Return what decides the ambiguous VRs among these elements."""
    signed, bits = outer
    order = "big" if span.encoding.big_endian else "little"
    for element, _, stop in elements_of(source, span, is_item=is_item):
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
        return _fragments(tag, b"UN", source.bytes_at(value, stop))
    raw = source.bytes_at(value, stop)
    if encoding.big_endian:
        if vr == b"UN" and len(raw) > 1:
            raise HeaderError(f"The value of {name_of(tag)} has an unknown byte order.")
        raw = swapped(raw, vr)
    return _encoded(tag, vr, raw)


def _items(source: ByteSource, span: Span, outer: _Level) -> bytes:
    """Return the items of a sequence, of defined length."""
    parts: list[bytes] = []
    for inside in items_of(source, span):
        level = _level(source, inside, outer, is_item=True)
        content = b"".join(
            _explicit(source, inside.encoding, element, after, level)
            for element, _, after in elements_of(source, inside)
            if element.tag & 0xFFFF
        )
        parts.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content)
    return b"".join(parts)


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


def _encoded(tag: int, vr: bytes, value: bytes) -> bytes:
    return encoded_element(EXPLICIT_LITTLE, tag, vr, value)


def _fragments(tag: int, vr: bytes, value: bytes) -> bytes:
    """Return an element of undefined length; the value brings its own delimitation."""
    return element_head(EXPLICIT_LITTLE, tag, vr, UNDEFINED_LENGTH) + value

"""Sequences of a data set as values, and back into Explicit VR Little Endian (PS3.5 7.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from mkiso.core.byte_source import (
    ITEM,
    ITEM_DELIMITATION,
    LONG,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    ByteSource,
    Element,
    Encoding,
    HeaderError,
    Span,
    name_of,
)
from mkiso.core.elements import MAX_VALUE_BYTES, swapped
from mkiso.core.nesting import end_of_value, inner_encoding

#: Tag, VR and value; the value of a sequence is the list of its items.
Node: TypeAlias = "tuple[int, bytes, bytes | list[Item]]"
Item: TypeAlias = "list[Node]"

#: What one sequence may add to a directory record; presentation states of 20,000 images fit.
MAX_ITEMS_BYTES = 4 * 1024 * 1024
#: Elements looked at for one sequence of a directory record.
MAX_ITEMS_ELEMENTS = 500_000
#: VRs whose last byte may be a zero that means something (PS3.5 6.2).
BINARY_VRS = frozenset(
    {b"AT", b"FD", b"FL", b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SL", b"SS", b"SV", b"UL"}
    | {b"UN", b"US", b"UV"}
)
# PS3.5 6.2: a value is made even with a space, of these with a NUL.
_PADDED_WITH_NUL = frozenset({b"UI", b"OB", b"UN"})


def read_items(source: ByteSource, span: Span, only: tuple[int, bytes] | None = None) -> list[Item]:
    """Return the items at `span`; with `only` those that have this value for this tag.

    Items hold standard attributes only: group lengths, private and unknown elements say nothing
    in a directory record. Nesting is bounded, since `scan` refused what is deeper.
    Raises HeaderError, also when the items are too large to be part of a directory.
    """
    items: list[Item] = []
    offset, end, encoding = span
    room = MAX_ITEMS_BYTES
    while offset < end:
        tag, length = source.tag_at(offset, encoding)
        offset += 8
        if tag == SEQUENCE_DELIMITATION:
            break
        if tag != ITEM:
            raise HeaderError(f"At byte {offset - 8} {name_of(tag)} stands for an item.")
        stop = end if length == UNDEFINED_LENGTH else offset + length
        if stop > end:
            raise HeaderError(f"The item at byte {offset - 8} runs over the end of its sequence.")
        stop, matches = _look_through(source, Span(offset, stop, encoding), only)
        if matches:
            room -= stop - offset
            if room < 0:
                raise HeaderError(f"A sequence has more than {MAX_ITEMS_BYTES} bytes of items.")
            items.append(_read_item(source, Span(offset, stop, encoding)))
        offset = stop
    return items


def _look_through(
    source: ByteSource, span: Span, only: tuple[int, bytes] | None
) -> tuple[int, bool]:
    """Return where an item ends and whether it has the value that is asked for."""
    matches = only is None
    for element, stop in _elements(source, span):
        if only and element.tag == only[0] and element.length < MAX_VALUE_BYTES:
            matches = source.bytes_at(element.value, stop).rstrip(b" \0") == only[1]
        if element.tag in {ITEM_DELIMITATION, SEQUENCE_DELIMITATION}:
            return stop, matches
    return span.stop, matches


def _elements(source: ByteSource, span: Span) -> Iterator[tuple[Element, int]]:
    """Yield the elements of an item with the offset after each, up to its delimitation.

    Some writers leave out the item's own delimitation; that of the sequence is then left where
    it is for whoever reads the sequence.
    """
    offset, end, encoding = span
    while offset < end:
        element = source.element_at(offset, encoding)
        if element.tag in {ITEM_DELIMITATION, SEQUENCE_DELIMITATION}:
            yield element, element.value if element.tag == ITEM_DELIMITATION else offset
            return
        if element.length == UNDEFINED_LENGTH:
            stop = end_of_value(source, encoding, element)
        else:
            stop = element.value + element.length
        if stop > end:
            raise HeaderError(f"The element at byte {offset} runs over the end of its item.")
        yield element, stop
        offset = stop


def _read_item(source: ByteSource, span: Span) -> Item:
    """Return the elements of the item at `span` in ascending order."""
    nodes = [
        _node(source, span.encoding, element, stop) for element, stop in _elements(source, span)
    ]
    return sorted((node for node in nodes if node is not None), key=lambda node: node[0])


def _node(source: ByteSource, encoding: Encoding, element: Element, stop: int) -> Node | None:
    """Return an element of an item as a node; None for what a record does not need."""
    tag, vr, length, value = element
    if tag & 0x10000 or not tag & 0xFFFF or tag >> 16 == 0xFFFE:  # private, group length, end
        return None
    if vr in {b"", b"UN"}:
        vr = dictionary_vr(tag)
    if vr == b"SQ":
        inside = inner_encoding(source, encoding, element.vr, value)
        return tag, vr, read_items(source, Span(value, stop, inside))
    if vr == b"UN" or length > MAX_VALUE_BYTES:
        return None
    raw = source.bytes_at(value, stop)
    if vr not in BINARY_VRS:
        return tag, vr, raw.rstrip(b" \0")
    return tag, vr, swapped(raw, vr) if encoding.big_endian else raw


def encode_item(item: Item) -> bytes:
    """Return the elements of an item in Explicit VR Little Endian, without the item's header."""
    parts = []
    for tag, vr, value in item:
        raw = value if isinstance(value, bytes) else encode_items(value)
        if len(raw) & 1:
            raw += b"\0" if vr in _PADDED_WITH_NUL else b" "
        group, number = tag >> 16, tag & 0xFFFF
        if vr in LONG:
            parts.append(struct.pack("<HH2sHI", group, number, vr, 0, len(raw)) + raw)
        elif len(raw) < 0xFFFF:
            parts.append(struct.pack("<HH2sH", group, number, vr, len(raw)) + raw)
    return b"".join(parts)


def encode_items(items: list[Item]) -> bytes:
    """Return items of defined length: the value of a sequence."""
    bodies = [encode_item(item) for item in items]
    return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body for body in bodies)


@lru_cache(maxsize=4096)
def dictionary_vr(tag: int) -> bytes:
    """Return the VR of a standard attribute (PS3.6), the first where it may have several."""
    # Implicit VR is rare in the sequences of records, and the dictionary takes long to load.
    from pydicom.datadict import dictionary_VR  # noqa: PLC0415 - see above

    try:
        return str(dictionary_VR(tag))[:2].encode("ascii")
    except KeyError:
        return b"UN"

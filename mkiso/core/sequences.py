"""Sequences of a data set as values, and back into Explicit VR Little Endian (PS3.5 7.5)."""

from __future__ import annotations

import struct
from collections.abc import Callable
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

#: VRs whose last byte may be a zero that means something (PS3.5 6.2).
BINARY_VRS = frozenset(
    {b"AT", b"FD", b"FL", b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SL", b"SS", b"SV", b"UL"}
    | {b"UN", b"US", b"UV"}
)
# PS3.5 6.2: a value is made even with a space, of these with a NUL.
_PADDED_WITH_NUL = frozenset({b"UI", b"OB", b"UN"})


def read_items(
    source: ByteSource, span: Span, keep: Callable[[Item], bool] | None = None
) -> list[Item]:
    """Return the items at `span`, those that `keep` refuses left out.

    Items hold standard attributes only: group lengths, private and unknown elements say nothing
    in a directory record. Nesting is bounded, since `scan` refused what is deeper.
    """
    items: list[Item] = []
    offset, end, encoding = span
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
        item, offset = _read_item(source, Span(offset, stop, encoding))
        if keep is None or keep(item):
            items.append(item)
    return items


def _read_item(source: ByteSource, span: Span) -> tuple[Item, int]:
    """Return the item at `span` and the offset after it."""
    item: Item = []
    offset, end, encoding = span
    while offset < end:
        element = source.element_at(offset, encoding)
        if element.tag == ITEM_DELIMITATION:
            return item, element.value
        if element.tag == SEQUENCE_DELIMITATION:  # the item's own is left out
            return item, offset
        if element.length == UNDEFINED_LENGTH:
            stop = end_of_value(source, encoding, element)
        else:
            stop = element.value + element.length
        if stop > end:
            raise HeaderError(f"The element at byte {offset} runs over the end of its item.")
        node = _node(source, encoding, element, stop)
        if node is not None:
            item.append(node)
        offset = stop
    item.sort(key=lambda node: node[0])
    return item, offset


def _node(source: ByteSource, encoding: Encoding, element: Element, stop: int) -> Node | None:
    """Return an element of an item as a node; None for what a record does not need."""
    tag, vr, length, value = element
    if tag & 0x10000 or not tag & 0xFFFF:  # private, group length
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

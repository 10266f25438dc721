"""Walks a data set element by element, and joins what is new with spans of what stays (PS3.5 7).

Spans are not read: an object of gigabytes needs the memory of its header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

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
from mkiso.core.nesting import end_of_value

_SHORT_MOST = 0xFFFE
#: A value of four bytes of length; longer ones can only be of undefined length (PS3.5 7.1.1).
_LONG_MOST = 0xFFFFFFFE
#: PS3.5 6.2: text is made even with a space, everything else with NUL.
_PADDED_WITH_SPACE = frozenset(
    {b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST", b"TM"}
    | {b"UC", b"UR", b"UT"}
)


class Placed(NamedTuple):
    """An element with the offsets of its beginning and of what follows it."""

    element: Element
    start: int
    stop: int


class Stretch(NamedTuple):
    """Bytes of the original data set, from `start` to `stop`."""

    start: int
    stop: int


class Fill(NamedTuple):
    """A pattern of bytes, again and again, for `size_bytes`."""

    pattern: bytes
    size_bytes: int


Piece = bytes | Stretch | Fill


class Pieces:
    """What a data set is made of: new bytes, and stretches of the original, in order."""

    __slots__ = ("parts", "size_bytes")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.parts: list[Piece] = []
        self.size_bytes = 0

    def add(self, content: bytes) -> None:
        """Append new bytes."""
        if content:
            if self.parts and isinstance(self.parts[-1], bytes) and len(self.parts[-1]) < 4096:
                self.parts[-1] += content
            else:
                self.parts.append(content)
            self.size_bytes += len(content)

    def stay(self, start: int, stop: int) -> None:
        """Append a stretch of the original; those that touch become one."""
        if stop <= start:
            return
        last = self.parts[-1] if self.parts else b""
        if isinstance(last, Stretch) and last.stop == start:
            self.parts[-1] = Stretch(last.start, stop)
        else:
            self.parts.append(Stretch(start, stop))
        self.size_bytes += stop - start

    def fill(self, pattern: bytes, size_bytes: int) -> None:
        """Append a pattern, repeated."""
        if size_bytes > 0:
            self.parts.append(Fill(pattern, size_bytes))
            self.size_bytes += size_bytes

    def join(self, other: Pieces) -> None:
        """Append the pieces of another."""
        for part in other.parts:
            if isinstance(part, bytes):
                self.add(part)
            elif isinstance(part, Stretch):
                self.stay(*part)
            else:
                self.fill(*part)


def elements_of(source: ByteSource, span: Span, *, is_item: bool = True) -> Iterator[Placed]:
    """Yield the elements of an item, up to a delimitation, or of a data set. Raises HeaderError.

    In a data set a delimitation ends nothing: some writers leave one where a sequence was.
    """
    offset, end, encoding = span
    while offset < end and not source.only_padding(offset):
        start = offset
        element = source.element_at(offset, encoding)
        if element.tag in {ITEM_DELIMITATION, SEQUENCE_DELIMITATION}:
            if is_item:
                return
            offset = element.value
            continue
        if element.length == UNDEFINED_LENGTH:
            offset = end_of_value(source, encoding, element)
        else:
            offset = element.value + element.length
        if offset > end:
            raise HeaderError(f"The element {name_of(element.tag)} runs over the end.")
        yield Placed(element, start, offset)


def items_of(source: ByteSource, span: Span) -> Iterator[Span]:
    """Yield where the elements of each item of a sequence stand. Raises HeaderError."""
    offset, end, encoding = span
    while offset < end:
        tag, length = source.tag_at(offset, encoding)
        offset += 8
        if tag == SEQUENCE_DELIMITATION:
            return
        if tag != ITEM:
            raise HeaderError(f"At byte {offset - 8} {name_of(tag)} stands for an item.")
        if length != UNDEFINED_LENGTH:
            if offset + length > end:
                raise HeaderError(f"The item at byte {offset - 8} runs over its sequence's end.")
            yield Span(offset, offset + length, encoding)
            offset += length
            continue
        stop = offset
        for placed in elements_of(source, Span(offset, end, encoding)):
            stop = placed.stop
        yield Span(offset, stop, encoding)
        tag, _ = source.tag_at(stop, encoding)
        offset = stop + 8 if tag == ITEM_DELIMITATION else stop  # some writers leave it out


def element_head(encoding: Encoding, tag: int, vr: bytes, length: int) -> bytes:
    """Return the header of an element in the encoding of its data set."""
    group, number = tag >> 16, tag & 0xFFFF
    if not encoding.explicit:
        return encoding.tag_and_length.pack(group, number, length)
    if vr not in LONG and length > _SHORT_MOST:
        vr = b"UN"  # PS3.5 6.2.2
    if vr in LONG:
        return encoding.header.pack(group, number, vr, 0) + encoding.long_length.pack(length)
    return encoding.header.pack(group, number, vr, length)


def encoded_element(encoding: Encoding, tag: int, vr: bytes, value: bytes) -> bytes:
    """Return an element with a new value, made even."""
    if len(value) & 1:
        value += b" " if vr in _PADDED_WITH_SPACE else b"\0"
    return element_head(encoding, tag, vr, len(value)) + value


def sequence_pieces(
    outside: Encoding, tag: int, vr: bytes, inside: Encoding, items: Iterable[Pieces]
) -> Pieces:
    """Return a sequence of these items, whose lengths are defined unless they are too long."""
    body = Pieces()
    for item in items:
        length = item.size_bytes
        is_long = length > _LONG_MOST
        head = UNDEFINED_LENGTH if is_long else length
        body.add(inside.tag_and_length.pack(ITEM >> 16, ITEM & 0xFFFF, head))
        body.join(item)
        if is_long:
            body.add(_end(inside, ITEM_DELIMITATION))
    whole = Pieces()
    is_long = body.size_bytes > _LONG_MOST
    length = UNDEFINED_LENGTH if is_long else body.size_bytes
    whole.add(element_head(outside, tag, vr if vr in LONG else b"SQ", length))
    whole.join(body)
    if is_long:
        whole.add(_end(inside, SEQUENCE_DELIMITATION))
    return whole


def _end(encoding: Encoding, tag: int) -> bytes:
    return encoding.tag_and_length.pack(tag >> 16, tag & 0xFFFF, 0)

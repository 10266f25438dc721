"""Elements of a DICOMDIR, strictly: Explicit VR Little Endian, ascending, nothing guessed.

Shares no code with what writes the directory, so that no mistake is made twice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_MAX_DEPTH = 32
# PS3.5 7.1.2
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_HEADER = struct.Struct("<HH2sH")
_TAG_LENGTH = struct.Struct("<HHI")
_LENGTH = struct.Struct("<I")


class DirectoryFault(Exception):  # noqa: N818 - becomes a finding, never an error of a command
    """The bytes cannot be read any further; the text says where, without values."""


class DirectoryElement(NamedTuple):
    """One element; `stop` is the offset after it, delimitations included."""

    tag: int
    vr: bytes
    start: int  # of the value
    length: int  # may be undefined
    stop: int


def elements(data: bytes, offset: int, stop: int) -> Iterator[DirectoryElement]:
    """Yield the elements from `offset` to `stop`, or to the delimitation of their item.

    Raises DirectoryFault.
    """
    last = -1
    while offset < stop:
        element = _element(data, offset, stop)
        if element.tag == ITEM_END:
            return
        if element.tag <= last:
            raise DirectoryFault(f"elements not in ascending order at byte {offset}")
        last, offset = element.tag, element.stop
        yield element


def items(data: bytes, sequence: DirectoryElement) -> Iterator[tuple[int, int, int]]:
    """Yield (offset of the item, start of its elements, stop) of a sequence.

    Raises DirectoryFault.
    """
    offset = sequence.start
    while offset < sequence.stop:
        tag, length = _tag_and_length(data, offset, sequence.stop)
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            raise DirectoryFault(f"no item at byte {offset}")
        stop = offset + 8 + length if length != UNDEFINED else _end(data, offset + 8, ITEM_END)
        if stop > sequence.stop:
            raise DirectoryFault(f"the item at byte {offset} runs over the end of its sequence")
        yield offset, offset + 8, stop
        offset = stop


def _element(data: bytes, offset: int, stop: int) -> DirectoryElement:
    if offset + 8 > stop:
        raise DirectoryFault(f"cut off at byte {offset}")
    group, number, vr, length = _HEADER.unpack_from(data, offset)
    tag, start = group << 16 | number, offset + 8
    if tag == ITEM_END:
        return DirectoryElement(tag, b"", start, 0, start)
    if vr in _LONG_VRS:
        if offset + 12 > stop:
            raise DirectoryFault(f"cut off at byte {offset}")
        (length,) = _LENGTH.unpack_from(data, start)
        start += 4
    elif vr not in _SHORT_VRS:
        raise DirectoryFault(f"no value representation at byte {offset}")
    if length == UNDEFINED:
        return DirectoryElement(tag, vr, start, length, _end(data, start, SEQUENCE_END))
    if start + length > stop:
        raise DirectoryFault(f"the element at byte {offset} runs over the end")
    if length & 1:
        raise DirectoryFault(f"odd length at byte {offset}")
    return DirectoryElement(tag, vr, start, length, start + length)


def _tag_and_length(data: bytes, offset: int, stop: int) -> tuple[int, int]:
    if offset + 8 > stop:
        raise DirectoryFault(f"cut off at byte {offset}")
    group, number, length = _TAG_LENGTH.unpack_from(data, offset)
    return group << 16 | number, length


def _end(data: bytes, offset: int, delimitation: int) -> int:
    """Return the offset after the delimitation of what began before `offset`."""
    waiting = [delimitation]
    while waiting:
        if len(waiting) > _MAX_DEPTH:
            raise DirectoryFault(f"nested deeper than {_MAX_DEPTH} levels at byte {offset}")
        tag, length = _tag_and_length(data, offset, len(data))
        if tag == waiting[-1]:
            waiting.pop()
            offset += 8
        elif waiting[-1] == SEQUENCE_END:
            if tag != ITEM:
                raise DirectoryFault(f"no item at byte {offset}")
            offset += 8 + (length if length != UNDEFINED else 0)
            if length == UNDEFINED:
                waiting.append(ITEM_END)
        else:
            offset = _inside_item(data, offset, waiting)
    return offset


def _inside_item(data: bytes, offset: int, waiting: list[int]) -> int:
    """Step over an element, or into a sequence of undefined length."""
    if offset + 12 <= len(data):
        (length,) = _LENGTH.unpack_from(data, offset + 8)
        if data[offset + 4 : offset + 6] in _LONG_VRS and length == UNDEFINED:
            waiting.append(SEQUENCE_END)
            return offset + 12
    return _element(data, offset, len(data)).stop

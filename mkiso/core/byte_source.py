"""The bytes of one data set and the headers of its elements (PS3.5 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from mkiso.errors import DataError

UNDEFINED_LENGTH = 0xFFFFFFFF
#: Elements of one data set; a segmentation of 100,000 frames has about five millions.
MAX_ELEMENTS = 10_000_000

ITEM = 0xFFFEE000
ITEM_DELIMITATION = 0xFFFEE00D
SEQUENCE_DELIMITATION = 0xFFFEE0DD

# PS3.5 7.1.2: value representations with a 32-bit length after two reserved bytes, and the others.
LONG = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
# (b"" stands for Implicit VR, whose header has no VR and the same size)
SHORT = frozenset(
    {b"", b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN"}
    | {b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
# Letters that writers put where they know no value representation; the length has 16 bits.
_NO_VR = frozenset({b"??", b"--", b"  ", b"\0\0", b"OX", b"QQ"})

_SMALL_WINDOW = 4096  # after a jump: fragments of compressed pixels are far apart
_LARGE_WINDOW = 65536
#: Zero bytes after the last element that are taken for padding.
_MAX_PADDING = 1 << 20


class HeaderError(DataError):
    """The bytes are no whole data set. The reason holds tags and offsets, never values."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the elements of a data set are written."""

    explicit: bool
    header: Struct  # group, element, VR, length: of 16 bits, or of 32 bits after no VR
    tag_and_length: Struct  # group, element, 32-bit length
    long_length: Struct
    big_endian: bool = False


IMPLICIT_LITTLE = Encoding(
    explicit=False, header=Struct("<HH0sI"), tag_and_length=Struct("<HHI"), long_length=Struct("<I")
)
EXPLICIT_LITTLE = Encoding(
    explicit=True, header=Struct("<HH2sH"), tag_and_length=Struct("<HHI"), long_length=Struct("<I")
)
EXPLICIT_BIG = Encoding(
    explicit=True,
    header=Struct(">HH2sH"),
    tag_and_length=Struct(">HHI"),
    long_length=Struct(">I"),
    big_endian=True,
)


class Span(NamedTuple):
    """Where the items of a sequence stand: from `start` to `stop`, its delimitation included."""

    start: int
    stop: int
    encoding: Encoding


class Element(NamedTuple):
    """An element's header; `value` is the offset of the value, `length` may be undefined."""

    tag: int
    vr: bytes  # b"" in Implicit VR
    length: int
    value: int


class ByteSource:
    """The bytes of one data set: its head in memory, what lies beyond by `read_at`."""

    __slots__ = ("_allowed", "_read_at", "base", "head", "size", "window")

    def __init__(self, head: bytes, read_at: Callable[[int, int], bytes], size: int) -> None:
        """Take the first bytes, `read_at(offset, length)` for the others, and the size in bytes."""
        self.head = self.window = head if isinstance(head, bytes) else bytes(head)
        self.base = 0
        self.size = size
        self._allowed = MAX_ELEMENTS
        self._read_at = read_at

    def move_to(self, offset: int) -> tuple[bytes, int]:
        """Return a window that begins at `offset`, and `offset`.

        Raises HeaderError when no element header can be there, or when the bytes are gone.
        """
        remaining = self.size - offset
        if remaining < 8 or (offset == self.base and len(self.window) >= min(remaining, 12)):
            raise HeaderError(f"The data set ends inside an element header, at byte {offset}.")
        near = offset <= self.base + len(self.window) + _LARGE_WINDOW
        length = min(remaining, _LARGE_WINDOW if near else _SMALL_WINDOW)
        self.window = self.bytes_at(offset, offset + length)
        self.base = offset
        return self.window, offset

    def bytes_at(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to `stop`; raises HeaderError when they are not there."""
        if self.base <= start and stop <= self.base + len(self.window):
            return self.window[start - self.base : stop - self.base]
        if stop <= len(self.head):
            return self.head[start:stop]
        found = self._read_at(start, stop - start)
        if len(found) != stop - start:
            raise HeaderError(f"The data set ends at byte {start + len(found)} of {self.size}.")
        return bytes(found)

    def only_padding(self, offset: int) -> bool:
        """Tell whether nothing but zero bytes stands from `offset` to the end (PS3.5 has none)."""
        if offset >= self.size:
            return True
        if self.bytes_at(offset, min(offset + 8, self.size)).strip(b"\0"):
            return False
        rest = self.size - offset
        return rest <= _MAX_PADDING and not self.bytes_at(offset, self.size).strip(b"\0")

    def count(self) -> None:
        """Count one more element; raises HeaderError when there are too many of them."""
        self._allowed -= 1
        if self._allowed < 0:
            raise HeaderError("The data set has too many elements.")

    def allow(self, elements: int) -> None:
        """Allow so many elements from here on: sequences are walked once a level to be read."""
        self._allowed = elements

    def tag_at(self, offset: int, encoding: Encoding) -> tuple[int, int]:
        """Return tag and 32-bit length of the item or delimitation at `offset`."""
        if offset < self.base or offset + 8 > self.base + len(self.window):
            self.move_to(offset)
        unpack = encoding.tag_and_length.unpack_from
        group, element, length = unpack(self.window, offset - self.base)
        return group << 16 | element, length

    def element_at(self, offset: int, encoding: Encoding) -> Element:
        """Return the element whose header is at `offset`."""
        self.count()
        needed = min(12, self.size - offset)
        if offset < self.base or offset + needed > self.base + len(self.window) or needed < 8:
            self.move_to(offset)
        at = offset - self.base
        group, element, vr, length = encoding.header.unpack_from(self.window, at)
        if vr in SHORT:
            return Element(group << 16 | element, vr, length, offset + 8)
        if vr in LONG:
            if needed < 12:
                raise HeaderError(f"The data set ends inside an element header, at byte {offset}.")
            (length,) = encoding.long_length.unpack_from(self.window, at + 8)
            return Element(group << 16 | element, vr, length, offset + 12)
        return self.odd_element(offset, encoding)

    def odd_element(self, offset: int, encoding: Encoding) -> Element:
        """Return an element without a known VR: of a later standard, unknown, or implicit."""
        at = offset - self.base
        group, element, vr, length = encoding.header.unpack_from(self.window, at)
        (whole,) = encoding.long_length.unpack_from(self.window, at + 4)
        tag = group << 16 | element
        if tag in (ITEM, ITEM_DELIMITATION, SEQUENCE_DELIMITATION):
            return Element(tag, b"", whole, offset + 8)
        if vr.isalpha() and vr.isupper() and vr not in _NO_VR:
            # PS3.5 6.2: value representations to come have the long form
            if length == 0 and offset + 12 <= self.size:
                (longer,) = encoding.long_length.unpack_from(self.window, at + 8)
                if offset + 12 + longer <= self.size:
                    return Element(tag, vr, longer, offset + 12)
            return Element(tag, vr, length, offset + 8)
        if vr in _NO_VR:
            return Element(tag, b"UN", length, offset + 8)
        return Element(tag, b"", whole, offset + 8)


def name_of(tag: int) -> str:
    """Return a tag as people write it: (0008,0018)."""
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"

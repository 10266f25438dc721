"""Where the frames of encapsulated pixels stand (PS3.5 A.4)."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence
from typing import TypeAlias

from mkiso.core.byte_source import ITEM
from mkiso.core.viewer_values import Values

ReadAt: TypeAlias = Callable[[int, int], bytes]
#: Offset and length of a fragment's bytes in the data set.
Fragment: TypeAlias = "tuple[int, int]"
#: The fragments of one frame.
Frame: TypeAlias = "tuple[Fragment, ...]"

_MAX_FRAGMENTS = 2_000_000
_HEADER = struct.Struct("<HHI")
#: JPEG and JPEG 2000 streams end with this; a byte of padding may follow.
_END_OF_IMAGE = b"\xff\xd9"


def frames_of(values: Values, read_at: ReadAt, frames: int) -> list[Frame]:
    """Return the fragments of each frame; fewer than `frames` when there are not as many.

    `frames` is what the object announces. Offset tables that point nowhere are not used.
    """
    span = values.span("PixelData")
    if span is None:
        return []
    items = _items(read_at, span.start, span.stop)
    if not items:
        return []
    table, fragments = items[0], items[1:]
    found = _by_extended_table(values, fragments)
    if not found and table[1]:
        found = _by_basic_table(read_at(*table), fragments)
    return (found or _by_counting(fragments, read_at, frames))[:frames]


def stream_of(frame: Frame, read_at: ReadAt) -> bytes:
    """Return the bytes of one frame."""
    return b"".join(read_at(offset, length) for offset, length in frame)


def _items(read_at: ReadAt, offset: int, stop: int) -> list[Fragment]:
    """Return the items up to the delimitation; what runs over the end is not among them."""
    found: list[Fragment] = []
    while offset + 8 <= stop and len(found) < _MAX_FRAGMENTS:
        group, element, length = _HEADER.unpack(read_at(offset, 8))
        if group << 16 | element != ITEM or offset + 8 + length > stop:
            break
        found.append((offset + 8, length))
        offset += 8 + length
    return found


def _by_extended_table(values: Values, fragments: Sequence[Fragment]) -> list[Frame]:
    """Return frames by the extended offset table, of one fragment each (PS3.3 C.7.6.3.1.8)."""
    raw = values.raw("ExtendedOffsetTable")
    if not raw:
        return []
    starts = [start for (start,) in struct.iter_unpack("<Q", raw[: len(raw) // 8 * 8])]
    return _by_starts(starts, fragments)


def _by_basic_table(raw: bytes, fragments: Sequence[Fragment]) -> list[Frame]:
    """Return frames by the basic offset table."""
    starts = [start for (start,) in struct.iter_unpack("<I", raw[: len(raw) // 4 * 4])]
    return _by_starts(starts, fragments)


def _by_starts(starts: Sequence[int], fragments: Sequence[Fragment]) -> list[Frame]:
    """Return frames that begin at `starts`, counted from the first fragment's item."""
    if not fragments or not starts:
        return []
    base = fragments[0][0] - 8
    number_at = {offset - 8 - base: number for number, (offset, _) in enumerate(fragments)}
    numbers = [number_at.get(start, -1) for start in starts]
    if numbers[0] != 0 or any(a >= b for a, b in itertools.pairwise(numbers)):
        return []
    ends = [*numbers[1:], len(fragments)]
    return [tuple(fragments[a:b]) for a, b in zip(numbers, ends, strict=True)]


def _by_counting(fragments: Sequence[Fragment], read_at: ReadAt, frames: int) -> list[Frame]:
    """Return frames without a table: one fragment each, or up to the end of each stream."""
    if frames == 1:
        return [tuple(fragments)] if fragments else []
    if len(fragments) <= frames:
        return [(fragment,) for fragment in fragments]
    found: list[Frame] = []
    begun: list[Fragment] = []
    for fragment in fragments:
        begun.append(fragment)
        offset, length = fragment
        tail = min(length, 10)
        if _END_OF_IMAGE in read_at(offset + length - tail, tail):
            found.append(tuple(begun))
            begun = []
    return [*found, tuple(begun)] if begun else found

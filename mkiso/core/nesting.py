"""Steps over sequences: where one of undefined length ends, and that none is nested too deep.

Nothing here calls itself: 1000 nested sequences are a refusal, not a full stack.
"""

from __future__ import annotations

from collections.abc import Iterator

from mkiso.core.byte_source import (
    IMPLICIT_LITTLE,
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    ByteSource,
    Element,
    Encoding,
    HeaderError,
    Span,
    name_of,
)

#: Sequences within sequences; real objects stay below 15, deeper ones break other readers.
MAX_DEPTH = 100
# Each level of nesting takes an element header and an item header: less cannot be too deep.
_LEVEL_BYTES = 16
#: Values shorter than this are stepped over without a look.
SUSPICIOUS_BYTES = MAX_DEPTH * _LEVEL_BYTES
_BIG_ENDIAN_ITEM = b"\xff\xfe\xe0\x00"
_MAY_BE_SEQUENCE = (b"SQ", b"UN", b"")


class TooDeepError(HeaderError):
    """Sequences are nested deeper than any reader should follow."""


def inner_encoding(source: ByteSource, encoding: Encoding, vr: bytes, value: int) -> Encoding:
    """Return how the items of a sequence are encoded whose value begins at `value`.

    What has no VR, or UN, holds Implicit VR Little Endian inside (PS3.5 6.2.2 note 4).
    """
    if vr not in {b"UN", b""} or not encoding.explicit:
        return encoding
    start = source.bytes_at(value, min(value + 4, source.size))
    return encoding if start == _BIG_ENDIAN_ITEM else IMPLICIT_LITTLE


def end_of_value(source: ByteSource, encoding: Encoding, element: Element, depth: int = 1) -> int:
    """Return the offset after a value that is long or of undefined length.

    Raises HeaderError when the data set ends before, or when sequences are nested too deep.
    """
    _, vr, length, value = element
    if length == UNDEFINED_LENGTH:
        inside = inner_encoding(source, encoding, vr, value)
        return _end_of_items(source, inside, value, depth)
    stop = value + length
    if vr in _MAY_BE_SEQUENCE and stop <= source.size:
        inside = inner_encoding(source, encoding, vr, value)
        _require_shallow(source, Span(value, stop, inside), depth)
    return stop


def _end_of_items(source: ByteSource, encoding: Encoding, offset: int, depth: int) -> int:
    """Return the offset after the delimitation of a sequence (or of fragments of pixels)."""
    open_levels = [(False, encoding)]  # (is an item and not a sequence, encoding)
    while open_levels:
        is_item, encoding = open_levels[-1]
        if is_item:
            offset = _step_over_element(source, encoding, offset, depth, open_levels)
        else:
            tag, length = source.tag_at(offset, encoding)
            source.count()
            offset += 8
            if tag == SEQUENCE_DELIMITATION:
                open_levels.pop()
            elif tag != ITEM:
                raise HeaderError(f"At byte {offset - 8} {name_of(tag)} stands for an item.")
            elif length == UNDEFINED_LENGTH:
                open_levels.append((True, encoding))
            else:
                offset += length
        if offset > source.size:
            raise HeaderError(f"A sequence runs over the end ({source.size} bytes).")
    return offset


def _step_over_element(
    source: ByteSource,
    encoding: Encoding,
    offset: int,
    depth: int,
    open_levels: list[tuple[bool, Encoding]],
) -> int:
    """Return the offset after an element of an item, or of its header when a sequence opens."""
    element = source.element_at(offset, encoding)
    tag, vr, length, offset = element
    if tag == ITEM_DELIMITATION:
        open_levels.pop()
        return offset
    if tag == SEQUENCE_DELIMITATION:  # some writers leave out the item's own
        del open_levels[-2:]
        return offset
    depth += len(open_levels) // 2 - 1
    if length == UNDEFINED_LENGTH:
        _require_depth(depth + 1, offset)
        open_levels.append((False, inner_encoding(source, encoding, vr, offset)))
        return offset
    if length >= SUSPICIOUS_BYTES - depth * _LEVEL_BYTES:
        return end_of_value(source, encoding, element, depth + 1)
    return offset + length


def _require_depth(depth: int, offset: int) -> None:
    if depth > MAX_DEPTH:
        raise TooDeepError(f"At byte {offset} sequences are nested deeper than {MAX_DEPTH} levels.")


def _require_shallow(source: ByteSource, span: Span, depth: int) -> None:
    """Raise TooDeepError when the sequence at `span` is nested too deep.

    What is no sequence after all (pixels in Implicit VR) is left alone. Only values long enough
    to hide too many levels are looked into, so that large flat sequences cost next to nothing.
    """
    to_look_into = [(span, depth)]
    while to_look_into:
        span, depth = to_look_into.pop()
        _require_depth(depth, span.start)
        try:
            to_look_into += [(inner, depth + 1) for inner in _long_values(source, span, depth)]
        except TooDeepError:
            raise
        except HeaderError:
            continue


def _long_values(source: ByteSource, span: Span, depth: int) -> Iterator[Span]:
    """Yield the sequences in the items of `span` that may hold too many levels."""
    suspicious = (MAX_DEPTH - depth) * _LEVEL_BYTES
    offset, end, encoding = span
    while offset < end:
        tag, length = source.tag_at(offset, encoding)
        offset += 8
        if tag != ITEM:
            return
        stop = end if length == UNDEFINED_LENGTH else min(offset + length, end)
        if length < suspicious:
            offset = stop
        while offset < stop:
            element = source.element_at(offset, encoding)
            offset = element.value
            if element.tag == ITEM_DELIMITATION:
                break
            if element.length == UNDEFINED_LENGTH:
                offset = end_of_value(source, encoding, element, depth + 1)
                continue
            offset += element.length
            if element.length >= suspicious and offset <= stop and element.vr in _MAY_BE_SEQUENCE:
                inside = inner_encoding(source, encoding, element.vr, element.value)
                yield Span(element.value, offset, inside)

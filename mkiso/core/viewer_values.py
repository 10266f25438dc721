"""The values of a data set that the viewer is told, read from its bytes without making elements.

pydicom takes one to two milliseconds for what is read here in a fifth of one, and fails on values
that are illegal; here such a value is absent and nothing raises.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import TypeAlias

from mkiso.core.byte_source import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    ByteSource,
    HeaderError,
    Span,
)
from mkiso.core.display_text import person_name, plain_text
from mkiso.core.elements import MAX_VALUE_BYTES, scan, swapped
from mkiso.core.nesting import end_of_value, inner_encoding
from mkiso.core.text import decode
from mkiso.core.viewer_tags import ATTRIBUTES, BULK, OVERLAY_GROUPS

#: What is read of one object into memory as items; an object beyond it is shown without them.
MAX_NESTED_ELEMENTS = 3_000_000

# PS3.5 A.1, A.3; GE's private syntax and Papyrus 3 are Implicit VR too.
_ENCODINGS = {
    "1.2.840.10008.1.2": IMPLICIT_LITTLE,
    "1.2.840.113619.5.2": IMPLICIT_LITTLE,
    "1.2.840.10008.1.20": IMPLICIT_LITTLE,
    "1.2.840.10008.1.2.2": EXPLICIT_BIG,
}
# PS3.5 6.2: formats of one binary value.
_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_OVERLAY_KEYWORDS = {k: t for k, (t, _) in ATTRIBUTES.items() if t >> 16 == 0x6000}
_IN_ALL_GROUPS = {
    group << 16 | (tag & 0xFFFF) for group in OVERLAY_GROUPS for tag in _OVERLAY_KEYWORDS.values()
}
_SEQUENCES = frozenset(tag for tag, vr in ATTRIBUTES.values() if vr == "SQ")
_OVERLAY_DATA = frozenset(t for t in _IN_ALL_GROUPS if t & 0xFFFF == 0x3000)
_SPANS = _SEQUENCES | {ATTRIBUTES[keyword][0] for keyword in BULK} | _OVERLAY_DATA
_VALUES = frozenset(({tag for tag, _ in ATTRIBUTES.values()} | _IN_ALL_GROUPS) - _SPANS)
_VR_OF = {tag: vr.encode() for tag, vr in ATTRIBUTES.values()}
_CHARACTER_SET = ATTRIBUTES["SpecificCharacterSet"][0]

_Element: TypeAlias = "bytes | Span | list[Values]"


class Values:
    """The values of a data set or an item, by keyword. What is absent or illegal is empty."""

    __slots__ = ("_elements", "_source", "character_set")

    def __init__(
        self, elements: dict[int, _Element], source: ByteSource, character_set: str
    ) -> None:
        """Take raw elements, the bytes they come from, and the character set that holds here."""
        self._elements = elements
        self._source = source
        own = elements.get(_CHARACTER_SET)
        if isinstance(own, bytes):
            character_set = own.decode("ascii", "replace").strip(" \0")
        self.character_set = character_set

    def __contains__(self, keyword: str) -> bool:
        """Tell whether there is an element, empty or not."""
        return ATTRIBUTES[keyword][0] in self._elements

    def raw(self, keyword: str, group: int = 0) -> bytes:
        """Return the value's bytes, little endian; `group` replaces that of an overlay keyword."""
        tag = ATTRIBUTES[keyword][0]
        found = self._elements.get(group << 16 | (tag & 0xFFFF) if group else tag, b"")
        if isinstance(found, Span):
            raw = self._source.bytes_at(found.start, found.stop)
            vr = _VR_OF.get(tag, b"OW")[-2:]
            return swapped(raw, vr) if found.encoding.big_endian else raw
        return found if isinstance(found, bytes) else b""

    def span(self, keyword: str, group: int = 0) -> Span | None:
        """Return where a long value stands: its first byte, the byte after it."""
        tag = ATTRIBUTES[keyword][0]
        found = self._elements.get(group << 16 | (tag & 0xFFFF) if group else tag)
        return found if isinstance(found, Span) else None

    def is_encapsulated(self, keyword: str = "PixelData") -> bool:
        """Tell whether the pixels stand in fragments: their length is undefined (PS3.5 A.4)."""
        span = self.span(keyword)
        return span is not None and self._before(span, 4)[:4] == b"\xff\xff\xff\xff"

    def is_word_swapped(self, keyword: str = "PixelData") -> bool:
        """Tell whether bytes stand in 16-bit words of a big endian data set (PS3.5 8.2, A.3)."""
        span = self.span(keyword)
        if span is None or not span.encoding.big_endian:
            return False
        return self._before(span, 8)[:2] == b"OW"

    def _before(self, span: Span, count: int) -> bytes:
        """Return bytes of an element's header, counted back from its value."""
        return self._source.bytes_at(span.start - count, span.start)

    def text(self, keyword: str, group: int = 0) -> str:
        """Return the text on one line, ready to be shown; names in reading order."""
        raw = self.raw(keyword, group)
        if not raw:
            return ""
        vr = ATTRIBUTES[keyword][1]
        text = decode(raw, self.character_set, vr)
        if vr == "PN":
            name = person_name(text)
            return " ".join(filter(None, (name.alphabetic, name.ideographic, name.phonetic)))
        return _shown(text)

    def lines(self, keyword: str) -> str:
        """Return a text of several lines, each ready to be shown."""
        text = decode(self.raw(keyword), self.character_set, ATTRIBUTES[keyword][1])
        return "\n".join(_shown(line) for line in text.splitlines()).strip()

    def texts(self, keyword: str, group: int = 0) -> list[str]:
        """Return the texts of a value with several."""
        raw = self.raw(keyword, group)
        text = decode(raw, self.character_set, ATTRIBUTES[keyword][1])
        return [_shown(part) for part in text.split("\\")] if raw else []

    def uid(self, keyword: str) -> str:
        """Return a UID without padding."""
        return self.raw(keyword).decode("ascii", "replace").strip(" \0")

    def numbers(self, keyword: str, group: int = 0, vr: str = "") -> list[float]:
        """Return all numbers; none when one of them is none. `vr` decides where there is a choice.

        Whole numbers are int, so that they are short in JSON.
        """
        raw = self.raw(keyword, group)
        if not raw:
            return []
        vr = vr or ATTRIBUTES[keyword][1][:2]
        try:
            if vr in {"DS", "IS"}:
                return [_number(part) for part in raw.decode("ascii").split("\\")]
            code = _FORMATS[vr]
            count = len(raw) // struct.calcsize(code)
            return [_whole(n) for n in struct.unpack_from(f"<{count}{code}", raw)]
        except ValueError:
            return []

    def number(self, keyword: str, group: int = 0, vr: str = "") -> float | None:
        """Return the first number, None when there is none."""
        numbers = self.numbers(keyword, group, vr)
        return numbers[0] if numbers else None

    def integer(self, keyword: str, default: int = 0, group: int = 0) -> int:
        """Return the first number as int, `default` when there is none."""
        found = self.number(keyword, group)
        return default if found is None else int(found)

    def items(self, keyword: str) -> list[Values]:
        """Return the items of a sequence."""
        tag = ATTRIBUTES[keyword][0]
        found = self._elements.get(tag)
        if isinstance(found, Span):
            try:
                found = list(_items(self._source, found, self.character_set))
            except HeaderError:
                found = []
            self._elements[tag] = found
        return found if isinstance(found, list) else []

    def item(self, keyword: str) -> Values:
        """Return the first item; one without any value when there is none."""
        found = self.items(keyword)
        return found[0] if found else Values({}, self._source, self.character_set)

    def meaning(self, keyword: str) -> str:
        """Return the meaning of the code in a sequence, the code itself when there is none."""
        code = self.item(keyword)
        return code.text("CodeMeaning") or code.text("CodeValue") or code.text("LongCodeValue")


def read_values(
    head: bytes, read_at: Callable[[int, int], bytes], size_bytes: int, transfer_syntax_uid: str
) -> Values:
    """Return the values of a data set; arguments as for `header.read_header`.

    Raises HeaderError for what is no whole data set.
    """
    source = ByteSource(head, read_at, size_bytes)
    encoding = _ENCODINGS.get(transfer_syntax_uid, EXPLICIT_LITTLE)
    values, spans = scan(source, encoding, _VALUES, _SPANS)
    source.allow(MAX_NESTED_ELEMENTS)
    return Values({**values, **spans}, source, "")


def _items(source: ByteSource, span: Span, character_set: str) -> Iterator[Values]:
    """Yield the items at `span`. Raises HeaderError."""
    offset, end, encoding = span
    while offset < end:
        tag, length = source.tag_at(offset, encoding)
        offset += 8
        if tag != ITEM:
            break
        stop = end if length == UNDEFINED_LENGTH else min(end, offset + length)
        elements, offset = _elements(source, Span(offset, stop, encoding))
        yield Values(elements, source, character_set)


def _elements(source: ByteSource, span: Span) -> tuple[dict[int, _Element], int]:
    """Return the elements of an item that the viewer wants, and the offset after the item."""
    found: dict[int, _Element] = {}
    offset, end, encoding = span
    while offset < end:
        element = source.element_at(offset, encoding)
        tag, vr, length, value = element
        if tag == ITEM_DELIMITATION:
            return found, value
        if tag == SEQUENCE_DELIMITATION:  # some writers leave out the item's own
            return found, offset
        undefined = length == UNDEFINED_LENGTH
        stop = end_of_value(source, encoding, element) if undefined else value + length
        if stop > end:
            raise HeaderError(f"The element at byte {offset} runs over the end of its item.")
        if tag in _SEQUENCES:
            found[tag] = Span(value, stop, inner_encoding(source, encoding, vr, value))
        elif tag in _VR_OF:
            found[tag] = _kept(source, Span(value, stop, encoding), vr or _VR_OF[tag])
        offset = stop
    return found, end


def _kept(source: ByteSource, span: Span, vr: bytes) -> bytes | Span:
    """Return a value's bytes, or its place when it is long."""
    if span.stop - span.start > MAX_VALUE_BYTES:
        return span
    raw = source.bytes_at(span.start, span.stop)
    if not span.encoding.big_endian:
        return raw
    return swapped(raw, vr[-2:])


def _shown(text: str) -> str:
    """Return a text without what a line cannot show; the common case is quick."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return plain_text(text)


def _number(text: str) -> float:
    """Return the number of a DS or IS part. Raises ValueError, also for what is not finite."""
    return _whole(float(text.strip(" \0")))


def _whole(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("not finite")
    return int(number) if number == int(number) else number

"""A data set with another PatientID and PatientName, and nothing else changed (PS3.3 C.2.2).

What stays is given as spans of the original bytes: transfer syntax, private elements, pixels and
the spelling of every number are those of the file, and a large object needs no memory. Text is
encoded anew only when the new name does not fit the character set that the data set states; then
all of it becomes UTF-8 (ISO_IR 192). pydicom would write every element anew then, numbers too.

Identity inside sequences stays: OriginalAttributesSequence says what was, OtherPatientIDsSequence
what else the patient is called elsewhere; neither is what an archive files an object under. The
issuer of the replaced PatientID goes, or is replaced: it did not issue the new one.
"""

from __future__ import annotations

from dataclasses import dataclass

from mkiso.core.byte_source import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ITEM,
    ByteSource,
    Element,
    Encoding,
    Span,
)
from mkiso.core.element_walk import Pieces, Placed, elements_of, encoded_element, items_of
from mkiso.core.folder_names import FolderIdentity
from mkiso.core.nesting import inner_encoding
from mkiso.core.sequences import dictionary_vr
from mkiso.core.text import decode, decode_terms, defined_terms, encode, is_ascii

UTF_8 = "ISO_IR 192"
_CHARACTER_SET, _NAME, _ID, _ISSUER = 0x00080005, 0x00100010, 0x00100020, 0x00100021
_ISSUER_QUALIFIERS = 0x00100024
#: PS3.5 6.1.2.2: VRs whose text is in the Specific Character Set.
_TEXT_VRS = frozenset((b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"))
#: A text longer than this is no text, whatever its VR says.
_LONGEST_TEXT = 16 << 20


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected data set. `guessed` counts texts that were not what their character set says."""

    pieces: Pieces
    character_set: str  # as it stands in the result
    guessed: int = 0


def corrected(
    source: ByteSource, encoding: Encoding, identity: FolderIdentity, *, issuer: str = ""
) -> Corrected:
    """Return the data set of `source` with this identity.

    Raises HeaderError when it is no whole data set.
    """
    elements = list(elements_of(source, Span(0, source.size, encoding), is_item=False))
    if encoding is EXPLICIT_LITTLE and elements and not elements[0][0].vr:
        encoding = IMPLICIT_LITTLE  # not what its transfer syntax says; some writers do so
    stated, old_id, old_issuer = (
        _value(source, elements, tag) for tag in (_CHARACTER_SET, _ID, _ISSUER)
    )
    character_set = stated.decode("ascii", "replace")
    terms = defined_terms(character_set)
    values = (identity.patient_name, identity.patient_id, issuer)
    anew = any(encode(value, terms) is None for value in values)
    new_terms = (UTF_8,) if anew else terms
    name, patient_id, new_issuer = (encode(value, new_terms) or b"" for value in values)
    changes: dict[int, tuple[bytes, bytes] | None] = {
        _NAME: (b"PN", name),
        _ID: (b"LO", patient_id),
    }
    if anew:
        changes[_CHARACTER_SET] = (b"CS", UTF_8.encode("ascii"))
    is_same_id = decode(old_id, character_set) == identity.patient_id
    if issuer and decode(old_issuer, character_set) != issuer:
        changes[_ISSUER], changes[_ISSUER_QUALIFIERS] = (b"LO", new_issuer), None
    elif not issuer and not is_same_id:
        changes[_ISSUER] = changes[_ISSUER_QUALIFIERS] = None
    writer = _Writer(source, encoding, terms if anew else None, anew=anew)
    pieces = writer.data_set(elements, changes)
    return Corrected(pieces, UTF_8 if anew else character_set, writer.guessed)


def _value(source: ByteSource, elements: list[Placed], tag: int) -> bytes:
    for element, _, stop in elements:
        if element.tag == tag and stop - element.value <= _LONGEST_TEXT:
            return source.bytes_at(element.value, stop).rstrip(b" \0")
    return b""


class _Writer:
    """Joins what changes with what stays."""

    def __init__(
        self,
        source: ByteSource,
        encoding: Encoding,
        terms: tuple[str, ...] | None,
        *,
        anew: bool,
    ) -> None:
        self._source = source
        self._encoding = encoding
        self._terms = terms
        self._anew = anew
        self.guessed = 0

    def data_set(
        self, elements: list[Placed], changes: dict[int, tuple[bytes, bytes] | None]
    ) -> Pieces:
        """Return the pieces of a data set with `changes` at its top level; None leaves out."""
        pieces = Pieces()
        waiting = sorted(tag for tag, change in changes.items() if change is not None)

        def put_until(tag: int) -> None:
            while waiting and waiting[0] <= tag:
                change = changes[waiting[0]]
                assert change is not None  # noqa: S101 - `waiting` has no others
                pieces.add(encoded_element(self._encoding, waiting.pop(0), *change))

        for element, start, stop in elements:
            put_until(element.tag)
            if element.tag in changes or not element.tag & 0xFFFF:
                continue  # group lengths (retired) would be wrong now
            made = self._element(element, stop, self._encoding) if self._anew else None
            if made is None:
                pieces.stay(start, stop)
            else:
                pieces.add(made)
        put_until(0xFFFFFFFF)
        return pieces

    def _element(self, element: Element, stop: int, encoding: Encoding) -> bytes | None:
        """Return an element in UTF-8; None when it stays as it is."""
        vr = element.vr or (b"" if encoding.explicit else _implicit_vr(element.tag))
        if vr == b"SQ":
            return self._sequence(element, stop, encoding)
        if vr not in _TEXT_VRS or element.length > _LONGEST_TEXT:
            return None
        raw = self._source.bytes_at(element.value, stop)
        if is_ascii(raw):
            return None
        return encoded_element(encoding, element.tag, vr, self._in_utf_8(raw, vr))

    def _sequence(self, element: Element, stop: int, encoding: Encoding) -> bytes | None:
        """Return a sequence in UTF-8; None when there is nothing in it to change."""
        inside = inner_encoding(self._source, encoding, element.vr, element.value)
        items = list(items_of(self._source, Span(element.value, stop, inside)))
        made = [self._item(item) for item in items]
        if all(content is None for content in made):
            return None
        body = bytearray()
        for item, content in zip(items, made, strict=True):
            whole = self._source.bytes_at(item.start, item.stop) if content is None else content
            body += inside.tag_and_length.pack(ITEM >> 16, ITEM & 0xFFFF, len(whole)) + whole
        return encoded_element(encoding, element.tag, b"SQ", bytes(body))

    def _item(self, item: Span) -> bytes | None:
        """Return an item in UTF-8; None when it stays, as one with a character set of its own."""
        elements = list(elements_of(self._source, item))
        if any(element.tag == _CHARACTER_SET for element, _, _ in elements):
            return None
        made = [self._element(element, stop, item.encoding) for element, _, stop in elements]
        if all(content is None for content in made):
            return None
        return b"".join(
            self._source.bytes_at(start, stop) if content is None else content
            for (_, start, stop), content in zip(elements, made, strict=True)
        )

    def _in_utf_8(self, raw: bytes, vr: bytes) -> bytes:
        if self._terms is not None:
            try:
                return decode_terms(raw, self._terms, vr, strict=True).encode("utf-8")
            except UnicodeDecodeError:
                pass
        self.guessed += 1
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1").encode("utf-8")
        return raw


def _implicit_vr(tag: int) -> bytes:
    return b"" if tag >> 16 & 1 else dictionary_vr(tag)

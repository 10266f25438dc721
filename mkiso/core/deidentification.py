"""A data set without its patient: every attribute by the rules, sequences to their last item.

The transfer syntax stays, and so do pixels, as stretches that are never read (PS3.15 E.1.1).
Besides the table: private attributes go unless on the safe list, whole groups of curves and
overlays go, and so does what no dictionary knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from mkiso.core.byte_source import UNDEFINED_LENGTH, ByteSource, Encoding, Span
from mkiso.core.deidentification_rules import EDITION, Action, Rules
from mkiso.core.dummy_values import dummy_value, is_structure, is_text
from mkiso.core.element_walk import (
    Pieces,
    Placed,
    element_head,
    elements_of,
    encoded_element,
    items_of,
    sequence_pieces,
)
from mkiso.core.elements import scan
from mkiso.core.nesting import inner_encoding
from mkiso.core.pseudonyms import Person, Pseudonyms, shifted
from mkiso.core.sequences import dictionary_vr
from mkiso.core.text_cleaning import can_be_cleaned, cleaned, tokens_of

CHARACTER_SET, ACCESSION_NUMBER = 0x00080005, 0x00080050
PATIENT_NAME, PATIENT_ID, ISSUER = 0x00100010, 0x00100020, 0x00100021
BURNED_IN_ANNOTATION, PIXEL_DATA = 0x00280301, 0x7FE00010
_IDENTITY_REMOVED, _METHOD, _METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
_TEMPORAL = 0x00280303
_CODE_MEANING, _LONG_CODE_VALUE = 0x00080104, 0x00080119
#: Versions of code tables: dates of nobody.
_VERSIONS = frozenset((0x00080106, 0x00080107, 0x0040DB06, 0x0040DB07))
#: What is looked for in descriptions that are cleaned: names and numbers of this very object.
_TELLING = frozenset(
    (
        *(ACCESSION_NUMBER, PATIENT_NAME, PATIENT_ID, 0x00080020, 0x00080080, 0x00080090),
        *(0x00081010, 0x00081040, 0x00081048, 0x00081050, 0x00081060, 0x00081070, 0x00100030),
        *(0x00101000, 0x00101001, 0x00102297, 0x00200010, 0x00321032, 0x00380010, 0x00401001),
    )
)
#: Commands, file meta, directories (PS3.7 E, PS3.10 7.1, 8.6), and stray delimitations.
_NOT_OF_DATA_SETS = frozenset((0x0000, 0x0002, 0x0004, 0x0006, 0xFFFE))
_LONGEST_TEXT = 1 << 20


class _Mode(Enum):
    NORMAL = "by the table"
    DUMMY = "every value a dummy"
    CONTENT = "no free text"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose object it is: the new identity, and what must not stay in cleaned texts."""

    person: Person
    character_set: str
    tokens: tuple[bytes, ...] = ()


#: The value of PixelData (its element placed, its encoding) with what was burned in blanked.
Blank = Callable[[Placed, Encoding], Pieces]


def subject_of(source: ByteSource, encoding: Encoding, person_of: PersonOf) -> Subject:
    """Return whose object a data set is. Raises HeaderError, and what `person_of` raises."""
    wanted = _TELLING | {CHARACTER_SET, ISSUER}
    found, _ = scan(source, encoding, wanted, frozenset())
    character_set = found.get(CHARACTER_SET, b"").decode("ascii", "replace").strip(" \0")
    patient_id = found.get(PATIENT_ID, b"").strip(b" \0")
    person = person_of(patient_id, found.get(ISSUER, b"").strip(b" \0"), character_set)
    tokens = tokens_of(value for tag, value in found.items() if tag in _TELLING)
    return Subject(person, character_set, tokens)


#: PatientID and issuer as they stand, and the character set, to who that is from now on.
PersonOf = Callable[[bytes, bytes, str], Person]


def deidentified(
    source: ByteSource,
    encoding: Encoding,
    rules: Rules,
    pseudonyms: Pseudonyms,
    subject: Subject,
    *,
    blank: Blank | None = None,
) -> Pieces:
    """Return what the de-identified data set is made of. Raises HeaderError."""
    return _Writer(source, rules, pseudonyms, subject, blank).whole(encoding)


class _Writer:
    """De-identifies one data set."""

    def __init__(
        self,
        source: ByteSource,
        rules: Rules,
        pseudonyms: Pseudonyms,
        subject: Subject,
        blank: Blank | None,
    ) -> None:
        self._source = source
        self._rules = rules
        self._pseudonyms = pseudonyms
        self._subject = subject
        self._blank = blank

    def whole(self, encoding: Encoding) -> Pieces:
        """Return the data set with what says that it was de-identified."""
        additions = self._additions(encoding)
        waiting = sorted(additions)
        made = Pieces()

        def put_until(tag: int) -> None:
            while waiting and waiting[0] < tag:
                made.join(additions[waiting.pop(0)])

        creators: dict[int, str] = {}
        span = Span(0, self._source.size, encoding)
        for placed in elements_of(self._source, span, is_item=False):
            tag = placed.element.tag
            put_until(tag)
            if tag not in additions:
                self._put(made, placed, encoding, _Mode.NORMAL, creators)
        put_until(1 << 32)
        return made

    def _additions(self, encoding: Encoding) -> dict[int, Pieces]:
        """Return the attributes of PS3.15 E.1.1 and PS3.3 C.7.1.1, C.12.1."""
        rules = self._rules
        temporal = "REMOVED"
        if rules.has("retain-full-dates"):
            temporal = "UNMODIFIED"
        elif rules.has("retain-modified-dates"):
            temporal = "MODIFIED"
        method = f"mkiso, PS3.15 {EDITION} Basic Profile"
        texts = {
            _IDENTITY_REMOVED: (b"CS", "YES"),
            _METHOD: (b"LO", "\\".join((method, *rules.options))),
            _TEMPORAL: (b"CS", temporal),
        }
        person = self._subject.person
        texts[PATIENT_NAME] = (b"PN", person.patient_name)
        texts[PATIENT_ID] = (b"LO", person.patient_id)
        if self._blank is not None:
            texts[BURNED_IN_ANNOTATION] = (b"CS", "NO")
        made = {}
        for tag, (vr, text) in texts.items():
            made[tag] = Pieces()
            made[tag].add(encoded_element(encoding, tag, vr, text.encode("ascii")))
        items = [_code(encoding, *code) for code in rules.codes]
        made[_METHOD_CODES] = sequence_pieces(encoding, _METHOD_CODES, b"SQ", encoding, items)
        return made

    def _data_set(self, span: Span, mode: _Mode) -> Pieces:
        """Return the elements of an item."""
        made = Pieces()
        creators: dict[int, str] = {}
        for placed in elements_of(self._source, span):
            self._put(made, placed, span.encoding, mode, creators)
        return made

    def _put(
        self,
        made: Pieces,
        placed: Placed,
        encoding: Encoding,
        mode: _Mode,
        creators: dict[int, str],
    ) -> None:
        """Append what becomes of an element, if anything."""
        tag, vr, length, _ = placed.element
        if not tag & 0xFFFF:  # group lengths (retired) would be wrong now
            return
        if tag >> 16 & 1:
            if self._is_safe_private(placed, creators):
                made.stay(placed.start, placed.stop)
            return
        known = dictionary_vr(tag)
        if tag == PIXEL_DATA and self._blank:
            made.join(self._blank(placed, encoding))
            return
        action = self._action(tag, known)
        if action is Action.REMOVE:
            return
        if vr in {b"", b"UN"}:
            vr = known
        if action is Action.EMPTY and tag != ACCESSION_NUMBER:
            made.add(element_head(encoding, tag, vr, 0))
        elif vr != b"SQ" and length == UNDEFINED_LENGTH and tag >> 16 == 0x7FE0:
            _stay(made, placed, encoding, vr)  # fragments
        elif vr == b"SQ" or length == UNDEFINED_LENGTH:
            made.join(self._sequence(placed, encoding, action, mode))
        else:
            self._put_value(made, placed, encoding, vr, self._leaf_action(tag, vr, action, mode))

    def _action(self, tag: int, known_vr: bytes) -> Action:
        """Return what is done with a standard attribute."""
        action = self._rules.actions.get(tag)
        if action is not None:
            return action
        group = tag >> 16
        is_family = group & 0xFF00 in {0x5000, 0x6000}  # curves; overlays are nothing without data
        if is_family or known_vr == b"UN" or group in _NOT_OF_DATA_SETS:
            return Action.REMOVE
        return Action.KEEP

    def _leaf_action(self, tag: int, vr: bytes, action: Action, mode: _Mode) -> Action:
        """Return what is done with a value, by where it stands."""
        if action is not Action.KEEP and action is not Action.CLEAN:
            return action
        if mode is _Mode.DUMMY and not is_structure(vr):
            return Action.DUMMY
        if mode is _Mode.CONTENT and is_text(vr) and tag not in {_CODE_MEANING, _LONG_CODE_VALUE}:
            return Action.DUMMY
        # Beyond the table: no person's name stays that it does not know
        listed = tag in self._rules.actions
        return Action.DUMMY if vr == b"PN" and not listed else action

    def _sequence(self, placed: Placed, encoding: Encoding, action: Action, mode: _Mode) -> Pieces:
        """Return a sequence with its items looked into."""
        element = placed.element
        if action is Action.DUMMY:
            mode = _Mode.DUMMY
        elif action is Action.CONTENT and mode is _Mode.NORMAL:
            mode = _Mode.CONTENT
        inside = inner_encoding(self._source, encoding, element.vr, element.value)
        items = [
            self._data_set(item, mode)
            for item in items_of(self._source, Span(element.value, placed.stop, inside))
        ]
        vr = b"UN" if encoding.explicit and not element.vr else element.vr
        return sequence_pieces(encoding, element.tag, vr, inside, items)

    def _put_value(
        self, made: Pieces, placed: Placed, encoding: Encoding, vr: bytes, action: Action
    ) -> None:
        """Append a value."""
        (tag, _, length, start), _, stop = placed
        if action is Action.KEEP or (action is Action.SHIFT and (vr == b"TM" or tag in _VERSIONS)):
            _stay(made, placed, encoding, vr)
            return
        if length > _LONGEST_TEXT:
            raw = b""
            action = Action.DUMMY
        else:
            raw = self._source.bytes_at(start, stop)
        value = self._value(tag, vr, raw, action)
        if value is None:
            return
        if isinstance(value, int):  # so many zeros
            made.add(element_head(encoding, tag, vr, value))
            made.fill(b"\0", value)
        else:
            made.add(encoded_element(encoding, tag, vr, value))

    def _value(self, tag: int, vr: bytes, raw: bytes, action: Action) -> bytes | int | None:
        """Return the new value; None when the attribute goes."""
        text = raw.strip(b" \0")
        if tag == ACCESSION_NUMBER:
            return self._pseudonyms.accession_number(text.decode("latin-1")).encode("ascii")
        if action in {Action.CLEAN, Action.SHIFT}:
            made = self._cleaned(vr, text) if action is Action.CLEAN else self._shifted(vr, text)
            if made is not None:
                return made
            action = self._rules.basic[tag]
        if action is Action.REMOVE:
            return None
        if action is Action.EMPTY or not text:
            return b""
        return self._uids(text) if vr == b"UI" else dummy_value(vr, len(raw))

    def _uids(self, text: bytes) -> bytes:
        uids = text.decode("ascii", "replace").split("\\")
        return "\\".join(map(self._pseudonyms.uid, uids)).encode("ascii", "replace")

    def _cleaned(self, vr: bytes, text: bytes) -> bytes | None:
        """Return a description without what identifies; None when that cannot be done."""
        if not is_text(vr) or not can_be_cleaned(text, self._subject.character_set):
            return None
        return cleaned(text, self._subject.tokens)

    def _shifted(self, vr: bytes, text: bytes) -> bytes | None:
        """Return dates by the patient's days earlier; None when one of them cannot be."""
        if vr not in {b"DA", b"DT"}:
            return None
        days = self._subject.person.days
        moved = [shifted(each, days) for each in text.decode("latin-1").split("\\") if each]
        if any(each is None for each in moved):
            return None
        return "\\".join(each or "" for each in moved).encode("latin-1")

    def _is_safe_private(self, placed: Placed, creators: dict[int, str]) -> bool:
        """Say whether a private element is on the safe list, or the creator of one."""
        safe = self._rules.safe_private
        if not safe:
            return False
        (tag, vr, length, value), _, stop = placed
        group, number = tag >> 16, tag & 0xFFFF
        if 0x10 <= number <= 0xFF:
            raw = self._source.bytes_at(value, min(stop, value + 64))
            name = raw.decode("latin-1").strip(" \0")
            creators[group << 16 | number] = name
            return any(group == each[0] and name == each[1] for each in safe)
        creator = creators.get(group << 16 | number >> 8, "")
        is_plain = length != UNDEFINED_LENGTH and vr not in {b"SQ", b"UN"}
        return is_plain and (group, creator, number & 0xFF) in safe


def _stay(made: Pieces, placed: Placed, encoding: Encoding, vr: bytes) -> None:
    """Append an element as it stands; one without a VR that others can read gets its own."""
    element = placed.element
    head = element_head(encoding, element.tag, element.vr, element.length)
    if not encoding.explicit or (element.vr and len(head) == element.value - placed.start):
        made.stay(placed.start, placed.stop)
        return
    made.add(element_head(encoding, element.tag, vr, element.length))
    made.stay(element.value, placed.stop)


def _code(encoding: Encoding, value: str, meaning: str) -> Pieces:
    """Return a code of DCM (PS3.3 8.8)."""
    made = Pieces()
    rows: Mapping[int, tuple[bytes, str]] = {
        0x00080100: (b"SH", value),
        0x00080102: (b"SH", "DCM"),
        _CODE_MEANING: (b"LO", meaning),
    }
    for tag, (vr, text) in rows.items():
        made.add(encoded_element(encoding, tag, vr, text.encode("ascii")))
    return made

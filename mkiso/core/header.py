"""What of a received data set the job must know, taken from its bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from mkiso.core import record_keys as keys
from mkiso.core.byte_source import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ByteSource,
    HeaderError,
    Span,
    name_of,
)
from mkiso.core.directory_records import encode_record
from mkiso.core.elements import scan
from mkiso.core.record_defaults import STAND_INS, dates_filled
from mkiso.core.record_keys import INSTANCE_KEYS, PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS, Key
from mkiso.core.record_types import ROOT_TYPES, record_type
from mkiso.core.sequences import BINARY_VRS, MAX_ITEMS_ELEMENTS, Item, read_items
from mkiso.core.value_rules import legal

__all__ = [
    "ENCODINGS",
    "HeaderError",
    "InstanceHeader",
    "Level",
    "LevelCache",
    "ParsedHeader",
    "read_header",
]

#: Attributes of one level of the hierarchy: (tag, raw value in little endian), sorted by tag.
Level = tuple[tuple[int, bytes], ...]
#: Levels seen before, so that the instances of a series share one object for each.
LevelCache = dict[Level, Level]

#: How the elements are written, where it is not Explicit VR Little Endian.
# PS3.5 A.1, A.3; GE's private syntax and Papyrus 3 are Implicit VR too (as in dcmtk, dcm4che).
ENCODINGS = {
    "1.2.840.10008.1.2": IMPLICIT_LITTLE,
    "1.2.840.113619.5.2": IMPLICIT_LITTLE,
    "1.2.840.10008.1.20": IMPLICIT_LITTLE,
    "1.2.840.10008.1.2.2": EXPLICIT_BIG,
}
# PS3.5 A.5, A.7, A.9: the data set itself is compressed; never accepted.
DEFLATED = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """Raw attribute values by level; equal levels of different instances are the same object.

    Values are the bytes of the data set (little endian for binary VRs), trailing padding kept off.
    A `study` without a legal Study Date or Time also has the dates and times that stand in.
    `record` is the body of the directory record of this instance, already encoded in Explicit VR
    Little Endian, since 50,000 parsed headers would not fit the memory budget; a type 1
    InstanceNumber that is missing is not in it.
    """

    character_set: str  # (0008,0005) as it stands, "" when absent
    patient: Level
    study: Level
    series: Level
    record_type: str  # PS3.3 F.3-3, e.g. "IMAGE"
    record: bytes
    instance_number: int | None
    filled: tuple[str, ...] = ()  # keywords that were made up for the record


@dataclass(frozen=True, slots=True)
class ParsedHeader:
    """The UIDs of a data set and its header; study and series are "" for root record types."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    header: InstanceHeader


_ALL_KEYS = tuple(
    key
    for level in (PATIENT_KEYS, STUDY_KEYS, SERIES_KEYS, *INSTANCE_KEYS.values())
    for key in level
)
_VALUES = frozenset(
    {key.tag for key in _ALL_KEYS if key.vr != b"SQ"}
    | {tag for pair in STAND_INS for tag in pair}
    | {keys.SPECIFIC_CHARACTER_SET, keys.SOP_CLASS_UID, keys.SOP_INSTANCE_UID}
)
_SEQUENCES = frozenset(
    {key.tag for key in _ALL_KEYS if key.vr == b"SQ"} | {keys.VERIFYING_OBSERVER_SEQUENCE}
)
_BINARY = frozenset(key.tag for key in _ALL_KEYS if key.vr in BINARY_VRS)
# Space and NUL by the standard, line ends by writers that fill forms from files.
_PADDING = b" \0\r\n\t"
# PS3.3 F.5.25: a record has all and only the content items that modify the title.
_MODIFIERS = (keys.RELATIONSHIP_TYPE, b"HAS CONCEPT MOD")


def read_header(
    head: bytes,
    read_at: Callable[[int, int], bytes],
    size_bytes: int,
    transfer_syntax_uid: str,
    levels: LevelCache,
) -> ParsedHeader:
    """Return what the job must know of a data set of `size_bytes` in all.

    `head` holds its first bytes (256 KiB, or all of it), `read_at(offset, length)` gives others,
    offsets counting from the first byte of the data set. `levels` is filled and used by every
    call of one job; threads may share it.

    Raises HeaderError when the data set is empty, cut off, nested too deep or no data set, or
    lacks a UID. Its message holds no values.
    """
    if transfer_syntax_uid in DEFLATED:
        raise HeaderError(f"A data set in transfer syntax {transfer_syntax_uid} is not accepted.")
    if size_bytes <= 0:
        raise HeaderError("The data set is empty.")
    source = ByteSource(head, read_at, size_bytes)
    encoding = ENCODINGS.get(transfer_syntax_uid, EXPLICIT_LITTLE)
    found, spans = scan(source, encoding, _VALUES, _SEQUENCES)
    values = {tag: raw if tag in _BINARY else raw.rstrip(_PADDING) for tag, raw in found.items()}
    sop_class_uid = _uid(values, keys.SOP_CLASS_UID)
    kind = record_type(sop_class_uid, has_pixels=keys.ROWS in values)
    in_study = kind not in ROOT_TYPES
    return ParsedHeader(
        sop_class_uid,
        _uid(values, keys.SOP_INSTANCE_UID),
        _uid(values, keys.STUDY_INSTANCE_UID, required=in_study),
        _uid(values, keys.SERIES_INSTANCE_UID, required=in_study),
        _header(kind, values, source, spans, levels),
    )


def _header(
    kind: str,
    values: dict[int, bytes],
    source: ByteSource,
    spans: dict[int, Span],
    levels: LevelCache,
) -> InstanceHeader:
    """Return the header of an instance of record type `kind`."""
    raw_character_set = values.get(keys.SPECIFIC_CHARACTER_SET, b"")
    character_set = sys.intern(raw_character_set.decode("ascii", "replace"))
    record_keys = INSTANCE_KEYS[kind]
    sequences = _sequences(record_keys, source, spans)
    if kind == "SR DOCUMENT" and values.get(keys.VERIFICATION_FLAG) == b"VERIFIED":
        observers = _items(source, spans.get(keys.VERIFYING_OBSERVER_SEQUENCE))
        values[keys.VERIFICATION_DATE_TIME] = _verified_at(observers, values)
    body = encode_record(record_keys, values, sequences, character_set)
    number = values.get(keys.INSTANCE_NUMBER, b"")
    numbered = number and legal(b"IS", number) and b"\\" not in number
    return InstanceHeader(
        character_set,
        _level(PATIENT_KEYS, values, levels),
        _study_level(values, levels),
        _level(SERIES_KEYS, values, levels),
        kind,
        body.encoded,
        int(number) if numbered else None,
        body.filled,
    )


def _uid(values: dict[int, bytes], tag: int, *, required: bool = True) -> str:
    """Return a UID as it stands; raises HeaderError when it is missing or cannot be one."""
    uid = values.get(tag, b"").strip(b" \0").decode("ascii", "replace")
    if (required and not uid) or len(uid) > 64 or not uid.isprintable() or "\\" in uid:
        raise HeaderError(f"{name_of(tag)} is missing or cannot be a UID.")
    return uid


def _level(level_keys: tuple[Key, ...], values: dict[int, bytes], levels: LevelCache) -> Level:
    """Return the shared object for the values of one level."""
    level = tuple((key.tag, values[key.tag]) for key in level_keys if key.tag in values)
    return levels.setdefault(level, level)


def _study_level(values: dict[int, bytes], levels: LevelCache) -> Level:
    """Return the study's level, with what stands in for a missing date or time."""
    tags = [key.tag for key in STUDY_KEYS]
    date, time = values.get(keys.STUDY_DATE, b""), values.get(keys.STUDY_TIME, b"")
    if not (date and time and legal(b"DA", date) and legal(b"TM", time)):
        tags += [tag for pair in STAND_INS for tag in pair if tag not in tags]
        tags.sort()
    level = tuple((tag, values[tag]) for tag in tags if tag in values)
    return levels.setdefault(level, level)


def _items(
    source: ByteSource, span: Span | None, only: tuple[int, bytes] | None = None
) -> list[Item]:
    """Return the items of a sequence; none when it is absent or cannot be read.

    What only spoils a directory record is no reason to refuse the instance.
    """
    if span is None:
        return []
    source.allow(MAX_ITEMS_ELEMENTS)
    try:
        return read_items(source, span, only)
    except HeaderError:
        return []


def _sequences(
    record_keys: tuple[Key, ...], source: ByteSource, spans: dict[int, Span]
) -> dict[int, list[Item]]:
    """Return the items of the sequences that a record has as keys."""
    sequences = {}
    for key in record_keys:
        if key.vr == b"SQ" and key.tag in spans:
            only = _MODIFIERS if key.tag == keys.CONTENT_SEQUENCE else None
            items = _items(source, spans[key.tag], only)
            allowed = keys.ITEM_KEYS.get(key.tag)
            if allowed is not None:
                items = [[node for node in item if node[0] in allowed] for item in items]
            sequences[key.tag] = items
    return sequences


def _verified_at(observers: list[Item], values: dict[int, bytes]) -> bytes:
    """Return when an SR document was last verified; its content's date when nobody says."""
    times = [
        value
        for item in observers
        for tag, _, value in item
        if tag == keys.VERIFICATION_DATE_TIME and isinstance(value, bytes)
    ]
    date, time = dates_filled(values, keys.CONTENT_DATE)
    return max((time for time in times if time and legal(b"DT", time)), default=date + time)

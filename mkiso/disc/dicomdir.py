"""Writes DICOMDIR in linear time (PS3.10 8.6, PS3.3 F.2.2 and F.3.2).

pydicom's FileSet.add takes 9 ms for the first instance and more for each that follows; here the
bodies of the records are ready and only offsets, types and File IDs are added.
"""

from __future__ import annotations

import functools
import hashlib
import struct
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from mkiso.core import record_keys as keys
from mkiso.core.directory_records import encode_record, with_instance_number
from mkiso.core.file_meta import encode_file_meta
from mkiso.core.header import InstanceHeader, Level
from mkiso.core.icon_rules import Icon, icon_element
from mkiso.core.model import FileSetInstance
from mkiso.core.record_keys import NUMBERED_TYPES, PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS, Key
from mkiso.core.record_types import ROOT_TYPES
from mkiso.core.text import is_ascii
from mkiso.core.value_rules import TEXT_VRS
from mkiso.errors import LimitError

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

_ITEM = struct.Struct("<HHI")
_SHORT_ELEMENT = struct.Struct("<HH2sH")
# Offset of the Next Directory Record, Record In-use Flag, Offset of the Referenced Lower-Level
# Directory Entity (PS3.3 F.3.2.2), as group, element, VR, length, value
_LINKS = struct.Struct("<HH2sHIHH2sHHHH2sHI")
# Offsets of the first and the last record of the root, consistency flag, header of the sequence
_ROOT = struct.Struct("<HH2sHIHH2sHIHH2sHHHH2sHI")
_IN_USE = 0xFFFF
_MAX_BYTES = 0xFFFFFFFE  # what a length or an offset of 32 bits can say


#: A directory record before its offset is known: its depth, and everything after its links. A
#: plain tuple, since the garbage collector forgets those, and there are as many as instances.
_Record = tuple[int, bytes]


class _Series(NamedTuple):
    """The instances of a series, and their headers as far as these differ above the instance."""

    instances: list[FileSetInstance]
    headers: list[InstanceHeader]


class _UpperLevel(NamedTuple):
    """What the record of a patient, study or series is made of."""

    depth: int
    record_type: str
    keys: tuple[Key, ...]
    of: Callable[[InstanceHeader], Level]


_PATIENT = _UpperLevel(0, "PATIENT", PATIENT_KEYS, attrgetter("patient"))
_STUDY = _UpperLevel(1, "STUDY", STUDY_KEYS, attrgetter("study"))
_SERIES = _UpperLevel(2, "SERIES", SERIES_KEYS, attrgetter("series"))

NO_ICONS: Mapping[str, Icon] = MappingProxyType({})

_Filled = Counter[tuple[str, str]]  # record type, keyword


def build_dicomdir(
    file_set_id: str,
    placed: Sequence[FileSetInstance],
    *,
    file_set_uid: str = "",
    warn: Callable[[str], None] | None = None,
    icons: Mapping[str, Icon] = NO_ICONS,
) -> bytes:
    """Return the DICOMDIR of instances that `place` gave their File IDs.

    `file_set_uid` is the Media Storage SOP Instance UID; by default it is made from the content,
    so that the same instances give the same bytes. `warn` gets one sentence for each attribute
    that had to be made up in the directory, without values. `icons` are by SOP Instance UID, for
    the records of images (PS3.3 F.7).

    Raises LimitError when the directory would pass 4 GiB.
    """
    filled: _Filled = Counter()
    patientless: list[FileSetInstance] = []
    others: list[FileSetInstance] = []
    for item in placed:
        is_root = item.instance.header.record_type in ROOT_TYPES
        (patientless if is_root else others).append(item)
    records = _patient_records(others, filled, icons)
    records += _leaves(0, patientless, filled)
    encoded = _encode(file_set_uid or _uid_of(file_set_id, placed), file_set_id, records)
    if warn is not None:
        for (record_type, keyword), count in sorted(filled.items()):
            warn(
                f"DICOMDIR: {keyword} of {count} {record_type} record{'s'[: count > 1]} is not the "
                "instances' own, which is empty, absent or illegal; the instances are unchanged."
            )
    return encoded


def _patient_records(
    placed: Sequence[FileSetInstance], filled: _Filled, icons: Mapping[str, Icon]
) -> list[_Record]:
    """Return the records of all patients in the order of the tree."""
    records = []
    # Series by series: what does not fit the processor's cache is gone through as seldom as can be
    tree: dict[tuple[str, ...], dict[tuple[str, ...], list[_Series]]] = {}
    for series in _grouped(placed, 4):
        folder = series[0].file_id
        studies = tree.setdefault(folder[:2], {})
        studies.setdefault(folder[:3], []).append(_Series(series, _different(series)))
    every = [each for studies in tree.values() for study in studies.values() for each in study]
    patient_ids = {dict(h.patient).get(keys.PATIENT_ID, b"") for s in every for h in s.headers}
    for studies in tree.values():
        of_patient = [h for study in studies.values() for each in study for h in each.headers]
        records.append(_upper(_PATIENT, of_patient, filled, patient_ids))
        for study in studies.values():
            of_study = [h for each in study for h in each.headers]
            records.append(_upper(_STUDY, of_study, filled, patient_ids))
            for each in study:
                records.append(_upper(_SERIES, each.headers, filled, patient_ids))
                records += _leaves(3, each.instances, filled, icons)
    return records


def _different(series: Iterable[FileSetInstance]) -> list[InstanceHeader]:
    """Return a header for each of the different upper levels: of most series one."""
    found: dict[tuple[int, int, int, str], InstanceHeader] = {}
    for item in series:
        header = item.instance.header
        levels = (id(header.patient), id(header.study), id(header.series), header.character_set)
        if levels not in found:
            found[levels] = header
    return list(found.values())


def _grouped(placed: Iterable[FileSetInstance], components: int) -> list[list[FileSetInstance]]:
    """Return the instances by folder, of so many components of the File ID."""
    groups: dict[tuple[str, ...], list[FileSetInstance]] = {}
    for item in placed:
        groups.setdefault(item.file_id[:components], []).append(item)
    return list(groups.values())


def _upper(
    level: _UpperLevel, headers: Sequence[InstanceHeader], filled: _Filled, patient_ids: set[bytes]
) -> _Record:
    """Return the record of the patient, study or series that the headers belong to."""
    header = _fullest(level, headers)
    values = _completed(level, header, headers)
    if level is _PATIENT and not values.get(keys.PATIENT_ID):
        values[keys.PATIENT_ID] = _unused_id(patient_ids)
        filled["PATIENT", "PatientID"] += 1
    body = encode_record(level.keys, values, {}, header.character_set)
    filled.update((level.record_type, keyword) for keyword in body.filled)
    return level.depth, _element(0x1430, b"CS", level.record_type) + body.encoded


def _fullest(level: _UpperLevel, headers: Sequence[InstanceHeader]) -> InstanceHeader:
    """Return the header that states most of a level's keys, the first of equals.

    Instances of one series may disagree; one has to speak for all.
    """
    required = {key.tag for key in level.keys if key.type != "3"}
    found, most, seen = headers[0], -1, set()
    for header in headers:
        values = level.of(header)
        if id(values) not in seen:
            seen.add(id(values))
            stated = sum(1 for tag, value in values if value and tag in required)
            if stated > most:
                found, most = header, stated
    return found


def _completed(
    level: _UpperLevel, header: InstanceHeader, headers: Sequence[InstanceHeader]
) -> dict[int, bytes]:
    """Return the values of one header, and of the others what it leaves empty.

    PS3.11 table H.3-2 wants a patient's sex or birth date when any of the objects has it. Text is
    taken over only where it means the same in the header's character set.
    """
    values = dict(level.of(header))
    vrs = {key.tag: key.vr for key in level.keys}
    seen: set[int] = set()
    for other in headers:
        stated = level.of(other)
        if id(stated) in seen:
            continue
        seen.add(id(stated))
        for tag, value in stated:
            if not value or values.get(tag) or tag not in vrs:
                continue
            same_text = other.character_set == header.character_set or is_ascii(value)
            if same_text or vrs[tag] not in TEXT_VRS:
                values[tag] = value
    return values


def _unused_id(patient_ids: set[bytes]) -> bytes:
    """Return a PatientID that no patient on the disc has (PS3.11 D.3: unique in the directory)."""
    number = 1
    while (made_up := b"UNKNOWN%d" % number) in patient_ids:
        number += 1
    patient_ids.add(made_up)
    return made_up


def _leaves(
    depth: int,
    series: Sequence[FileSetInstance],
    filled: _Filled,
    icons: Mapping[str, Icon] = NO_ICONS,
) -> list[_Record]:
    """Return the records of the instances of one series."""
    numbers = [i.instance.header.instance_number for i in series]
    next_number = max((number for number in numbers if number is not None), default=0)
    records = []
    for item, number in zip(series, numbers, strict=True):
        header = item.instance.header
        body = header.record
        filled.update((header.record_type, keyword) for keyword in header.filled)
        if number is None and header.record_type in NUMBERED_TYPES:
            next_number = min(next_number + 1, 2**31 - 1)
            body = with_instance_number(body, next_number)
            filled[header.record_type, "InstanceNumber"] += 1
        icon = icons.get(item.instance.sop_instance_uid)
        if icon and header.record_type == "IMAGE":  # its tag is above all keys of an image
            body += icon_element(icon)
        records.append((depth, _reference(item) + body))
    return records


def _reference(item: FileSetInstance) -> bytes:
    """Return record type, File ID and UIDs of the instance that a record refers to."""
    instance = item.instance
    private_uid = b""
    if instance.header.record_type == "PRIVATE":
        private_uid = _element(0x1432, b"UI", instance.sop_class_uid)  # PS3.3 F.6.1
    return b"".join(
        (
            _shared_element(0x1430, b"CS", instance.header.record_type),
            private_uid,
            _element(0x1500, b"CS", "\\".join(item.file_id)),
            _shared_element(0x1510, b"UI", instance.sop_class_uid),
            _element(0x1511, b"UI", instance.sop_instance_uid),
            _shared_element(0x1512, b"UI", instance.transfer_syntax_uid),
        )
    )


def _element(number: int, vr: bytes, value: str) -> bytes:
    """Return an element of group 0004; codes are made even with a space, UIDs with NUL."""
    raw = value.encode("ascii")
    if len(raw) & 1:
        raw += b"\0" if vr == b"UI" else b" "
    return _SHORT_ELEMENT.pack(4, number, vr, len(raw)) + raw


#: For values that most instances of a disc have in common.
_shared_element = functools.lru_cache(maxsize=256)(_element)


def _encode(uid: str, file_set_id: str, records: Sequence[_Record]) -> bytes:
    """Return the file: offsets count from its first byte (PS3.3 F.3.2.2)."""
    head = encode_file_meta(MEDIA_STORAGE_DIRECTORY, uid, EXPLICIT_VR_LITTLE_ENDIAN)
    head += _element(0x1130, b"CS", file_set_id)
    offsets = [len(head) + _ROOT.size]
    for _, body in records:
        offsets.append(offsets[-1] + _ITEM.size + _LINKS.size + len(body))
    if offsets[-1] > _MAX_BYTES:
        raise LimitError("The directory of this disc would be larger than 4 GiB.")
    siblings, roots = _siblings(records, offsets)
    first, last = (roots[0], roots[-1]) if roots else (0, 0)
    parts = [head, _root(first, last, offsets[-1] - offsets[0])]
    for number, (depth, body) in enumerate(records):
        below = records[number + 1][0] if number + 1 < len(records) else 0
        lower = offsets[number + 1] if below > depth else 0
        parts.append(_ITEM.pack(0xFFFE, 0xE000, _LINKS.size + len(body)))
        parts.append(_links(siblings[number], lower))
        parts.append(body)
    return b"".join(parts)


def _siblings(records: Sequence[_Record], offsets: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the offset of each record's next one under the same parent, and those of the root."""
    siblings = [0] * len(records)
    roots = []
    latest: dict[int, int] = {}  # depth -> the record that waits for its next one
    for number, (depth, _) in enumerate(records):
        for deeper in [each for each in latest if each > depth]:
            del latest[deeper]
        if depth in latest:
            siblings[latest[depth]] = offsets[number]
        if not depth:
            roots.append(offsets[number])
        latest[depth] = number
    return siblings, roots


def _root(first: int, last: int, sequence_bytes: int) -> bytes:
    """Return the File-set elements up to the Directory Record Sequence (PS3.3 F.3.2.2)."""
    return _ROOT.pack(
        *(4, 0x1200, b"UL", 4, first),
        *(4, 0x1202, b"UL", 4, last),
        *(4, 0x1212, b"US", 2, 0),  # no known inconsistencies
        *(4, 0x1220, b"SQ", 0, sequence_bytes),
    )


def _links(following: int, lower: int) -> bytes:
    return _LINKS.pack(
        *(4, 0x1400, b"UL", 4, following),
        *(4, 0x1410, b"US", 2, _IN_USE),
        *(4, 0x1420, b"UL", 4, lower),
    )


def _uid_of(file_set_id: str, placed: Iterable[FileSetInstance]) -> str:
    """Return a UID made from the content: the same disc has the same one (PS3.5 B.2)."""
    digest = hashlib.sha256(file_set_id.encode("ascii", "replace"))
    for item in placed:
        digest.update("\\".join((*item.file_id, item.instance.sha256, "")).encode())
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest()).int}"

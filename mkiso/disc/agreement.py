"""Does DICOMDIR say of the files what the files say of themselves? (PS3.10 8.6, PS3.3 F.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mkiso.core import record_keys as keys
from mkiso.core.findings import Findings
from mkiso.core.header import Level
from mkiso.core.record_keys import PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS, Key
from mkiso.core.text import decode
from mkiso.core.value_rules import TEXT_VRS, legal, legal_text
from mkiso.disc.dicomdir_reader import Directory, DirectoryRecord
from mkiso.disc.examination import ExaminedInstance

_LEVEL_KEYS = {"PATIENT": PATIENT_KEYS, "STUDY": STUDY_KEYS, "SERIES": SERIES_KEYS}

#: What every single file must agree in; in the others one file speaks for all.
_IDENTIFYING = frozenset({keys.PATIENT_ID, keys.STUDY_INSTANCE_UID, keys.SERIES_INSTANCE_UID})

#: What may be left out at the end of a Person Name (PS3.5 6.2.1.1).
_EMPTY_NAME_END = re.compile(r"[=^ ]+\Z")


def check_references(
    directory: Directory,
    paths: frozenset[str],
    instances: Mapping[str, ExaminedInstance],
    findings: Findings,
) -> None:
    """Check that records and DICOM files belong together one to one."""
    referenced: set[str] = set()
    for record in directory.references():
        path = "/".join(record.file_id)
        referenced.add(path)
        if path not in paths:
            findings.error("dicomdir.reference-missing", f"{path} is in DICOMDIR and not there.")
        elif path in instances:
            _check_reference(path, record, instances[path], findings)
        else:
            findings.error("dicomdir.reference-not-dicom", f"{path} is no readable DICOM file.")
    for path in instances.keys() - referenced:
        findings.error("dicomdir.file-unreferenced", f"{path} is not in DICOMDIR.")


def _check_reference(
    path: str, record: DirectoryRecord, instance: ExaminedInstance, findings: Findings
) -> None:
    pairs = (
        ("sop-class", record.sop_class_uid, instance.sop_class_uid),
        ("sop-instance", record.sop_instance_uid, instance.sop_instance_uid),
        ("transfer-syntax", record.transfer_syntax_uid, instance.transfer_syntax_uid),
    )
    for what, in_record, in_file in pairs:
        if in_record != in_file:
            findings.error(
                f"dicomdir.record-{what}", f"DICOMDIR says another {what} of {path} than the file."
            )
    if _mistyped(record.record_type, instance.record_type):
        findings.error(
            "dicomdir.record-type",
            f"The record of {path} is {record.record_type}; its SOP class is of type "
            f"{instance.record_type}.",
        )
    number = _integer(record.values().get(keys.INSTANCE_NUMBER, b""))
    if None not in (instance.instance_number, number) and number != instance.instance_number:
        findings.error(
            "dicomdir.instance-number", f"DICOMDIR says another number of {path} than the file."
        )


def _mistyped(in_directory: str, by_class: str) -> bool:
    """Say whether a record has the type of another kind of object (PS3.3 F.4).

    PRIVATE is allowed for all; what we know no type for is left to who wrote it.
    """
    return in_directory not in {by_class, "PRIVATE"} and by_class != "PRIVATE"


def check_levels(
    directory: Directory, instances: Mapping[str, ExaminedInstance], findings: Findings
) -> None:
    """Check the keys of patients, studies and series against the files below them.

    A value that a record had to be given, because the files have none or an illegal one, is not
    a fault; a value that none of the files has is one.
    """
    seen: set[tuple[int, int, str]] = set()
    agrees: dict[tuple[int, str], tuple[bool, str]] = {}
    for reference in directory.references():
        instance = instances.get("/".join(reference.file_id))
        record = reference.parent
        while instance and record:
            level = {
                "PATIENT": instance.patient,
                "STUDY": instance.study,
                "SERIES": instance.series,
            }.get(record.record_type, ())
            key = (record.offset, id(level), instance.character_set)
            if level and key not in seen:
                seen.add(key)
                _compare(record, level, instance.character_set, agrees, findings)
            record = record.parent
    for (offset, keyword), (agreed, kind) in agrees.items():
        if not agreed:
            findings.error(
                "dicomdir.key-disagrees",
                f"{keyword} of the {kind} record at byte {offset} is not that of its files.",
            )


def _compare(
    record: DirectoryRecord,
    level: Level,
    character_set: str,
    agrees: dict[tuple[int, str], tuple[bool, str]],
    findings: Findings,
) -> None:
    values, own_values = dict(level), record.values()
    own = own_values.get(keys.SPECIFIC_CHARACTER_SET, b"").decode("ascii", "replace")
    for key in _LEVEL_KEYS[record.record_type]:
        in_record, in_file = own_values.get(key.tag), values.get(key.tag)
        if not in_record or not in_file:
            continue
        same = _same(key, (in_record, own), (in_file, character_set))
        if same is None:
            continue
        if not same and key.tag in _IDENTIFYING:
            findings.error(
                "dicomdir.identity-disagrees",
                f"A file below the {record.record_type} record at byte {record.offset} has "
                f"another {key.keyword}.",
            )
        place = (record.offset, key.keyword)
        agreed = agrees.get(place, (False, ""))[0] or same or key.tag in _IDENTIFYING
        agrees[place] = (agreed, record.record_type)


def _same(key: Key, record: tuple[bytes, str], file: tuple[bytes, str]) -> bool | None:
    """Say whether two values, each with its character set, are equal; None when one is illegal."""
    if key.vr in TEXT_VRS:
        one, other = (
            decode(value, character_set, key.vr).strip() for value, character_set in (record, file)
        )
        if key.vr == b"PN":
            one, other = _EMPTY_NAME_END.sub("", one), _EMPTY_NAME_END.sub("", other)
        return one in (other, legal_text(key.vr, other).strip())
    if not legal(key.vr, file[0]):
        return None
    if key.vr == b"IS":
        return _integer(record[0]) == _integer(file[0])
    return record[0].strip() == file[0].strip()


def _integer(value: bytes) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None

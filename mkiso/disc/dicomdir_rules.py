"""What the records of a DICOMDIR must say (PS3.3 F.4, F.5; PS3.10 8.2, 8.5; PS3.11 D.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mkiso.core import record_keys as keys
from mkiso.core.findings import Finding, Findings
from mkiso.core.icon_rules import ICON_IMAGE_SEQUENCE, check_icon
from mkiso.core.record_keys import INSTANCE_KEYS, PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS, Key
from mkiso.core.record_types import ROOT_TYPES
from mkiso.core.text import decode_terms, defined_terms
from mkiso.core.value_rules import legal
from mkiso.disc.dicomdir_elements import DirectoryFault, elements, items
from mkiso.disc.dicomdir_reader import Directory, DirectoryRecord, value_of

_IDENTIFIED_BY = {
    "PATIENT": keys.PATIENT_ID,
    "STUDY": keys.STUDY_INSTANCE_UID,
    "SERIES": keys.SERIES_INSTANCE_UID,
}
_PARENT = {"PATIENT": "", "STUDY": "PATIENT", "SERIES": "STUDY"}
_UPPER_KEYS = {"PATIENT": PATIENT_KEYS, "STUDY": STUDY_KEYS, "SERIES": SERIES_KEYS}
# PS3.3 F.3: types that other software writes and we do not
_OTHER_TYPES = frozenset({"ANNOTATION", "INVENTORY"})
_FILE_ID_COMPONENT = re.compile(r"[A-Z0-9_]{1,8}").fullmatch
_FILE_SET_ID = re.compile(r"[A-Z0-9_ ]{0,16}").fullmatch
_CODED_TEXT = re.compile(rb"[\x1b\x80-\xff]").search
_TEXT_VRS = frozenset({b"PN", b"LO", b"SH", b"LT", b"ST", b"UT"})
#: Text has rules of its own, and an illegal UID is still the one that the instances have.
_UNJUDGED_VRS = _TEXT_VRS | {b"UI"}


def check_directory(directory: Directory) -> tuple[Finding, ...]:
    """Return what is wrong with the records themselves, without a look at the files."""
    findings = Findings()
    if not _FILE_SET_ID(directory.file_set_id):
        findings.error(
            "dicomdir.file-set-id", "The File-set ID has characters that are not allowed."
        )
    if not any(True for _ in directory.references()):
        findings.error("dicomdir.empty", "DICOMDIR refers to no file.")  # PS3.11 D.3
    identifiers: dict[str, list[bytes]] = {kind: [] for kind in _IDENTIFIED_BY}
    for record in directory.records:
        values = record.values()
        _check_place(record, findings)
        _check_keys(record, values, findings)
        if record.record_type in _IDENTIFIED_BY:
            value = values.get(_IDENTIFIED_BY[record.record_type], b"")
            identifiers[record.record_type].append(value)
        if record.file_id or not _is_upper(record):
            _check_reference(record, findings)
    _check_unique(directory, identifiers, findings)
    return findings.result()


def _is_upper(record: DirectoryRecord) -> bool:
    return record.record_type in _UPPER_KEYS


def _where(record: DirectoryRecord) -> str:
    return f"the {record.record_type or 'untyped'} record at byte {record.offset}"


def _check_place(record: DirectoryRecord, findings: Findings) -> None:
    """Check the type of a record against that of its parent (PS3.3 table F.4-1)."""
    kind = record.record_type
    parent = record.parent.record_type if record.parent else ""
    if _is_upper(record):
        fits = parent == _PARENT[kind]
        if not record.children:
            findings.error("dicomdir.empty-branch", f"Nothing is below {_where(record)}.")
    elif kind == "PRIVATE":
        fits = True
    elif kind in ROOT_TYPES or kind == "INVENTORY":
        fits = not parent
    else:
        fits = parent == "SERIES" and (kind in INSTANCE_KEYS or kind in _OTHER_TYPES)
    if not fits:
        place = f"under {parent}" if parent else "at the root"
        findings.error("dicomdir.hierarchy", f"{_where(record)} has no place {place}.")


def _check_keys(record: DirectoryRecord, values: dict[int, bytes], findings: Findings) -> None:
    """Check that type 1 keys have a value, type 2 keys are there, and values can be read."""
    table: tuple[Key, ...] = _UPPER_KEYS.get(record.record_type) or INSTANCE_KEYS.get(
        record.record_type, ()
    )
    coded: dict[Key, bytes] = {}
    for key in table:
        value = values.get(key.tag)
        if key.type in {"1", "2"} and value is None:
            findings.error("dicomdir.key-missing", f"{key.keyword} is not in {_where(record)}.")
        elif key.type == "1" and not value:
            findings.error("dicomdir.key-empty", f"{key.keyword} is empty in {_where(record)}.")
        elif value and key.vr not in _UNJUDGED_VRS and not legal(key.vr, value):
            findings.warning(
                "dicomdir.value", f"{key.keyword} has no legal value in {_where(record)}."
            )
        if value and key.vr in _TEXT_VRS and _CODED_TEXT(value):
            coded[key] = value
    _check_text(record, values.get(keys.SPECIFIC_CHARACTER_SET, b""), coded, findings)
    if ICON_IMAGE_SEQUENCE in values:
        _check_icon(record, findings)


def _check_text(
    record: DirectoryRecord, character_set: bytes, coded: dict[Key, bytes], findings: Findings
) -> None:
    """Check that the record says a character set that its text can be read in (PS3.3 F.3.2.2)."""
    terms = defined_terms(character_set.decode("ascii", "replace"))
    if terms is None:
        findings.error(
            "dicomdir.character-set-unknown", f"The character set of {_where(record)} is not known."
        )
    elif coded and not character_set:
        findings.error("dicomdir.character-set", f"No character set is said in {_where(record)}.")
    else:
        for key, value in coded.items():
            if not _readable(value, terms, key.vr):
                findings.error(
                    "dicomdir.text",
                    f"{key.keyword} of {_where(record)} is not in the character set it says.",
                )


def _readable(value: bytes, terms: tuple[str, ...], vr: bytes) -> bool:
    try:
        decode_terms(value, terms, vr, strict=True)
    except (UnicodeDecodeError, KeyError):
        return False
    return True


def _check_icon(record: DirectoryRecord, findings: Findings) -> None:
    """Check the icon of a record (PS3.3 F.7)."""
    try:
        sequence = next(
            element
            for element in elements(record.data, record.start, record.stop)
            if element.tag == ICON_IMAGE_SEQUENCE
        )
        icons = [
            {e.tag: value_of(record.data, e) for e in elements(record.data, start, stop)}
            for _, start, stop in items(record.data, sequence)
        ]
    except DirectoryFault:
        icons = []
    problem = check_icon(icons[0]) if len(icons) == 1 else "it is not one image"
    if problem:
        findings.error("dicomdir.icon", f"The icon of {_where(record)} is wrong: {problem}.")


def _check_reference(record: DirectoryRecord, findings: Findings) -> None:
    """Check File ID and UIDs of a record that refers to a file (PS3.10 8.2, 8.5)."""
    components = record.file_id
    if not components:
        findings.error("dicomdir.file-id", f"No file is named in {_where(record)}.")
    elif len(components) > 8 or not all(_FILE_ID_COMPONENT(part) for part in components):
        findings.error("dicomdir.file-id", f"The File ID of {_where(record)} is not allowed.")
    uids = (record.sop_class_uid, record.sop_instance_uid, record.transfer_syntax_uid)
    if components and not all(uids):
        findings.error("dicomdir.reference-uids", f"A UID is missing in {_where(record)}.")


def _check_unique(
    directory: Directory, identifiers: dict[str, list[bytes]], findings: Findings
) -> None:
    """Check that each patient, study, series, instance and file has one record."""
    references = list(directory.references())
    instances = [record.sop_instance_uid for record in references]
    files = [record.file_id for record in references]
    counted: tuple[tuple[str, Sequence[object]], ...] = (
        *((kind.lower(), found) for kind, found in identifiers.items()),
        ("instance", instances),
        ("file", files),
    )
    for what, found in counted:
        repeated = len(found) - len(set(found))
        if repeated:
            findings.error(
                f"dicomdir.{what}-once", f"{repeated} records are of a {what} that has one already."
            )

"""Looks into every file of a disc: which are DICOM files, and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from mkiso.core.disc_check import DIRECTORY, looks_executable
from mkiso.core.findings import Findings
from mkiso.core.header import HeaderError, Level, LevelCache, ParsedHeader, read_header
from mkiso.core.identity import PatientIdentity, difference, patient_identity
from mkiso.core.record_types import ROOT_TYPES
from mkiso.disc.disc_reading import DiscReading
from mkiso.disc.file_meta import MAX_META_BYTES, FileMeta, is_dicom, parse_file_meta

#: Read of every file at first: file meta and what of a data set most headers need.
HEAD_BYTES = 32 * 1024

#: PS3.10 7.1: TIFF in the preamble, which dual-personality files have (PS3.17 of old archives).
_TIFF = (b"II*\0", b"MM\0*")


@dataclass(frozen=True, slots=True)
class ExaminedInstance:
    """What a DICOM file says of itself: the UIDs of file meta and data set, which agree."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str
    character_set: str
    record_type: str
    instance_number: int | None
    patient: Level
    study: Level
    series: Level


@dataclass(slots=True)
class Examination:
    """All DICOM files of a disc by path. Directories of DICOM files are not among them."""

    instances: dict[str, ExaminedInstance] = field(default_factory=dict)
    levels: LevelCache = field(default_factory=dict)
    patients: dict[tuple[int, str], PatientIdentity] = field(default_factory=dict)


def examine(reading: DiscReading, findings: Findings) -> Examination:
    """Read the beginning of every file; faults become findings."""
    examination = Examination()
    for path in reading.files:
        if path == DIRECTORY:
            continue
        try:
            head = reading.read_at(path, 0, HEAD_BYTES)
        except OSError as error:
            findings.error("disc.unreadable", f"{path} cannot be read: {error.strerror}.")
            continue
        if is_dicom(head):
            _examine_instance(path, head, reading, examination, findings)
        elif looks_executable(head):
            findings.warning("disc.executable", f"{path} is a program or a script.")
    _check_one_patient(examination, findings)
    return examination


def _examine_instance(
    path: str, head: bytes, reading: DiscReading, examination: Examination, findings: Findings
) -> None:
    meta = parse_file_meta(head)
    if meta is None and len(head) == HEAD_BYTES:
        head = reading.read_at(path, 0, HEAD_BYTES + MAX_META_BYTES)
        meta = parse_file_meta(head)
    if meta is None:
        findings.error("file.meta", f"The file meta information of {path} cannot be read.")
        return
    _check_preamble(path, meta.preamble, findings)
    start, size = meta.size_bytes, reading.files[path].size_bytes

    def read_at(offset: int, length: int) -> bytes:
        return reading.read_at(path, start + offset, length)

    try:
        parsed = read_header(
            head[start:], read_at, size - start, meta.transfer_syntax_uid, examination.levels
        )
    except (HeaderError, OSError) as error:
        reason = error.message if isinstance(error, HeaderError) else error.strerror
        findings.error("file.data-set", f"The data set of {path} cannot be read: {reason}")
        return
    _check_uids(path, meta, parsed, findings)
    examination.instances[path] = _examined(meta, parsed)
    header = parsed.header
    key = (id(header.patient), header.character_set)
    if header.record_type not in ROOT_TYPES and key not in examination.patients:
        examination.patients[key] = patient_identity(header)


def _examined(meta: FileMeta, parsed: ParsedHeader) -> ExaminedInstance:
    header = parsed.header
    return ExaminedInstance(
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        study_instance_uid=parsed.study_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        character_set=header.character_set,
        record_type=header.record_type,
        instance_number=header.instance_number,
        patient=header.patient,
        study=header.study,
        series=header.series,
    )


def _check_uids(path: str, meta: FileMeta, parsed: ParsedHeader, findings: Findings) -> None:
    """Check that file meta and data set speak of the same object (PS3.10 7.1)."""
    if meta.sop_class_uid != parsed.sop_class_uid:
        findings.error("file.sop-class", f"{path} has two SOP classes, in meta and data set.")
    if meta.sop_instance_uid != parsed.sop_instance_uid:
        findings.error("file.sop-instance", f"{path} has two SOP Instance UIDs.")


def _check_preamble(path: str, preamble: bytes, findings: Findings) -> None:
    """Check that the preamble hides nothing (PS3.10 7.5, CVE-2019-11687)."""
    if not any(preamble):
        return
    if looks_executable(preamble):
        findings.error("file.preamble-executable", f"{path} is a program as well.")
    elif preamble.startswith(_TIFF):
        findings.note("file.preamble-tiff", f"{path} is a TIFF file as well.")
    else:
        findings.warning("file.preamble", f"The preamble of {path} is not empty.")


def _check_one_patient(examination: Examination, findings: Findings) -> None:
    """Check that all objects may be one patient's."""
    identities = list(dict.fromkeys(examination.patients.values()))
    for identity in identities[1:]:
        found = difference(identities[0], identity, same_study=True)
        if found and not found.overrulable:
            findings.error("disc.several-patients", f"There are objects of another {found.what}.")
        elif found:
            findings.warning("disc.patient-differs", f"There are objects of another {found.what}.")

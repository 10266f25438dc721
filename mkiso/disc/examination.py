"""Looks into every file of a disc: which are DICOM files, and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass

from mkiso.core.disc_check import looks_executable
from mkiso.core.disc_layout import DIRECTORY
from mkiso.core.findings import Findings
from mkiso.core.header import HeaderError, Level, LevelCache, ParsedHeader, read_header
from mkiso.core.identity import PatientIdentity, difference, patient_identity
from mkiso.core.record_types import ROOT_TYPES
from mkiso.core.text import defined_terms
from mkiso.disc.disc_reading import ReadAt
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
    record: bytes  # the record that we should make of it, see InstanceHeader


class Examination:
    """Takes one file after the other; faults become findings."""

    def __init__(self, findings: Findings) -> None:
        """Begin with no file."""
        self.instances: dict[str, ExaminedInstance] = {}  # by path; DICOMDIR is none
        self._findings = findings
        self._levels: LevelCache = {}
        self._patients: dict[tuple[int, str], PatientIdentity] = {}

    def look_at(self, path: str, size_bytes: int, read_at: ReadAt) -> None:
        """Read the beginning of a file."""
        if path == DIRECTORY:
            return
        try:
            head = read_at(path, 0, HEAD_BYTES)
            if is_dicom(head):
                self._take_instance(path, size_bytes, head, read_at)
            elif looks_executable(head):
                self._findings.warning("disc.executable", f"{path} is a program or a script.")
        except OSError as error:
            self._findings.error("disc.unreadable", f"{path} cannot be read: {error.strerror}.")

    def _take_instance(self, path: str, size_bytes: int, head: bytes, read_at: ReadAt) -> None:
        meta = parse_file_meta(head)
        if meta is None and len(head) == HEAD_BYTES:
            head = read_at(path, 0, HEAD_BYTES + MAX_META_BYTES)
            meta = parse_file_meta(head)
        if meta is None:
            self._findings.error("file.meta", f"The file meta of {path} cannot be read.")
            return
        _check_preamble(path, meta.preamble, self._findings)
        _check_meta(path, meta, self._findings)
        start = meta.size_bytes
        try:
            parsed = read_header(
                head[start:],
                lambda offset, length: read_at(path, start + offset, length),
                size_bytes - start,
                meta.transfer_syntax_uid,
                self._levels,
            )
        except HeaderError as error:
            self._findings.error(
                "file.data-set", f"The data set of {path} cannot be read: {error.message}"
            )
            return
        _check_uids(path, meta, parsed, self._findings)
        self.instances[path] = _examined(meta, parsed)
        header = parsed.header
        if header.character_set and defined_terms(header.character_set) is None:
            self._findings.note(
                "file.character-set", f"The Specific Character Set of {path} is not known."
            )
        key = (id(header.patient), header.character_set)
        if header.record_type not in ROOT_TYPES and key not in self._patients:
            self._patients[key] = patient_identity(header)

    def check_one_patient(self) -> None:
        """Check that all objects may be one patient's."""
        identities = list(dict.fromkeys(self._patients.values()))
        for identity in identities[1:]:
            found = difference(identities[0], identity, same_study=True)
            if found:
                severity = self._findings.warning if found.overrulable else self._findings.error
                what = "patient-differs" if found.overrulable else "several-patients"
                severity(f"disc.{what}", f"There are objects of another {found.what}.")


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
        record=header.record,
    )


def _check_uids(path: str, meta: FileMeta, parsed: ParsedHeader, findings: Findings) -> None:
    """Check that file meta and data set speak of the same object (PS3.10 7.1)."""
    if meta.sop_class_uid != parsed.sop_class_uid:
        findings.error("file.sop-class", f"{path} has two SOP classes, in meta and data set.")
    if meta.sop_instance_uid != parsed.sop_instance_uid:
        findings.error("file.sop-instance", f"{path} has two SOP Instance UIDs.")


def _check_meta(path: str, meta: FileMeta, findings: Findings) -> None:
    """Check what the file meta says of itself (PS3.10 7.1)."""
    if not meta.transfer_syntax_uid:
        findings.error("file.transfer-syntax", f"{path} does not say its transfer syntax.")
    if not meta.group_length_right:
        findings.error("file.meta-group-length", f"The group length of {path} is wrong.")
    if not meta.implementation_class_uid:
        findings.warning("file.implementation", f"{path} does not say which software wrote it.")


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

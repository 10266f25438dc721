"""The demonstration's patients: real public objects under one made-up name, and the phantom CT.

The objects are those that come with pydicom; nothing is downloaded. The same patients come out
every time, so that a second demonstration finds that its disc exists already.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkiso.archive.demo_phantom import phantom_data_sets
from mkiso.pixels.phantom import SLICE_COUNT

ACCESSION_NUMBER = "DEMO2026"
#: An accession number that two patients were given: no disc may come of it.
AMBIGUOUS_ACCESSION_NUMBER = "DEMOTWICE"

_NAMESPACE = uuid.UUID("6f1e8f5e-94b1-4f0a-8b0e-6d6b69736f00")
_STANDARD_UIDS = "1.2.840.10008."
_DATE = "20260115"
_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up patient."""

    name: str
    patient_id: str
    birth_date: str
    sex: str
    age: str


DORA = Person("Demonstration^Dora", "DEMO-0001", "19610412", "F", "064Y")
_ADAM = Person("Example^Adam", "DEMO-0002", "19500102", "M", "076Y")
_EVE = Person("Example^Eve", "DEMO-0003", "19500102", "F", "076Y")


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of pydicom's, with the series it becomes."""

    file: str
    modality: str
    description: str


#: One row a series, behind the phantom's; what each shows that the others do not.
_SOURCES: tuple[_Source, ...] = (
    _Source("CT_small.dcm", "CT", "Detail"),
    _Source("693_J2KI.dcm", "CT", "Head, JPEG 2000"),
    _Source("MR_small.dcm", "MR", "Brain"),
    _Source("examples_overlay.dcm", "MR", "Reformat with overlay"),
    _Source("MR_small_jpeg_ls_lossless.dcm", "MR", "Brain, JPEG-LS"),
    _Source("examples_rgb_color.dcm", "US", "Colour"),
    _Source("examples_palette.dcm", "US", "Palette colour"),
    _Source("examples_jpeg2k.dcm", "US", "Colour, JPEG 2000 lossless"),
    _Source("examples_ybr_color.dcm", "US", "Heart, 30 frames, JPEG"),
    _Source("JPGExtended.dcm", "NM", "Whole body, 12 bit JPEG"),
    _Source("SC_rgb_jpeg_dcmtk.dcm", "OT", "Secondary capture, JPEG"),
    _Source("liver_1frame.dcm", "SEG", "Segmentation of a liver"),
    _Source("rtstruct.dcm", "RTSTRUCT", "Structure set"),
    _Source("rtplan.dcm", "RTPLAN", "Plan"),
    _Source("rtdose.dcm", "RTDOSE", "Dose, 15 frames"),
    _Source("reportsi.dcm", "SR", "Report"),
    _Source("test-SR.dcm", "SR", "Structured report"),
    _Source("waveform_ecg.dcm", "ECG", "Twelve leads"),
)

#: What would tell of the objects' own patients and places.
_REMOVED = (
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "IssuerOfPatientID",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientBirthTime",
    "PatientComments",
    "PatientMotherBirthName",
    "MilitaryRank",
    "EthnicGroup",
    "InstitutionAddress",
    "ReferencedPatientSequence",
    "RequestAttributesSequence",
    "RequestedProcedureDescription",
)
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate")


def write_demo_patients(folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write all patients of the demonstration into a folder; `progress`: files, of how many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's about values of old objects
        total = _write_dora(folder / "dora", progress)
        for person in (_ADAM, _EVE):
            data_set = _adopted(
                _Source("CT_small.dcm", "CT", "Detail"), 1, person, AMBIGUOUS_ACCESSION_NUMBER
            )
            _save(data_set, folder / person.name.rpartition("^")[2].lower(), 1)
    if progress is not None:
        progress(total, total)


def _write_dora(folder: Path, progress: Callable[[int, int], None] | None) -> int:
    total = SLICE_COUNT + len(_SOURCES)
    for number, data_set in enumerate(phantom_data_sets(_uid), 1):
        _describe(data_set, DORA, ACCESSION_NUMBER)
        _save(data_set, folder, number)
        if progress is not None:
            progress(number, total)
    for number, source in enumerate(_SOURCES, 1):
        data_set = _adopted(source, number + 2, DORA, ACCESSION_NUMBER)
        _save(data_set, folder, SLICE_COUNT + number)
    return total


def _adopted(source: _Source, series_number: int, person: Person, accession_number: str) -> Any:
    """Return a data set of pydicom's as one of this patient's study, a series of its own."""
    from pydicom import dcmread  # noqa: PLC0415 - start-up time
    from pydicom.data import get_testdata_file  # noqa: PLC0415

    path = get_testdata_file(source.file, download=False)
    if path is None:
        raise FileNotFoundError(f"pydicom does not bring the file {source.file}.")
    data_set = dcmread(str(path), force=True)
    data_set.remove_private_tags()
    _renew_uids(data_set, person, accession_number)
    data_set.SeriesInstanceUID = _uid("series", person.patient_id, source.file)
    # two of the files are one image in two encodings, under one UID
    data_set.SOPInstanceUID = _uid("instance", person.patient_id, source.file)
    for keyword in _REMOVED:
        if keyword in data_set:
            delattr(data_set, keyword)
    _describe(data_set, person, accession_number)
    data_set.Modality = source.modality
    data_set.SeriesDescription = source.description
    data_set.SeriesNumber = series_number
    data_set.InstanceNumber = 1
    if "TransferSyntaxUID" not in data_set.file_meta:
        data_set.file_meta.TransferSyntaxUID = _IMPLICIT_VR_LITTLE_ENDIAN
    return data_set


def _renew_uids(data_set: Any, person: Person, accession_number: str) -> None:
    """Give every instance, series and frame of reference a new UID, references included."""
    study = data_set.get("StudyInstanceUID")
    for element in data_set.iterall():
        if element.VR != "UI" or not element.value or element.VM != 1:
            continue
        if element.value == study:
            element.value = _uid("study", person.patient_id, accession_number)
        elif not element.value.startswith(_STANDARD_UIDS):
            element.value = _uid("object", person.patient_id, element.value)


def _describe(data_set: Any, person: Person, accession_number: str) -> None:
    """Set what all objects of a study have in common."""
    data_set.PatientName, data_set.PatientID = person.name, person.patient_id
    data_set.PatientBirthDate, data_set.PatientSex = person.birth_date, person.sex
    data_set.PatientAge = person.age
    data_set.StudyInstanceUID = _uid("study", person.patient_id, accession_number)
    data_set.AccessionNumber, data_set.StudyID = accession_number, "1"
    data_set.StudyTime = "093000"
    data_set.StudyDescription = "Demonstration"
    data_set.ReferringPhysicianName = "Referrer^Rita"
    data_set.InstitutionName = "Demonstration Hospital"
    for keyword in _DATES:
        if keyword == "StudyDate" or data_set.get(keyword):
            setattr(data_set, keyword, _DATE)


def _uid(*names: str) -> str:
    """Return a UID that is the same for the same names (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(names)).int}"


def _save(data_set: Any, folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data_set.file_meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.preamble = bytes(128)
    data_set.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)

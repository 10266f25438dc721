"""What the archive keeps of an instance for queries: one attribute a row, with its level."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """A level of the query/retrieve information model (PS3.4 C.6.1.1), from the root down."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that can be matched and returned."""

    keyword: str
    tag: int
    vr: str
    level: Level


_P, _ST, _SE, _I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE

#: Kept in the index. PS3.4 C.6.1.1.2 to C.6.1.1.5 lists the keys that must be there; the others
#: are what work stations ask for. Tags and VRs: PS3.6 chapter 6.
KEPT: tuple[Attribute, ...] = (
    Attribute("PatientName", 0x00100010, "PN", _P),
    Attribute("PatientID", 0x00100020, "LO", _P),
    Attribute("IssuerOfPatientID", 0x00100021, "LO", _P),
    Attribute("PatientBirthDate", 0x00100030, "DA", _P),
    Attribute("PatientBirthTime", 0x00100032, "TM", _P),
    Attribute("PatientSex", 0x00100040, "CS", _P),
    Attribute("OtherPatientNames", 0x00101001, "PN", _P),
    Attribute("EthnicGroup", 0x00102160, "SH", _P),
    Attribute("PatientComments", 0x00104000, "LT", _P),
    Attribute("StudyInstanceUID", 0x0020000D, "UI", _ST),
    Attribute("StudyID", 0x00200010, "SH", _ST),
    Attribute("StudyDate", 0x00080020, "DA", _ST),
    Attribute("StudyTime", 0x00080030, "TM", _ST),
    Attribute("AccessionNumber", 0x00080050, "SH", _ST),
    Attribute("ReferringPhysicianName", 0x00080090, "PN", _ST),
    Attribute("StudyDescription", 0x00081030, "LO", _ST),
    Attribute("NameOfPhysiciansReadingStudy", 0x00081060, "PN", _ST),
    Attribute("AdmittingDiagnosesDescription", 0x00081080, "LO", _ST),
    Attribute("PatientAge", 0x00101010, "AS", _ST),
    Attribute("PatientSize", 0x00101020, "DS", _ST),
    Attribute("PatientWeight", 0x00101030, "DS", _ST),
    Attribute("Occupation", 0x00102180, "SH", _ST),
    Attribute("AdditionalPatientHistory", 0x001021B0, "LT", _ST),
    Attribute("Modality", 0x00080060, "CS", _SE),
    Attribute("SeriesInstanceUID", 0x0020000E, "UI", _SE),
    Attribute("SeriesNumber", 0x00200011, "IS", _SE),
    Attribute("SeriesDate", 0x00080021, "DA", _SE),
    Attribute("SeriesTime", 0x00080031, "TM", _SE),
    Attribute("SeriesDescription", 0x0008103E, "LO", _SE),
    Attribute("Manufacturer", 0x00080070, "LO", _SE),
    Attribute("InstitutionName", 0x00080080, "LO", _SE),
    Attribute("StationName", 0x00081010, "SH", _SE),
    Attribute("InstitutionalDepartmentName", 0x00081040, "LO", _SE),
    Attribute("PerformingPhysicianName", 0x00081050, "PN", _SE),
    Attribute("OperatorsName", 0x00081070, "PN", _SE),
    Attribute("ManufacturerModelName", 0x00081090, "LO", _SE),
    Attribute("BodyPartExamined", 0x00180015, "CS", _SE),
    Attribute("ProtocolName", 0x00181030, "LO", _SE),
    Attribute("PatientPosition", 0x00185100, "CS", _SE),
    Attribute("FrameOfReferenceUID", 0x00200052, "UI", _SE),
    Attribute("Laterality", 0x00200060, "CS", _SE),
    Attribute("PerformedProcedureStepStartDate", 0x00400244, "DA", _SE),
    Attribute("PerformedProcedureStepStartTime", 0x00400245, "TM", _SE),
    Attribute("PerformedProcedureStepID", 0x00400253, "SH", _SE),
    Attribute("PerformedProcedureStepDescription", 0x00400254, "LO", _SE),
    Attribute("ImageType", 0x00080008, "CS", _I),
    Attribute("InstanceCreationDate", 0x00080012, "DA", _I),
    Attribute("InstanceCreationTime", 0x00080013, "TM", _I),
    Attribute("SOPClassUID", 0x00080016, "UI", _I),
    Attribute("SOPInstanceUID", 0x00080018, "UI", _I),
    Attribute("AcquisitionDate", 0x00080022, "DA", _I),
    Attribute("ContentDate", 0x00080023, "DA", _I),
    Attribute("AcquisitionTime", 0x00080032, "TM", _I),
    Attribute("ContentTime", 0x00080033, "TM", _I),
    Attribute("AcquisitionNumber", 0x00200012, "IS", _I),
    Attribute("InstanceNumber", 0x00200013, "IS", _I),
    Attribute("ImageComments", 0x00204000, "LT", _I),
    Attribute("NumberOfFrames", 0x00280008, "IS", _I),
    Attribute("Rows", 0x00280010, "US", _I),
    Attribute("Columns", 0x00280011, "US", _I),
    Attribute("BitsAllocated", 0x00280100, "US", _I),
    Attribute("CompletionFlag", 0x0040A491, "CS", _I),
    Attribute("VerificationFlag", 0x0040A493, "CS", _I),
    Attribute("ContentLabel", 0x00700080, "CS", _I),
    Attribute("ContentDescription", 0x00700081, "LO", _I),
)

#: Worked out when asked for (PS3.4 C.3.4); modalities and classes are matched, counts are not.
#: The level is the highest one at which the attribute describes the entity.
COMPUTED: tuple[Attribute, ...] = (
    Attribute("NumberOfPatientRelatedStudies", 0x00201200, "IS", _P),
    Attribute("NumberOfPatientRelatedSeries", 0x00201202, "IS", _P),
    Attribute("NumberOfPatientRelatedInstances", 0x00201204, "IS", _P),
    Attribute("ModalitiesInStudy", 0x00080061, "CS", _ST),
    Attribute("SOPClassesInStudy", 0x00080062, "UI", _ST),
    Attribute("NumberOfStudyRelatedSeries", 0x00201206, "IS", _ST),
    Attribute("NumberOfStudyRelatedInstances", 0x00201208, "IS", _ST),
    Attribute("NumberOfSeriesRelatedInstances", 0x00201209, "IS", _SE),
    Attribute("AvailableTransferSyntaxUID", 0x00083002, "UI", _I),
)

QUERY_RETRIEVE_LEVEL = 0x00080052
RETRIEVE_AE_TITLE = 0x00080054
INSTANCE_AVAILABILITY = 0x00080056
SPECIFIC_CHARACTER_SET = 0x00080005
TIMEZONE_OFFSET_FROM_UTC = 0x00080201

BY_TAG = {attribute.tag: attribute for attribute in (*KEPT, *COMPUTED)}

#: The unique key of each level (PS3.4 C.6.1.1, C.6.2.1).
UNIQUE_KEY = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}

UNIQUE_TAG = {
    level: next(a.tag for a in KEPT if a.keyword == keyword)
    for level, keyword in UNIQUE_KEY.items()
}


def kept_at(level: Level) -> tuple[Attribute, ...]:
    """Return the attributes the index keeps at one level, in the order of the table."""
    return tuple(attribute for attribute in KEPT if attribute.level is level)

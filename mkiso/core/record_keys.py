"""The keys of each directory record (PS3.3 F.5; PS3.11 tables D.3-2 and H.3-2)."""

from __future__ import annotations

from typing import NamedTuple

SPECIFIC_CHARACTER_SET = 0x00080005
IMAGE_TYPE = 0x00080008
INSTANCE_CREATION_DATE, INSTANCE_CREATION_TIME = 0x00080012, 0x00080013
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE = (
    0x00080020,
    0x00080021,
    0x00080022,
    0x00080023,
)
STUDY_TIME, SERIES_TIME, ACQUISITION_TIME, CONTENT_TIME = (
    0x00080030,
    0x00080031,
    0x00080032,
    0x00080033,
)
ACCESSION_NUMBER = 0x00080050
MODALITY = 0x00080060
PATIENT_NAME, PATIENT_ID, ISSUER_OF_PATIENT_ID = 0x00100010, 0x00100020, 0x00100021
PATIENT_BIRTH_DATE, PATIENT_SEX = 0x00100030, 0x00100040
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
STUDY_ID, SERIES_NUMBER, INSTANCE_NUMBER = 0x00200010, 0x00200011, 0x00200013
ROWS = 0x00280010
RELATIONSHIP_TYPE = 0x0040A010
VERIFICATION_DATE_TIME = 0x0040A030
CONCEPT_NAME_CODE_SEQUENCE = 0x0040A043
VERIFYING_OBSERVER_SEQUENCE = 0x0040A073
VERIFICATION_FLAG = 0x0040A493
CONTENT_SEQUENCE = 0x0040A730


class Key(NamedTuple):
    """One attribute of a record: its VR and its type (1, 1C, 2, 3) in the record."""

    tag: int
    vr: bytes
    type: str
    keyword: str
    multiplicity: int = 1  # 0: any, or not counted in backslashes


# PS3.6: attributes with other than one value; numbers in bytes have no delimiter to count.
_MULTIPLICITY = {
    "00080008": 0,  # ImageType
    "00081050": 0,  # PerformingPhysicianName
    "00200032": 3,  # ImagePositionPatient
    "00200037": 6,  # ImageOrientationPatient
    "00280030": 2,  # PixelSpacing
    "00282112": 0,  # LossyImageCompressionRatio
}
_BYTES = ("US", "UL")


def _rows(rows: str) -> tuple[Key, ...]:
    """Return the keys of a table: `ggggeeee VR type keyword`, one a line, in ascending order."""
    cells = [row.split() for row in rows.splitlines() if row.strip()]
    return tuple(
        sorted(
            Key(
                int(tag, 16),
                vr.encode(),
                key_type,
                word,
                0 if vr in _BYTES else _MULTIPLICITY.get(tag, 1),
            )
            for tag, vr, key_type, word in cells
        )
    )


PATIENT_KEYS = _rows("""
    00100010 PN 2   PatientName
    00100020 LO 1   PatientID
    00100021 LO 3   IssuerOfPatientID
    00100030 DA 3   PatientBirthDate
    00100040 CS 3   PatientSex
""")
STUDY_KEYS = _rows("""
    00080020 DA 1   StudyDate
    00080030 TM 1   StudyTime
    00080050 SH 2   AccessionNumber
    00080090 PN 3   ReferringPhysicianName
    00081030 LO 2   StudyDescription
    0020000D UI 1   StudyInstanceUID
    00200010 SH 1   StudyID
""")
SERIES_KEYS = _rows("""
    00080060 CS 1   Modality
    00080080 LO 3   InstitutionName
    00080081 ST 3   InstitutionAddress
    0008103E LO 3   SeriesDescription
    00081050 PN 3   PerformingPhysicianName
    00180015 CS 3   BodyPartExamined
    0020000E UI 1   SeriesInstanceUID
    00200011 IS 1   SeriesNumber
    00200060 CS 3   Laterality
""")

_CONTENT = """
    00080023 DA 1   ContentDate
    00080033 TM 1   ContentTime
    00200013 IS 1   InstanceNumber
"""
# PS3.3 table 10-12, Content Identification Macro
_CONTENT_IDENTIFICATION = """
    00200013 IS 1   InstanceNumber
    00700080 CS 1   ContentLabel
    00700081 LO 2   ContentDescription
    00700084 PN 2   ContentCreatorName
"""
_DATED_CONTENT_IDENTIFICATION = (
    _CONTENT_IDENTIFICATION
    + """
    00080023 DA 1   ContentDate
    00080033 TM 1   ContentTime
"""
)

#: The keys of the records of instances, by Directory Record Type.
INSTANCE_KEYS: dict[str, tuple[Key, ...]] = {
    "ASSESSMENT": _rows("""
        00080012 DA 1   InstanceCreationDate
        00080013 TM 2   InstanceCreationTime
        00200013 IS 1   InstanceNumber
    """),
    "ENCAP DOC": _rows("""
        00080023 DA 2   ContentDate
        00080033 TM 2   ContentTime
        00200013 IS 1   InstanceNumber
        0040A043 SQ 2   ConceptNameCodeSequence
        0040E001 ST 1C  HL7InstanceIdentifier
        00420010 ST 2   DocumentTitle
        00420012 LO 1   MIMETypeOfEncapsulatedDocument
    """),
    "FIDUCIAL": _rows(_DATED_CONTENT_IDENTIFICATION),
    "HANGING PROTOCOL": _rows("""
        00720002 SH 3   HangingProtocolName
        00720008 LO 1   HangingProtocolCreator
        0072000A DT 1   HangingProtocolCreationDateTime
        0072000C SQ 1   HangingProtocolDefinitionSequence
        0072000E SQ 2   HangingProtocolUserIdentificationCodeSequence
        00720014 US 1   NumberOfPriorsReferenced
    """),
    # InstanceNumber is F.5.4; ImageType and ReferencedImageSequence D.3-2; the others H.3-2
    "IMAGE": _rows("""
        00080008 CS 1C  ImageType
        0008002A DT 1C  AcquisitionDateTime
        00081140 SQ 1C  ReferencedImageSequence
        00200013 IS 1   InstanceNumber
        00200032 DS 1C  ImagePositionPatient
        00200037 DS 1C  ImageOrientationPatient
        00200052 UI 1C  FrameOfReferenceUID
        00280008 IS 1C  NumberOfFrames
        00280010 US 1C  Rows
        00280011 US 1C  Columns
        00280030 DS 1C  PixelSpacing
        00282112 DS 1C  LossyImageCompressionRatio
    """),
    "IMPLANT": _rows("""
        00080070 LO 1   Manufacturer
        00221095 LO 1   ImplantName
        00686210 LO 1C  ImplantSize
        00221097 LO 1   ImplantPartNumber
    """),
    "IMPLANT ASSY": _rows("""
        00080070 LO 1   Manufacturer
        00760001 LO 1   ImplantAssemblyTemplateName
        00760020 SQ 1   ProcedureTypeCodeSequence
    """),
    "IMPLANT GROUP": _rows("""
        00780001 LO 1   ImplantTemplateGroupName
        00780020 LO 1   ImplantTemplateGroupIssuer
    """),
    "KEY OBJECT DOC": _rows(
        _CONTENT
        + """
        0040A043 SQ 1   ConceptNameCodeSequence
        0040A730 SQ 1C  ContentSequence
    """
    ),
    "MEASUREMENT": _rows(_DATED_CONTENT_IDENTIFICATION),
    "PALETTE": _rows("""
        00700080 CS 1   ContentLabel
        00700081 LO 2   ContentDescription
    """),
    "PLAN": (),
    "PRESENTATION": _rows(
        _CONTENT_IDENTIFICATION
        + """
        00081115 SQ 1C  ReferencedSeriesSequence
        00700082 DA 1   PresentationCreationDate
        00700083 TM 1   PresentationCreationTime
        00700402 SQ 1C  BlendingSequence
    """
    ),
    "PRIVATE": (),
    "RADIOTHERAPY": _rows("""
        00200013 IS 1   InstanceNumber
        00700081 LO 2   ContentDescription
        00700084 PN 2   ContentCreatorName
        30100033 SH 1C  UserContentLabel
        30100034 LO 1C  UserContentLongLabel
    """),
    "RAW DATA": _rows("""
        00080023 DA 1   ContentDate
        00080033 TM 1   ContentTime
        00200013 IS 2   InstanceNumber
    """),
    "REGISTRATION": _rows(_DATED_CONTENT_IDENTIFICATION),
    "RT DOSE": _rows("""
        00200013 IS 1   InstanceNumber
        30040006 LO 3   DoseComment
        3004000A CS 1   DoseSummationType
    """),
    "RT PLAN": _rows("""
        00200013 IS 1   InstanceNumber
        300A0002 SH 1   RTPlanLabel
        300A0006 DA 2   RTPlanDate
        300A0007 TM 2   RTPlanTime
    """),
    "RT STRUCTURE SET": _rows("""
        00200013 IS 1   InstanceNumber
        30060002 SH 1   StructureSetLabel
        30060008 DA 2   StructureSetDate
        30060009 TM 2   StructureSetTime
    """),
    "RT TREAT RECORD": _rows("""
        00200013 IS 1   InstanceNumber
        30080250 DA 2   TreatmentDate
        30080251 TM 2   TreatmentTime
    """),
    "SPECTROSCOPY": _rows(
        _CONTENT
        + """
        00080008 CS 1   ImageType
        00089092 SQ 1C  ReferencedImageEvidenceSequence
        00280008 IS 1   NumberOfFrames
        00280010 US 1   Rows
        00280011 US 1   Columns
        00289001 UL 1   DataPointRows
        00289002 UL 1   DataPointColumns
    """
    ),
    "SR DOCUMENT": _rows(
        _CONTENT
        + """
        0040A030 DT 1C  VerificationDateTime
        0040A043 SQ 1   ConceptNameCodeSequence
        0040A491 CS 1   CompletionFlag
        0040A493 CS 1   VerificationFlag
        0040A730 SQ 1C  ContentSequence
    """
    ),
    "STEREOMETRIC": (),
    "SURFACE": _rows(_DATED_CONTENT_IDENTIFICATION),
    "SURFACE SCAN": _rows("""
        00080023 DA 1   ContentDate
        00080033 TM 1   ContentTime
    """),
    "TRACT": _rows(_DATED_CONTENT_IDENTIFICATION),
    "VALUE MAP": _rows(_DATED_CONTENT_IDENTIFICATION),
    "WAVEFORM": _rows(_CONTENT),
}

#: Sequences of which a record holds these attributes only (PS3.3 F.5.23).
ITEM_KEYS = {0x00700402: frozenset({0x0020000D, 0x00081115})}  # BlendingSequence

#: Record types whose Instance Number may not be empty.
NUMBERED_TYPES = frozenset(
    name
    for name, rows in INSTANCE_KEYS.items()
    if any(row.tag == INSTANCE_NUMBER and row.type == "1" for row in rows)
)

"""What a record says for a type 1 key that its instance leaves empty (PS3.3 F.5).

The instance's bytes stay as they are; a value made up here is reported by its keyword. All of it
is taken from the instance or constant, so that the same instances make the same directory.
"""

from __future__ import annotations

from collections.abc import Mapping

from mkiso.core import record_keys as keys
from mkiso.core.sequences import Item
from mkiso.core.value_rules import nearest

# The date that most readers take for "unknown"; dcmtk's dcmmkdir writes the same.
_NO_DATE, _NO_TIME = b"19000101", b"000000"
_PRESENTATION_CREATION_DATE, _PRESENTATION_CREATION_TIME = 0x00700082, 0x00700083

#: Type 1 dates with the times that belong to them.
DATE_AND_TIME = {
    keys.STUDY_DATE: keys.STUDY_TIME,
    keys.CONTENT_DATE: keys.CONTENT_TIME,
    keys.INSTANCE_CREATION_DATE: keys.INSTANCE_CREATION_TIME,
    _PRESENTATION_CREATION_DATE: _PRESENTATION_CREATION_TIME,
}
#: Dates and times that stand in for a missing one, the nearest in meaning first.
STAND_INS = (
    (keys.SERIES_DATE, keys.SERIES_TIME),
    (keys.ACQUISITION_DATE, keys.ACQUISITION_TIME),
    (keys.CONTENT_DATE, keys.CONTENT_TIME),
    (keys.INSTANCE_CREATION_DATE, keys.INSTANCE_CREATION_TIME),
    (keys.STUDY_DATE, keys.STUDY_TIME),
)

_VALUES = {
    keys.STUDY_ID: b"1",
    keys.MODALITY: b"OT",
    keys.SERIES_NUMBER: b"0",
    keys.PATIENT_ID: b"UNKNOWN",
    keys.IMAGE_TYPE: b"ORIGINAL\\PRIMARY",
    0x00080070: b"UNKNOWN",  # Manufacturer
    0x00221095: b"UNKNOWN",  # ImplantName
    0x00221097: b"UNKNOWN",  # ImplantPartNumber
    0x00280008: b"1",  # NumberOfFrames
    0x00280010: b"\1\0",  # Rows, Columns
    0x00280011: b"\1\0",
    0x00289001: b"\1\0\0\0",  # DataPointRows, DataPointColumns
    0x00289002: b"\1\0\0\0",
    0x0040A491: b"PARTIAL",  # CompletionFlag
    0x0040A493: b"UNVERIFIED",  # VerificationFlag
    0x00420012: b"application/octet-stream",  # MIMETypeOfEncapsulatedDocument
    0x00700080: b"UNNAMED",  # ContentLabel
    0x00720008: b"UNKNOWN",  # HangingProtocolCreator
    0x0072000A: _NO_DATE + _NO_TIME,  # HangingProtocolCreationDateTime
    0x00720014: b"\0\0",  # NumberOfPriorsReferenced
    0x00760001: b"UNKNOWN",  # ImplantAssemblyTemplateName
    0x00780001: b"UNKNOWN",  # ImplantTemplateGroupName
    0x00780020: b"UNKNOWN",  # ImplantTemplateGroupIssuer
    0x3004000A: b"PLAN",  # DoseSummationType
    0x30060002: b"UNNAMED",  # StructureSetLabel
    0x300A0002: b"UNNAMED",  # RTPlanLabel
}


def dates_filled(values: Mapping[int, bytes], date_tag: int) -> tuple[bytes, bytes]:
    """Return a legal date and time for a record: the instance's own, or what stands in."""
    time_tag = DATE_AND_TIME[date_tag]
    pairs = [(date_tag, time_tag), *STAND_INS]
    dated = [(nearest(b"DA", values.get(d, b"")), values.get(t, b"")) for d, t in pairs]
    date = next((date for date, _ in dated if date), _NO_DATE)
    own_time = nearest(b"TM", values.get(time_tag, b""))
    times = (nearest(b"TM", time) for other, time in dated if other == date)
    return date, own_time or next((time for time in times if time), _NO_TIME)


def default_value(tag: int) -> bytes:
    """Return the value of a type 1 key that the instance leaves empty, b"" when there is none."""
    return _VALUES.get(tag, b"")


def default_items(tag: int) -> list[Item]:
    """Return the one item of a type 1 sequence that the instance leaves empty."""
    if tag != keys.CONCEPT_NAME_CODE_SEQUENCE:
        return [[]]
    return [
        [
            (0x00080100, b"SH", b"UNTITLED"),
            (0x00080102, b"SH", b"99MKISO"),
            (0x00080104, b"LO", b"Document without a title"),
        ]
    ]

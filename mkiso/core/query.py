"""C-FIND and C-MOVE identifiers out, matches in (Study Root model, PS3.4 C.6.2).

What comes back is checked here and not believed: some archives ignore a key, match it loosely,
or answer at another level than they were asked.
"""

from __future__ import annotations

from mkiso.core.accessions import printable
from mkiso.core.contexts import is_uid
from mkiso.core.identifier import Attributes, decode_identifier
from mkiso.core.model import ExpectedInstance, Series, Study
from mkiso.core.retrieval_plan import Request
from mkiso.core.text import decode
from mkiso.errors import ProtocolError

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"

SPECIFIC_CHARACTER_SET = 0x00080005
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
ACCESSION_NUMBER = 0x00080050
QUERY_RETRIEVE_LEVEL = 0x00080052
INSTANCE_AVAILABILITY = 0x00080056
MODALITY = 0x00080060
PATIENT_ID = 0x00100020
ISSUER_OF_PATIENT_ID = 0x00100021
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
SERIES_NUMBER = 0x00200011
NUMBER_OF_STUDY_INSTANCES = 0x00201208
NUMBER_OF_SERIES_INSTANCES = 0x00201209

Identifier = tuple[tuple[int, str, bytes], ...]

#: Return keys by level, PS3.4 Tables C.6-2 to C.6-4. Some archives want every study key present.
RETURN_KEYS: dict[str, tuple[tuple[int, str], ...]] = {
    "STUDY": (
        (0x00080020, "DA"),  # StudyDate
        (0x00080030, "TM"),  # StudyTime
        (ACCESSION_NUMBER, "SH"),
        (INSTANCE_AVAILABILITY, "CS"),
        (0x00080061, "CS"),  # ModalitiesInStudy
        (0x00081030, "LO"),  # StudyDescription
        (0x00100010, "PN"),  # PatientName
        (PATIENT_ID, "LO"),
        (ISSUER_OF_PATIENT_ID, "LO"),
        (0x00100030, "DA"),  # PatientBirthDate
        (STUDY_INSTANCE_UID, "UI"),
        (0x00200010, "SH"),  # StudyID
        (0x00201206, "IS"),  # NumberOfStudyRelatedSeries
        (NUMBER_OF_STUDY_INSTANCES, "IS"),
    ),
    "SERIES": (
        (MODALITY, "CS"),
        (0x0008103E, "LO"),  # SeriesDescription
        (SERIES_INSTANCE_UID, "UI"),
        (SERIES_NUMBER, "IS"),
        (NUMBER_OF_SERIES_INSTANCES, "IS"),
    ),
    "IMAGE": ((SOP_INSTANCE_UID, "UI"),),
}

#: What is read of an answer; names and birth dates are not (identity is decided on the objects).
_READ = frozenset(
    {
        SPECIFIC_CHARACTER_SET,
        SOP_CLASS_UID,
        SOP_INSTANCE_UID,
        ACCESSION_NUMBER,
        QUERY_RETRIEVE_LEVEL,
        INSTANCE_AVAILABILITY,
        MODALITY,
        PATIENT_ID,
        ISSUER_OF_PATIENT_ID,
        STUDY_INSTANCE_UID,
        SERIES_INSTANCE_UID,
        SERIES_NUMBER,
        NUMBER_OF_STUDY_INSTANCES,
        NUMBER_OF_SERIES_INSTANCES,
    }
)


def decode_answer(data: bytes, transfer_syntax_uid: str) -> Attributes:
    """Return the raw values of an answer that matter; raises ProtocolError for no data set."""
    return decode_identifier(data, transfer_syntax_uid, _READ)


def study_query(*, accession_number: str = "", study_instance_uid: str = "") -> Identifier:
    """Return the STUDY level query for one accession number, one Study Instance UID, or both."""
    if not accession_number and not study_instance_uid:
        raise ValueError("a study query without a key would match every patient")
    encoding = "ascii" if accession_number.isascii() else "utf-8"
    keys = {ACCESSION_NUMBER: accession_number.encode(encoding)}
    if encoding != "ascii":
        keys[SPECIFIC_CHARACTER_SET] = b"ISO_IR 192"
    if study_instance_uid:
        keys[STUDY_INSTANCE_UID] = _unique(study_instance_uid)
    return _query("STUDY", keys)


def series_query(study_instance_uid: str) -> Identifier:
    """Return the SERIES level query for all series of a study."""
    return _query("SERIES", {STUDY_INSTANCE_UID: _unique(study_instance_uid)})


def image_query(
    study_instance_uid: str, series_instance_uid: str, *, with_class: bool = False
) -> Identifier:
    """Return the IMAGE level query for all instances of a series.

    `with_class` asks for the SOP class, too, which only C-GET needs: Orthanc opens every file for
    it (1000 instances: 0.7 s against 0.2 s).
    """
    keys = {
        STUDY_INSTANCE_UID: _unique(study_instance_uid),
        SERIES_INSTANCE_UID: _unique(series_instance_uid),
    }
    return _query("IMAGE", {**keys, SOP_CLASS_UID: b""} if with_class else keys)


def retrieve_identifier(request: Request) -> Identifier:
    """Return the C-MOVE or C-GET identifier of a request: the level and unique keys, nothing else.

    PS3.4 C.4.2.1.4.1. Raises ValueError for an empty or malformed unique key: dcmqrscp takes an
    empty one for its whole archive.
    """
    keys = {
        QUERY_RETRIEVE_LEVEL: request.level.encode(),
        STUDY_INSTANCE_UID: _unique(request.study_instance_uid),
    }
    if request.level != "STUDY":
        keys[SERIES_INSTANCE_UID] = _unique(request.series_instance_uid)
    if request.level == "IMAGE":
        keys[SOP_INSTANCE_UID] = b"\\".join(_unique(uid) for uid in request.sop_instance_uids)
    return tuple(
        (tag, "CS" if tag == QUERY_RETRIEVE_LEVEL else "UI", keys[tag]) for tag in sorted(keys)
    )


def matching_study(attributes: Attributes, identifier: Identifier) -> Study | None:
    """Return the study of an answer, or None when it does not match what `identifier` asked for.

    The accession number is compared exactly, but for trailing spaces; an answer without one does
    not match. Raises ProtocolError when a study that matches has no usable Study Instance UID.
    """
    asked = {tag: value for tag, _, value in identifier}
    if not _is_at_level(attributes, "STUDY"):
        return None
    number = accession_number_of(attributes)
    wanted = asked[ACCESSION_NUMBER].decode("utf-8")
    if wanted and number != wanted:
        return None
    uid = _uid(attributes, STUDY_INSTANCE_UID)
    wanted_uid = asked[STUDY_INSTANCE_UID].decode()
    if wanted_uid and uid != wanted_uid:
        return None
    return Study(
        study_instance_uid=_require_uid(uid, "Study"),
        accession_number=number,
        patient_id=_text(attributes, PATIENT_ID),
        issuer_of_patient_id=_text(attributes, ISSUER_OF_PATIENT_ID),
        number_of_instances=_count(attributes, NUMBER_OF_STUDY_INSTANCES),
        instance_availability=_text(attributes, INSTANCE_AVAILABILITY).upper(),
    )


def matching_series(attributes: Attributes, study_instance_uid: str) -> Series | None:
    """Return the series of an answer, or None when it is not a series of this study.

    Raises ProtocolError when it has no usable Series Instance UID.
    """
    if not _is_at_level(attributes, "SERIES"):
        return None
    if _uid(attributes, STUDY_INSTANCE_UID) not in ("", study_instance_uid):
        return None
    return Series(
        series_instance_uid=_require_uid(_uid(attributes, SERIES_INSTANCE_UID), "Series"),
        study_instance_uid=study_instance_uid,
        modality=_text(attributes, MODALITY),
        series_number=_text(attributes, SERIES_NUMBER)[:12],
        number_of_instances=_count(attributes, NUMBER_OF_SERIES_INSTANCES),
    )


def matching_instance(attributes: Attributes, series: Series) -> ExpectedInstance | None:
    """Return the instance of an answer, or None when it is not an instance of this series.

    One whose SOP Instance UID nobody can ask for (longer than 64 characters, or none) is listed in
    quotes: it will be missing, and is told by name.
    """
    if not _is_at_level(attributes, "IMAGE"):
        return None
    if _uid(attributes, SERIES_INSTANCE_UID) not in ("", series.series_instance_uid):
        return None
    if _uid(attributes, STUDY_INSTANCE_UID) not in ("", series.study_instance_uid):
        return None
    uid = _uid(attributes, SOP_INSTANCE_UID)
    return ExpectedInstance(
        uid if is_uid(uid) else printable(uid),
        series.series_instance_uid,
        series.study_instance_uid,
        _uid(attributes, SOP_CLASS_UID),
    )


def accession_number_of(attributes: Attributes) -> str:
    """Return the accession number of an answer, decoded, without its padding at the end.

    dcmqrscp returns the stored bytes and no character set: then UTF-8 is tried, as we sent it.
    """
    value = attributes.get(ACCESSION_NUMBER, b"").rstrip(b" \0")
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    character_set = attributes.get(SPECIFIC_CHARACTER_SET, b"").decode("ascii", "replace")
    return decode(value, character_set.strip(" \0") or "ISO_IR 192", "SH").rstrip(" \0")


def _query(level: str, keys: dict[int, bytes]) -> Identifier:
    """Return the identifier of a level: `keys` with their values, the return keys empty."""
    vrs = dict(RETURN_KEYS[level])
    vrs[QUERY_RETRIEVE_LEVEL] = "CS"
    values = {QUERY_RETRIEVE_LEVEL: level.encode(), **keys}
    for tag in keys:
        vrs.setdefault(tag, "CS" if tag == SPECIFIC_CHARACTER_SET else "UI")
    return tuple((tag, vrs[tag], values.get(tag, b"")) for tag in sorted(vrs))


def _unique(uid: str) -> bytes:
    """Return a unique key's value; anything but one whole UID would select more than was meant."""
    if not is_uid(uid):
        raise ValueError(f"not a UID, and so not a unique key: {printable(uid)}")
    return uid.encode()


def _is_at_level(attributes: Attributes, level: str) -> bool:
    """Return whether an answer is of the level that was asked for; not every archive says so."""
    stated = attributes.get(QUERY_RETRIEVE_LEVEL, b"").strip(b" \0")
    return not stated or stated == level.encode()


def _uid(attributes: Attributes, tag: int) -> str:
    return attributes.get(tag, b"").strip(b" \0").decode("ascii", "replace")


def _require_uid(uid: str, what: str) -> str:
    """Return a UID of an answer; left out, the instance or series would be missing unnoticed."""
    if not is_uid(uid):
        raise ProtocolError(
            f"The archive answered with {printable(uid)} as {what} Instance UID: that cannot be "
            "asked for."
        )
    return uid


def _text(attributes: Attributes, tag: int) -> str:
    """Return the first value that is not empty, without padding."""
    value = attributes.get(tag, b"")
    if value.isascii() and b"\x1b" not in value:
        text = value.decode("ascii")
    else:
        character_set = attributes.get(SPECIFIC_CHARACTER_SET, b"").decode("ascii", "replace")
        text = decode(value, character_set.strip(" \0"), "LO")
    return next((v for v in (part.strip(" \0") for part in text.split("\\")) if v), "")


def _count(attributes: Attributes, tag: int) -> int | None:
    """Return a count, or None when it is absent or is not a number."""
    text = attributes.get(tag, b"").strip(b" \0")
    return int(text) if text.isdigit() else None

"""The answers of a C-FIND as rows of texts, and whether they are what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mkiso.core.csv_cell import one_line
from mkiso.core.find_keys import KNOWN, UNIQUE_KEY, FindRequest, Key
from mkiso.core.identifier import Attributes, decode_identifier
from mkiso.core.listing import SHOWN_AS, Column, Row
from mkiso.core.query import QUERY_RETRIEVE_LEVEL, SPECIFIC_CHARACTER_SET
from mkiso.core.text import decode

_NAME = ("PatientName", "Name")
_ELASTIC = {"PatientName", "StudyDescription", "SeriesDescription"}

#: What the table shows at each level: keyword and head.
_SHOWN: Mapping[str, tuple[tuple[str, str], ...]] = {
    "PATIENT": (
        _NAME,
        ("PatientID", "ID"),
        ("PatientBirthDate", "Born"),
        ("PatientSex", "Sex"),
        ("NumberOfPatientRelatedStudies", "Studies"),
    ),
    "STUDY": (
        _NAME,
        ("PatientID", "ID"),
        ("StudyDate", "Date"),
        ("AccessionNumber", "Accession"),
        ("StudyDescription", "Description"),
        ("ModalitiesInStudy", "Modalities"),
        ("NumberOfStudyRelatedSeries", "Series"),
        ("NumberOfStudyRelatedInstances", "Instances"),
    ),
    "SERIES": (
        _NAME,
        ("PatientID", "ID"),
        ("StudyDate", "Date"),
        ("Modality", "Modality"),
        ("SeriesNumber", "No."),
        ("SeriesDescription", "Description"),
        ("NumberOfSeriesRelatedInstances", "Instances"),
        ("SeriesInstanceUID", "Series Instance UID"),
    ),
    "IMAGE": (
        ("PatientID", "ID"),
        ("Modality", "Modality"),
        ("SeriesNumber", "Series"),
        ("InstanceNumber", "No."),
        ("SOPInstanceUID", "SOP Instance UID"),
    ),
}


def decoder(
    keys: Sequence[Key],
) -> Callable[[bytes, str], Attributes]:
    """Return what takes the values of these keys out of an answer."""
    wanted = frozenset({SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, *(k.tag for k in keys)})
    return lambda data, syntax: decode_identifier(data, syntax, wanted)


def row_of(attributes: Attributes, keys: Sequence[Key]) -> dict[str, str]:
    """Return the texts of an answer by keyword; what is absent is "".

    dcmqrscp names no character set: then UTF-8 is tried before Latin-1.
    """
    character_set = attributes.get(SPECIFIC_CHARACTER_SET, b"").decode("ascii", "replace")
    return {
        key.keyword: _text(attributes.get(key.tag, b""), character_set.strip(" \0"), key.vr)
        for key in keys
    }


def _text(value: bytes, character_set: str, vr: str) -> str:
    if vr in ("US", "SS", "UL", "SL"):
        size = 2 if vr[1] == "S" else 4
        signed = vr[0] == "S"
        numbers = (
            int.from_bytes(value[n : n + size], "little", signed=signed)
            for n in range(0, len(value) // size * size, size)
        )
        return "\\".join(map(str, numbers))
    return decode(value, character_set, vr).strip(" \0")


def columns_for(request: FindRequest) -> tuple[Column, ...]:
    """Return the columns of the table, those of `-k` behind the usual ones."""
    shown = list(_SHOWN[request.level])
    usual = {keyword for keyword, _ in shown}
    extra = {key.keyword: key for key in request.extra}
    asked = [k for k in request.values if k not in usual and (k in extra or not _is_plain(k))]
    shown += [(keyword, keyword) for keyword in dict.fromkeys(asked)]
    return tuple(_column(keyword, head, extra) for keyword, head in shown)


def _is_plain(keyword: str) -> bool:
    """Whether a column would repeat on every row what was asked for."""
    return keyword in (*UNIQUE_KEY.values(), "Modality")


def _column(keyword: str, head: str, extra: Mapping[str, Key]) -> Column:
    vr = (KNOWN.get(keyword) or extra[keyword]).vr
    default = Column(keyword, head)
    return Column(
        keyword,
        head,
        SHOWN_AS.get(vr, default.show),
        is_number=vr in ("IS", "US", "UL"),
        is_elastic=keyword in _ELASTIC,
    )


def csv_keywords(request: FindRequest, rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of the CSV: everything that was asked for, in the order of the levels."""
    found: dict[str, None] = {}
    for row in rows[:1]:
        found.update(dict.fromkeys(row))
    for key in request.keys_at(request.level):
        found.setdefault(key.keyword)
    return tuple(found)


def unique_value(request: FindRequest, row: Row) -> str:
    """Return the unique key of a row's level, on one line whatever the archive says."""
    return one_line(row.get(UNIQUE_KEY[request.level], ""))

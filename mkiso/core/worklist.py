"""Modality worklist (PS3.4 Annex K): queries and items, as data sets and as flat rows of texts.

A row has the keywords of the item and of its one Scheduled Procedure Step side by side; none of
them is in both (PS3.4 Table K.6-1).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items

from mkiso.core.listing import SHOWN_AS, Column

#: Attributes of the Scheduled Procedure Step, PS3.4 Table K.6-1.
STEP_KEYWORDS = (
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID",
    "ScheduledStationName",
    "ScheduledProcedureStepLocation",
    "ScheduledProcedureStepStatus",
)
#: Attributes of the item itself.
ITEM_KEYWORDS = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientWeight",
    "AccessionNumber",
    "ReferringPhysicianName",
    "RequestingPhysician",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedurePriority",
    "StudyInstanceUID",
    "AdmissionID",
)
KEYWORDS = (*ITEM_KEYWORDS, *STEP_KEYWORDS)
SEQUENCE = "ScheduledProcedureStepSequence"

#: What the table shows.
_SHOWN = (
    ("ScheduledProcedureStepStartDate", "Date"),
    ("ScheduledProcedureStepStartTime", "Time"),
    ("Modality", "Modality"),
    ("ScheduledStationAETitle", "Station"),
    ("PatientName", "Name"),
    ("PatientID", "ID"),
    ("AccessionNumber", "Accession"),
    ("ScheduledProcedureStepDescription", "Description"),
)
_ELASTIC = ("PatientName", "ScheduledProcedureStepDescription")


def columns() -> tuple[Column, ...]:
    """Return the columns of the table."""
    return tuple(
        Column(
            keyword,
            head,
            SHOWN_AS.get(dictionary_VR(keyword), Column(keyword, head).show),
            is_elastic=keyword in _ELASTIC,
        )
        for keyword, head in _SHOWN
    )


def item_of(row: Mapping[str, str]) -> Dataset:
    """Return the data set of a row: every known keyword, empty where the row has nothing.

    Values that are not quite legal stay as they are.
    """
    item, step = Dataset(), Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data_set, keywords in ((item, ITEM_KEYWORDS), (step, STEP_KEYWORDS)):
            for keyword in keywords:
                setattr(data_set, keyword, row.get(keyword, ""))
        if not all(value.isascii() for value in row.values()):
            item.SpecificCharacterSet = "ISO_IR 192"
        setattr(item, SEQUENCE, Items([step]))
    return item


def row_of(item: Dataset) -> dict[str, str]:
    """Return the texts of an item; of several scheduled steps the first."""
    steps = item.get(SEQUENCE) or [Dataset()]
    row = {keyword: text_of(item, keyword) for keyword in ITEM_KEYWORDS}
    row.update({keyword: text_of(steps[0], keyword) for keyword in STEP_KEYWORDS})
    if not item.get("SpecificCharacterSet"):
        return {keyword: _as_utf_8(text) for keyword, text in row.items()}
    return row


def _as_utf_8(text: str) -> str:
    """Return a text that was read as Latin-1 for want of a character set; wlmscpfs names none."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def text_of(data_set: Dataset, keyword: str) -> str:
    """Return a value as text, several joined with a backslash; "" when there is none."""
    value: Any = data_set.get(keyword)
    if value is None:
        return ""
    if isinstance(value, MultiValue):
        return "\\".join(str(part) for part in value)
    return str(value).strip(" \0")


def completed(row: Mapping[str, str]) -> dict[str, str]:
    """Return a row with what an item must have (type 1) made up where it is missing.

    The made-up UIDs and IDs are the same whenever the row is the same.
    """
    digest = hashlib.sha256("\0".join(f"{k}={row[k]}" for k in sorted(row)).encode()).hexdigest()
    found = dict(row)
    if not found.get("StudyInstanceUID"):
        found["StudyInstanceUID"] = f"2.25.{int(digest[:31], 16)}"
    for keyword in ("ScheduledProcedureStepID", "RequestedProcedureID"):
        found[keyword] = found.get(keyword) or f"S{digest[:12].upper()}"
    return found

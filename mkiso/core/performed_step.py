"""Performed procedure steps (PS3.4 F.7): what a modality says when it begins and when it ends."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

#: Attributes of an N-CREATE that must be there, empty where nobody knows (type 2, Table F.7.2-1).
_EMPTY = (
    "PerformedProcedureStepDescription",
    "PerformedProcedureTypeDescription",
    "PerformedStationName",
    "PerformedLocation",
    "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime",
    "StudyID",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
)
_EMPTY_SEQUENCES = (
    "ProcedureCodeSequence",
    "ReferencedPatientSequence",
    "PerformedProtocolCodeSequence",
    "PerformedSeriesSequence",
)
_FROM_ITEM = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
#: Attributes of the Scheduled Step Attributes Sequence.
_SCHEDULED = (
    "StudyInstanceUID",
    "AccessionNumber",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "ScheduledProcedureStepID",
    "ScheduledProcedureStepDescription",
)
_SCHEDULED_EMPTY = ("ReferencedStudySequence", "ScheduledProtocolCodeSequence")


@dataclass(frozen=True, slots=True)
class ProducedInstance:
    """An instance that the step has produced."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    is_image: bool = True  # reports, presentation states and key notes are named apart
    series_description: str = ""
    protocol_name: str = ""


def step_begun(
    item: Mapping[str, str], *, step_id: str, station_ae_title: str, modality: str, now: datetime
) -> Dataset:
    """Return the attributes of an N-CREATE for a worklist item (a row of `core.worklist`)."""
    step = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a value of the worklist that is not quite legal
        if not all(value.isascii() for value in item.values()):
            step.SpecificCharacterSet = "ISO_IR 192"
        for keyword in _EMPTY:
            setattr(step, keyword, item.get(keyword, "") if keyword in _FROM_ITEM else "")
        for keyword in _EMPTY_SEQUENCES:
            setattr(step, keyword, Items([]))
        scheduled = Dataset()
        for keyword in _SCHEDULED:
            setattr(scheduled, keyword, item.get(keyword, ""))
        for keyword in _SCHEDULED_EMPTY:
            setattr(scheduled, keyword, Items([]))
        step.ScheduledStepAttributesSequence = Items([scheduled])
        step.PerformedProcedureStepID = step_id[:16]
        step.PerformedStationAETitle = station_ae_title
        step.PerformedProcedureStepStartDate = now.strftime("%Y%m%d")
        step.PerformedProcedureStepStartTime = now.strftime("%H%M%S")
        step.PerformedProcedureStepStatus = "IN PROGRESS"
        step.PerformedProcedureStepDescription = item.get("ScheduledProcedureStepDescription", "")
        step.Modality = modality
    return step


def step_ended(
    status: str, produced: Iterable[ProducedInstance], *, now: datetime, performed_by: str = ""
) -> Dataset:
    """Return the attributes of the last N-SET: status, end, and what was produced by series."""
    step = Dataset()
    series: dict[str, list[ProducedInstance]] = {}
    for instance in produced:
        series.setdefault(instance.series_instance_uid, []).append(instance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        items = [_series(uid, instances, performed_by) for uid, instances in series.items()]
        texts = [i.series_description + i.protocol_name for each in series.values() for i in each]
        if not all(map(str.isascii, (*texts, performed_by))):
            step.SpecificCharacterSet = "ISO_IR 192"
        step.PerformedProcedureStepStatus = status
        step.PerformedProcedureStepEndDate = now.strftime("%Y%m%d")
        step.PerformedProcedureStepEndTime = now.strftime("%H%M%S")
        step.PerformedSeriesSequence = Items(items)
    return step


def _series(uid: str, instances: list[ProducedInstance], performed_by: str) -> Dataset:
    item = Dataset()
    item.PerformingPhysicianName = performed_by
    item.OperatorsName = ""
    item.ProtocolName = instances[0].protocol_name or instances[0].series_description or "UNKNOWN"
    item.SeriesInstanceUID = uid
    item.SeriesDescription = instances[0].series_description
    item.RetrieveAETitle = ""
    item.ReferencedImageSequence = Items(_reference(i) for i in instances if i.is_image)
    item.ReferencedNonImageCompositeSOPInstanceSequence = Items(
        _reference(i) for i in instances if not i.is_image
    )
    return item


def _reference(instance: ProducedInstance) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = instance.sop_class_uid
    item.ReferencedSOPInstanceUID = instance.sop_instance_uid
    return item

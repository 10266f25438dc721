"""Modality Performed Procedure Step as SCP (PS3.4 F.7): one JSON file a step, written whole."""

from __future__ import annotations

import json
import os
import threading
import uuid
import warnings
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from mkiso.archive.operation import Operation
from mkiso.core.contexts import is_uid
from mkiso.core.data_sets import decode_data_set
from mkiso.core.tidy_places import safe_uid
from mkiso.core.worklist import text_of
from mkiso.errors import ProtocolError
from mkiso.network import dimse

IN_PROGRESS = "IN PROGRESS"
_FINAL = ("COMPLETED", "DISCONTINUED")
_STATUS = "PerformedProcedureStepStatus"

# Status codes, PS3.7 Annex C; Error ID of PS3.4 F.7.2.2.2: the step may no longer be updated.
_SUCCESS = 0x0000
_INVALID_VALUE = 0x0106
_PROCESSING_FAILURE = 0x0110
_DUPLICATE = 0x0111
_NO_SUCH_INSTANCE = 0x0112
_INVALID_INSTANCE = 0x0117
_MISSING_ATTRIBUTE = 0x0120
_MAY_NO_LONGER_BE_UPDATED = 0xA710

#: Type 1 of an N-CREATE, and of the last N-SET (PS3.4 Table F.7.2-1).
_CREATE_NEEDS = (
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    _STATUS,
    "Modality",
    "ScheduledStepAttributesSequence",
)
_FINAL_NEEDS = ("PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime")


class PerformedSteps:
    """The steps in a folder; a file is there whole or not at all, whenever the program ends."""

    def __init__(self, folder: Path) -> None:
        """Make the folder. Raises OSError."""
        folder.mkdir(mode=0o750, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()

    def answer(self, operation: Operation) -> None:
        """Answer an N-CREATE or N-SET."""
        message = operation.request
        try:
            given = decode_data_set(message.data or b"", message.context.transfer_syntax)
        except ProtocolError:
            operation.respond(_PROCESSING_FAILURE)
            return
        try:
            with self._lock:
                if message.command["CommandField"] == dimse.N_CREATE_RQ:
                    self._create(operation, given)
                else:
                    self._set(operation, given)
        except (OSError, ValueError, TypeError, KeyError):  # no disk, or values that are none
            operation.respond(_PROCESSING_FAILURE)

    def _create(self, operation: Operation, given: Dataset) -> None:
        uid = operation.request.command.get("AffectedSOPInstanceUID") or f"2.25.{uuid.uuid4().int}"
        missing = [keyword for keyword in _CREATE_NEEDS if not given.get(keyword)]
        if not is_uid(uid):
            operation.respond(_INVALID_INSTANCE)
        elif self._path(uid).exists():
            operation.respond(_DUPLICATE)
        elif missing:
            operation.refuse(_MISSING_ATTRIBUTE, f"Missing: {missing[0]}")
        elif text_of(given, _STATUS) != IN_PROGRESS:
            operation.refuse(_INVALID_VALUE, f"{_STATUS} must be {IN_PROGRESS}")
        else:
            self._write(uid, _plain(given))
            operation.respond(_SUCCESS, AffectedSOPInstanceUID=uid)

    def _set(self, operation: Operation, given: Dataset) -> None:
        command = operation.request.command
        uid = command.get("RequestedSOPInstanceUID", "")
        ours = {
            "AffectedSOPClassUID": command.get("RequestedSOPClassUID"),
            "AffectedSOPInstanceUID": uid,
        }
        if not is_uid(uid) or not self._path(uid).exists():
            operation.respond(_NO_SUCH_INSTANCE, **ours)
            return
        step = json.loads(self._path(uid).read_text("utf-8"))
        if _status_of(step) in _FINAL:
            operation.respond(
                _PROCESSING_FAILURE,
                ErrorID=_MAY_NO_LONGER_BE_UPDATED,
                ErrorComment="The step may no longer be updated.",
                **ours,
            )
            return
        step.update(_plain(given))
        wanted = _status_of(step)
        both = Dataset.from_json(step)
        if wanted not in (IN_PROGRESS, *_FINAL):
            operation.respond(_INVALID_VALUE, **ours)
        elif wanted in _FINAL and not all(both.get(keyword) for keyword in _FINAL_NEEDS):
            operation.respond(_MISSING_ATTRIBUTE, **ours)
        else:
            self._write(uid, step)
            operation.respond(_SUCCESS, **ours)

    def _path(self, uid: str) -> Path:
        return self._folder / f"{safe_uid(uid)}.json"

    def _write(self, uid: str, step: dict[str, Any]) -> None:
        """Write a step aside, bring it to the disk, rename it: in the DICOM JSON model."""
        path = self._path(uid)
        aside = path.with_suffix(".part")
        with aside.open("w", encoding="utf-8") as file:
            json.dump(step, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _plain(data_set: Dataset) -> dict[str, Any]:
    """Return a data set in the DICOM JSON model (PS3.18 F.2)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: dict[str, Any] = data_set.to_json_dict(suppress_invalid_tags=True)
    return model


def _status_of(step: dict[str, Any]) -> str:
    values = step.get("00400252", {}).get("Value") or [""]
    return str(values[0])

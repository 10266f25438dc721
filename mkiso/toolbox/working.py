"""Worklist and performed procedure steps: what is planned, what was begun, what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset

from mkiso.archive.matching import predicate_for
from mkiso.core.contexts import PERFORMED_PROCEDURE_STEP
from mkiso.core.data_sets import decode_data_set, encode_data_set
from mkiso.core.dimse_status import Service
from mkiso.core.header import LevelCache
from mkiso.core.job import Node
from mkiso.core.performed_step import ProducedInstance, step_begun, step_ended
from mkiso.core.query import MODALITY_WORKLIST_FIND
from mkiso.core.record_types import record_type
from mkiso.core.text import decode
from mkiso.core.worklist import item_of, row_of
from mkiso.errors import AmbiguousError, DataError, NotFoundError
from mkiso.network.find import FindModel, FindSession
from mkiso.network.normalized import NormalizedSession, normalized_session
from mkiso.toolbox.finding import Found, ask
from mkiso.toolbox.tidy_folder import patient_id_of, read_instance

_SERIES_DESCRIPTION = 0x0008103E
_MODEL = FindModel(MODALITY_WORKLIST_FIND, decode_data_set, encode_data_set)
#: Values that an answer must have if asked for: a station must not see another's patients.
_CHECKED = {
    "PatientID": "LO",
    "AccessionNumber": "SH",
    "Modality": "CS",
    "ScheduledStationAETitle": "AE",
    "ScheduledProcedureStepStartDate": "DA",
    "ScheduledProcedureStepID": "SH",
    "StudyInstanceUID": "UI",
}


def find_work(
    node: Node,
    values: Mapping[str, str],
    *,
    calling_ae_title: str,
    limit: int,
    log: Callable[[str], None] = lambda _line: None,
    require_running: Callable[[], None] = lambda: None,
) -> Found:
    """Return the worklist items that match, as rows; raises as `FindSession.find` does."""
    tests = {
        keyword: test
        for keyword, vr in _CHECKED.items()
        if (wanted := values.get(keyword, "")) and not set(wanted) & set("*?")
        and (test := predicate_for(vr, wanted)) is not None
    }  # fmt: skip

    def parse(item: Dataset) -> dict[str, str] | None:
        row = row_of(item)
        return row if all(test(row[keyword]) for keyword, test in tests.items()) else None

    session = FindSession(
        node,
        calling_ae_title=calling_ae_title,
        log=log,
        require_running=require_running,
        model=_MODEL,
    )
    try:
        answer = ask(session, item_of(values), parse, most_answers=limit)
    except BaseException:
        session.abort()
        raise
    session.close()
    return Found(list(answer.matches), answer.dropped, answer.is_cut)


def one_item(rows: Sequence[Mapping[str, str]], name: str) -> Mapping[str, str]:
    """Return the one item. Raises NotFoundError or AmbiguousError."""
    if not rows:
        raise NotFoundError(f"{name} has no worklist item that matches.")
    if len(rows) > 1:
        raise AmbiguousError(
            f"{name} has {len(rows)} worklist items that match; name the one by --step-id."
        )
    return rows[0]


def start_step(
    node: Node,
    item: Mapping[str, str],
    *,
    calling_ae_title: str,
    now: datetime,
    sop_instance_uid: str = "",
    modality: str = "",
) -> str:
    """Tell `node` that the step of a worklist item has begun; return the UID of the step.

    Raises DataError when the item has no modality, and as `normalized_session` does.
    """
    uid = sop_instance_uid or f"2.25.{uuid.uuid4().int}"
    done = modality or item.get("Modality", "")
    if not done:
        raise DataError("The worklist item has no modality; give --modality.")
    step = step_begun(
        item,
        step_id=item.get("ScheduledProcedureStepID") or now.strftime("%Y%m%d%H%M%S"),
        station_ae_title=calling_ae_title,
        modality=done,
        now=now,
    )
    with _session(node, calling_ae_title) as session:
        session.request(Service.CREATE, uid, step)
    return uid


def end_step(
    node: Node,
    sop_instance_uid: str,
    status: str,
    produced: Sequence[ProducedInstance],
    *,
    calling_ae_title: str,
    now: datetime,
) -> None:
    """Tell `node` how a step has ended (COMPLETED or DISCONTINUED) and what it has produced."""
    step = step_ended(status, produced, now=now)
    with _session(node, calling_ae_title) as session:
        session.request(Service.SET, sop_instance_uid, step)


def produced_by(paths: Sequence[Path]) -> tuple[ProducedInstance, ...]:
    """Return the instances in files and folders.

    Raises DataError when there is none, AmbiguousError when they are of several patients.
    """
    levels: LevelCache = {}
    found: dict[str, ProducedInstance] = {}
    patients: set[str] = set()
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            instance = read_instance(file, levels)
            if instance is not None:
                raw = dict(instance.header.series).get(_SERIES_DESCRIPTION, b"")
                patients.add(patient_id_of(instance))
                kind = record_type(instance.sop_class_uid, has_pixels=True)
                found[instance.sop_instance_uid] = ProducedInstance(
                    instance.sop_class_uid,
                    instance.sop_instance_uid,
                    instance.series_instance_uid,
                    kind == "IMAGE",
                    decode(raw, instance.header.character_set),
                )
    if paths and not found:
        raise DataError("There is no DICOM file at what the step is said to have produced.")
    if len(patients) > 1:
        raise AmbiguousError(
            f"What the step is said to have produced is of {len(patients)} patients; name the "
            "files of one."
        )
    return tuple(found.values())


def _session(node: Node, calling_ae_title: str) -> AbstractContextManager[NormalizedSession]:
    return normalized_session(
        node,
        PERFORMED_PROCEDURE_STEP,
        "performed procedure steps (MPPS)",
        calling_ae_title=calling_ae_title,
    )

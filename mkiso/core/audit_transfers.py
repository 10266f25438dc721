"""What the toolbox and the importer move, for the audit trail: messages, and one line a run.

What we send is a Begin Transferring (PS3.15 A.5.3.3) and a DICOM Instances Transferred (A.5.3.7),
what we receive the latter alone; a disc of others that is read in is an Import (A.5.3.5).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from mkiso.core.audit_alerts import Stranger, alert_messages
from mkiso.core.audit_message import Code, Event, Participant, ParticipantObject, audit_message
from mkiso.core.audit_parts import (
    BEGIN_TRANSFERRING,
    DESTINATION_ROLE,
    IMPORT,
    JOB_ID,
    SOURCE_MEDIA_ROLE,
    SOURCE_ROLE,
    TRANSFERRED,
    URI,
    AuditedStudy,
    Place,
    by_patient,
    node_participant,
    our_process,
    outcome_of,
    person,
    study_objects,
)
from mkiso.core.exit_codes import BY_CODE
from mkiso.core.job import Node

#: Changes when a field changes its meaning or goes away.
SCHEMA = 1
_MEDIUM = "(medium)"


class Way(Enum):
    """Which way instances went."""

    SENT = "sent"  # by us, to a node
    RECEIVED = "received"  # by us: we asked a node for them
    PUSHED = "pushed"  # to us: a node sent them of its own accord
    MOVED = "moved"  # from a node to another, at our request
    IMPORTED = "imported"  # from a medium


@dataclass(slots=True)
class Transfer:
    """Instances on their way; filled in while they go, so that a failure leaves what is known."""

    way: Way
    node: Node | None = None  # the other side; of MOVED where they come from
    destination: Node | None = None  # of MOVED
    folder: str = ""  # where RECEIVED ones are kept
    asked: tuple[str, ...] = ()  # accession numbers and Study Instance UIDs
    studies: tuple[AuditedStudy, ...] = ()
    taken: int = 0
    failed: int = 0
    began: str = ""  # ISO 8601 with a time zone; "": it is not known


@dataclass(frozen=True, slots=True)
class TransferRun:
    """A run of a tool at its end."""

    command: str
    job_id: str
    code: int
    message: str  # no patient data
    requested_by: str
    our_ae_title: str
    ended: str  # ISO 8601 with a time zone
    transfers: Sequence[Transfer] = ()
    strangers: Sequence[Stranger] = ()


def transfer_line(run: TransferRun, user: str) -> str:
    """Return the JSON line of a run, also of one that moved nothing. No line end."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "time": run.ended,
            "command": run.command,
            "job": run.job_id,
            "code": run.code,
            "name": BY_CODE[run.code].name,
            "requested_by": run.requested_by,
            "user": user,
            "message": run.message,
            "transfers": [_row(each, run.our_ae_title) for each in run.transfers],
            **({"turned_away": _addresses(run.strangers)} if run.strangers else {}),
        }
    )


def transfer_messages(run: TransferRun, place: Place) -> tuple[str, ...]:
    """Return the messages of a run: of each transfer one for each patient and outcome (A.5.2)."""
    us = our_process(place, run.our_ae_title, is_requestor=True)
    return (
        *alert_messages(run.strangers, us, place.source, run.ended),
        *(message for each in run.transfers for message in _messages(each, run, place)),
    )


def _addresses(strangers: Sequence[Stranger]) -> list[dict[str, str]]:
    return [{"address": each.address, "reason": each.reason} for each in strangers]


def _row(transfer: Transfer, ours: str) -> dict[str, Any]:
    source, destination = _address(transfer.node), ours
    if transfer.way is Way.SENT:
        source, destination = destination, source
    elif transfer.way is Way.MOVED:
        destination = _address(transfer.destination)
    return {
        "way": transfer.way.value,
        "from": _MEDIUM if transfer.way is Way.IMPORTED else source,
        "to": destination,
        **({"folder": transfer.folder} if transfer.folder else {}),
        **({"asked": list(transfer.asked)} if transfer.asked else {}),
        "studies": [study.study_instance_uid for study in transfer.studies],
        "accessions": list(
            dict.fromkeys(s.accession_number for s in transfer.studies if s.accession_number)
        ),
        "instances": transfer.taken,
        "failed": transfer.failed,
    }


def _address(node: Node | None) -> str:
    if node is None:
        return ""
    port = f":{node.port}" if node.port else ""  # of a sender only the address is known
    return f"{node.ae_title}@{node.host}{port}" if node.host else node.ae_title


def _messages(transfer: Transfer, run: TransferRun, place: Place) -> list[str]:
    if not transfer.studies:  # each table wants at least one study
        return []
    if transfer.way is Way.IMPORTED:
        return [_import(transfer, run, place)]
    participants = _participants(transfer, run, place)
    life_cycle = 10 if transfer.way in (Way.SENT, Way.MOVED) else 0
    return [
        audit_message(
            event, participants, place.source, [*study_objects(group, life_cycle), _job(run)]
        )
        for group in by_patient(transfer.studies)
        for event in _events(transfer, run)
    ]


def _events(transfer: Transfer, run: TransferRun) -> list[Event]:
    """Return the intention, what went well, and what did not."""
    is_ours = transfer.way in (Way.SENT, Way.MOVED)
    action = "R" if is_ours else "C"
    events = [Event(BEGIN_TRANSFERRING, "E", transfer.began or run.ended)] if is_ours else []
    if transfer.taken:
        events.append(Event(TRANSFERRED, action, run.ended))
    if transfer.failed or not transfer.taken:
        words = f"{transfer.failed} instances did not arrive, {transfer.taken} did. {run.message}"
        events.append(Event(TRANSFERRED, action, run.ended, 4, description=words))
    return events


def _participants(transfer: Transfer, run: TransferRun, place: Place) -> list[Participant]:
    is_pushed = transfer.way is Way.PUSHED
    us = our_process(place, run.our_ae_title, is_requestor=not is_pushed and not run.requested_by)
    them = [node_participant(node) for node in (transfer.node,) if node is not None]
    them = [replace(each, is_requestor=is_pushed) for each in them]
    asked = [] if is_pushed else person(run.requested_by)
    if transfer.way is Way.MOVED:
        to = [node_participant(node) for node in (transfer.destination,) if node is not None]
        return [*_as(them, SOURCE_ROLE), *_as(to, DESTINATION_ROLE), us, *asked]
    if transfer.way is Way.SENT:
        return [*_as([us], SOURCE_ROLE), *_as(them, DESTINATION_ROLE), *asked]
    return [*_as(them, SOURCE_ROLE), *_as([us], DESTINATION_ROLE), *asked]


def _as(participants: list[Participant], role: Code) -> list[Participant]:
    return [replace(each, roles=(role,)) for each in participants]


def _import(transfer: Transfer, run: TransferRun, place: Place) -> str:
    """One message: several patients may be described in it."""
    us = our_process(place, run.our_ae_title, is_requestor=not run.requested_by)
    media = Participant(_MEDIUM, roles=(SOURCE_MEDIA_ROLE,), media_type=URI)
    outcome = outcome_of(run.code)
    return audit_message(
        Event(IMPORT, "C", run.ended, outcome, description=run.message if outcome else ""),
        [*_as([us, *person(run.requested_by)], DESTINATION_ROLE), media],
        place.source,
        [*study_objects(transfer.studies, 0), _job(run)],
    )


def _job(run: TransferRun) -> ParticipantObject:
    """Return what leads to the log of the run."""
    details = (("Command", run.command), ("ExitCode", str(run.code)))
    return ParticipantObject(run.job_id, JOB_ID, 2, 20, details=details)

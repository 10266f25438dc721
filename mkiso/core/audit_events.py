"""What of a run is told to the audit trail, and in which messages (PS3.15 A.5.3).

Received instances are a DICOM Instances Transferred (A.5.3.7), a disc is an Export (A.5.3.4), so
is a disc that was refused; what is sent on to a node is a Begin Transferring (A.5.3.3) and a DICOM
Instances Transferred; strangers and instances of others are a Security Alert (A.5.3.11).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from mkiso.core.audit_alerts import Stranger, alert_messages
from mkiso.core.audit_message import Event, Participant, ParticipantObject, audit_message
from mkiso.core.audit_parts import (
    BEGIN_TRANSFERRING,
    DESTINATION_ROLE,
    EXPORT,
    JOB_ID,
    MEDIA_ROLE,
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
from mkiso.core.job import Node


@dataclass(frozen=True, slots=True)
class AuditedDisc:
    """A disc that has its name."""

    path: str
    volume_id: str
    sha256: str
    studies: tuple[AuditedStudy, ...]


@dataclass(frozen=True, slots=True)
class AuditedForward:
    """What one node was sent."""

    node: Node
    sent: int
    failed: int


@dataclass(frozen=True, slots=True)
class AuditedRun:
    """A run at its end. Moments are ISO 8601 with a time zone."""

    job_id: str
    code: int
    message: str
    requested_by: str
    accession_numbers: tuple[str, ...]
    archive: Node
    our_ae_title: str
    received: tuple[AuditedStudy, ...]  # or what the archive lists, when nothing came
    has_received: bool
    is_complete: bool
    discs: tuple[AuditedDisc, ...]
    forwarded: tuple[AuditedForward, ...]
    forward_began: str
    ended: str
    overruled: tuple[str, ...] = ()
    strangers: tuple[Stranger, ...] = ()


def audit_messages(run: AuditedRun, place: Place) -> tuple[str, ...]:
    """Return the messages of a run, in the order of what happened."""
    return (
        *alert_messages(run.strangers, _process(run, place), place.source, run.ended),
        *_received(run, place),
        *_exports(run, place),
        *_forwards(run, place),
    )


def _received(run: AuditedRun, place: Place) -> list[str]:
    """Return a message for each patient: the standard allows one only."""
    if not run.has_received:
        return []
    outcome = 0 if run.is_complete else 4
    event = Event(TRANSFERRED, "C", run.ended, outcome)
    participants = [
        replace(node_participant(run.archive), roles=(SOURCE_ROLE,)),
        replace(_process(run, place), roles=(DESTINATION_ROLE,)),
        *_person(run),
    ]
    return [
        audit_message(event, participants, place.source, [*study_objects(studies, 0), _job(run)])
        for studies in by_patient(run.received)
    ]


def _exports(run: AuditedRun, place: Place) -> list[str]:
    who = [replace(person, roles=(SOURCE_ROLE,)) for person in _person(run)]
    who.append(replace(_process(run, place), roles=(SOURCE_ROLE,)))
    if not run.discs:
        event = Event(EXPORT, "R", run.ended, outcome_of(run.code), description=run.message)
        media = Participant("(no disc)", roles=(MEDIA_ROLE,), media_type=URI)
        objects = [*study_objects(run.received, 10), _job(run)]
        return [audit_message(event, [*who, media], place.source, objects)]
    return [
        audit_message(
            Event(EXPORT, "R", run.ended),
            [*who, _medium(disc)],
            place.source,
            [*study_objects(disc.studies, 10), _job(run, (("SHA-256", disc.sha256),))],
        )
        for disc in run.discs
    ]


def _forwards(run: AuditedRun, place: Place) -> list[str]:
    """One message for what went well and one for what did not (A.5.2)."""
    messages = []
    studies = tuple(study for disc in run.discs for study in disc.studies)
    for forward in run.forwarded:
        participants = [
            replace(_process(run, place), roles=(SOURCE_ROLE,)),
            replace(node_participant(forward.node), roles=(DESTINATION_ROLE,)),
            *_person(run),
        ]
        events = [Event(BEGIN_TRANSFERRING, "E", run.forward_began)]
        if forward.sent:
            events.append(Event(TRANSFERRED, "R", run.ended))
        if forward.failed:
            words = f"{forward.failed} instances were not taken, {forward.sent} were"
            events.append(Event(TRANSFERRED, "R", run.ended, 4, description=words))
        messages += [
            audit_message(event, participants, place.source, [*study_objects(group, 10), _job(run)])
            for group in by_patient(studies)
            for event in events
        ]
    return messages


def _person(run: AuditedRun) -> list[Participant]:
    return person(run.requested_by)


def _process(run: AuditedRun, place: Place) -> Participant:
    return our_process(place, run.our_ae_title, is_requestor=not run.requested_by)


def _medium(disc: AuditedDisc) -> Participant:
    return Participant(
        disc.volume_id,
        roles=(MEDIA_ROLE,),
        media_type=URI,
        address=f"file://{quote(disc.path, errors='backslashreplace')}",
        address_type=5,
    )


def _job(run: AuditedRun, more: tuple[tuple[str, str], ...] = ()) -> ParticipantObject:
    """Return what leads to the log of the job."""
    details = (
        *(("AccessionNumber", number) for number in run.accession_numbers),
        ("ExitCode", str(run.code)),
        *(("Overruled", what) for what in run.overruled),
        *more,
    )
    return ParticipantObject(run.job_id, JOB_ID, 2, 20, details=details)

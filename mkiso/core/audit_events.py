"""What of a run is told to the audit trail, and in which messages (PS3.15 A.5.3).

Received instances are a DICOM Instances Transferred (A.5.3.7), a disc is an Export (A.5.3.4), so
is a disc that was refused; what is sent on to a node is a Begin Transferring (A.5.3.3) and a DICOM
Instances Transferred; strangers and instances of others are a Security Alert (A.5.3.11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mkiso.core.audit_message import (
    Code,
    Event,
    Participant,
    ParticipantObject,
    Source,
    audit_message,
)
from mkiso.core.job import Node

# PS3.16 CID 400, 401, 402, 404 and 405, and the codes of A.5.1.2.4
BEGIN_TRANSFERRING = Code("110102", "Begin Transferring DICOM Instances")
TRANSFERRED = Code("110104", "DICOM Instances Transferred")
EXPORT = Code("110106", "Export")
SECURITY_ALERT = Code("110113", "Security Alert")
NODE_AUTHENTICATION = Code("110126", "Node Authentication")
SOURCE_ROLE = Code("110153", "Source Role ID")
DESTINATION_ROLE = Code("110152", "Destination Role ID")
MEDIA_ROLE = Code("110154", "Destination Media")
URI = Code("110037", "URI")
STUDY_UID = Code("110180", "Study Instance UID")
NODE_ID = Code("110182", "Node ID")
PATIENT_NUMBER = Code("2", "Patient Number", "RFC-3881")
JOB_ID = Code("job", "Job of mkiso", "99MKISO")

#: Exit codes that stand for more than a job that did not work out this time.
_SERIOUS = frozenset({70, 77, 81, 82, 83, 87})


@dataclass(frozen=True, slots=True)
class AuditedStudy:
    """A study with what of it was transferred."""

    study_instance_uid: str
    accession_number: str
    patient_id: str  # "" when it is not known
    issuer_of_patient_id: str
    sop_classes: tuple[tuple[str, int], ...] = ()  # SOP Class UID, number of instances


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
class Stranger:
    """Who was turned away, and why; no patient data in the reason."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """Our process, as the local logs know it, and the installation that it belongs to."""

    source: Source
    process_id: str
    host: str
    user: str  # of the operating system


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
        *_alerts(run, place),
        *_received(run, place),
        *_exports(run, place),
        *_forwards(run, place),
    )


def outcome_of(code: int) -> int:
    """Return the Event Outcome Indicator of an exit code."""
    return 0 if code == 0 else 8 if code in _SERIOUS else 4


def _received(run: AuditedRun, place: Place) -> list[str]:
    """Return a message for each patient: the standard allows one only."""
    if not run.has_received:
        return []
    outcome = 0 if run.is_complete else 4
    event = Event(TRANSFERRED, "C", run.ended, outcome)
    participants = [
        replace(_node(run.archive), roles=(SOURCE_ROLE,)),
        replace(_process(run, place), roles=(DESTINATION_ROLE,)),
        *_person(run),
    ]
    return [
        audit_message(event, participants, place.source, [*_objects(studies, 0), _job(run)])
        for studies in _by_patient(run.received)
    ]


def _exports(run: AuditedRun, place: Place) -> list[str]:
    who = [replace(person, roles=(SOURCE_ROLE,)) for person in _person(run)]
    who.append(replace(_process(run, place), roles=(SOURCE_ROLE,)))
    if not run.discs:
        event = Event(EXPORT, "R", run.ended, outcome_of(run.code), description=run.message)
        media = Participant("(no disc)", roles=(MEDIA_ROLE,), media_type=URI)
        objects = [*_objects(run.received, 10), _job(run)]
        return [audit_message(event, [*who, media], place.source, objects)]
    return [
        audit_message(
            Event(EXPORT, "R", run.ended),
            [*who, _medium(disc)],
            place.source,
            [*_objects(disc.studies, 10), _job(run, (("SHA-256", disc.sha256),))],
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
            replace(_node(forward.node), roles=(DESTINATION_ROLE,)),
            *_person(run),
        ]
        events = [Event(BEGIN_TRANSFERRING, "E", run.forward_began)]
        if forward.sent:
            events.append(Event(TRANSFERRED, "R", run.ended))
        if forward.failed:
            words = f"{forward.failed} instances were not taken, {forward.sent} were"
            events.append(Event(TRANSFERRED, "R", run.ended, 4, description=words))
        messages += [
            audit_message(event, participants, place.source, [*_objects(group, 10), _job(run)])
            for group in _by_patient(studies)
            for event in events
        ]
    return messages


def _alerts(run: AuditedRun, place: Place) -> list[str]:
    return [
        audit_message(
            Event(SECURITY_ALERT, "E", run.ended, 4, (NODE_AUTHENTICATION,)),
            [
                replace(_process(run, place), is_requestor=True),
                Participant(stranger.address, address=stranger.address, address_type=2),
            ],
            place.source,
            [
                ParticipantObject(
                    stranger.address, NODE_ID, 2, 13,
                    details=(("Alert Description", stranger.reason),),
                )
            ],
        )
        for stranger in run.strangers
    ]  # fmt: skip


def _person(run: AuditedRun) -> list[Participant]:
    return [Participant(run.requested_by, is_requestor=True)] if run.requested_by else []


def _process(run: AuditedRun, place: Place) -> Participant:
    """Name ourselves; the requestor is whoever asked, and we where nobody is named."""
    return Participant(
        place.process_id,
        is_requestor=not run.requested_by,
        alternative_user_id=f"AETITLES={run.our_ae_title}",
        user_name=place.user,
        address=place.host,
        address_type=1,
    )


def _node(node: Node) -> Participant:
    is_address = all(c in "0123456789.:abcdefABCDEF" for c in node.host)
    return Participant(
        node.ae_title,
        alternative_user_id=f"AETITLES={node.ae_title}",
        address=node.host,
        address_type=2 if is_address else 1,
    )


def _medium(disc: AuditedDisc) -> Participant:
    return Participant(
        disc.volume_id,
        roles=(MEDIA_ROLE,),
        media_type=URI,
        address=f"file://{disc.path}",
        address_type=5,
    )


def _objects(studies: Sequence[AuditedStudy], life_cycle: int) -> list[ParticipantObject]:
    """Return the studies, then the patients whose number is known: by number alone, no name."""
    found = [
        ParticipantObject(
            study.study_instance_uid, STUDY_UID, 2, 3,
            life_cycle=life_cycle,
            accession_numbers=(study.accession_number,) if study.accession_number else (),
            sop_classes=study.sop_classes,
        )
        for study in studies
    ]  # fmt: skip
    patients = dict.fromkeys((s.patient_id, s.issuer_of_patient_id) for s in studies)
    return found + [
        ParticipantObject(
            f"{patient_id}^^^{issuer}" if issuer else patient_id, PATIENT_NUMBER, 1, 1
        )
        for patient_id, issuer in patients
        if patient_id
    ]


def _job(run: AuditedRun, more: tuple[tuple[str, str], ...] = ()) -> ParticipantObject:
    """Return what leads to the log of the job."""
    details = (
        *(("AccessionNumber", number) for number in run.accession_numbers),
        ("ExitCode", str(run.code)),
        *(("Overruled", what) for what in run.overruled),
        *more,
    )
    return ParticipantObject(run.job_id, JOB_ID, 2, 20, details=details)


def _by_patient(studies: Sequence[AuditedStudy]) -> list[list[AuditedStudy]]:
    groups: dict[tuple[str, str], list[AuditedStudy]] = {}
    for study in studies:
        key = (study.patient_id, study.issuer_of_patient_id)
        groups.setdefault(key, []).append(study)
    return list(groups.values())

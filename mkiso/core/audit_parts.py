"""Who and what audit messages name: codes, participants, studies, patients (PS3.15 A.5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mkiso.core.audit_message import Code, Participant, ParticipantObject, Source
from mkiso.core.job import Node

# PS3.16 CID 400, 401, 402, 404 and 405, and the codes of A.5.1.2.4
BEGIN_TRANSFERRING = Code("110102", "Begin Transferring DICOM Instances")
TRANSFERRED = Code("110104", "DICOM Instances Transferred")
EXPORT = Code("110106", "Export")
IMPORT = Code("110107", "Import")
SECURITY_ALERT = Code("110113", "Security Alert")
NODE_AUTHENTICATION = Code("110126", "Node Authentication")
SOURCE_ROLE = Code("110153", "Source Role ID")
DESTINATION_ROLE = Code("110152", "Destination Role ID")
MEDIA_ROLE = Code("110154", "Destination Media")
SOURCE_MEDIA_ROLE = Code("110155", "Source Media")
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
class Place:
    """Our process, as the local logs know it, and the installation that it belongs to."""

    source: Source
    process_id: str
    host: str
    user: str  # of the operating system


def outcome_of(code: int) -> int:
    """Return the Event Outcome Indicator of an exit code."""
    return 0 if code == 0 else 8 if code in _SERIOUS else 4


def person(requested_by: str) -> list[Participant]:
    """Return who asked, when somebody is named."""
    return [Participant(requested_by, is_requestor=True)] if requested_by else []


def our_process(place: Place, ae_title: str, *, is_requestor: bool) -> Participant:
    """Return ourselves; the requestor is whoever asked, and we where nobody is named."""
    return Participant(
        place.process_id,
        is_requestor=is_requestor,
        alternative_user_id=f"AETITLES={ae_title}",
        user_name=place.user,
        address=place.host,
        address_type=1,
    )


def node_participant(node: Node) -> Participant:
    """Return a remote application entity; without a host it is known by its title alone."""
    is_address = all(c in "0123456789.:abcdefABCDEF" for c in node.host)
    return Participant(
        node.ae_title,
        alternative_user_id=f"AETITLES={node.ae_title}",
        address=node.host,
        address_type=0 if not node.host else 2 if is_address else 1,
    )


def study_objects(studies: Sequence[AuditedStudy], life_cycle: int) -> list[ParticipantObject]:
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


def by_patient(studies: Sequence[AuditedStudy]) -> list[list[AuditedStudy]]:
    """Return the studies of each patient: a message of a transfer may name one only."""
    groups: dict[tuple[str, str], list[AuditedStudy]] = {}
    for study in studies:
        key = (study.patient_id, study.issuer_of_patient_id)
        groups.setdefault(key, []).append(study)
    return list(groups.values())

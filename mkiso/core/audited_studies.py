"""Which studies of whom instances are, as the audit trail names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from mkiso.core.audit_parts import AuditedStudy
from mkiso.core.header import InstanceHeader
from mkiso.core.identity import patient_identity
from mkiso.core.model import FindResult
from mkiso.core.record_keys import ACCESSION_NUMBER
from mkiso.core.text import decode


class Identified(Protocol):
    """An instance whose header was read."""

    @property
    def study_instance_uid(self) -> str:
        """Study Instance UID."""

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID."""

    @property
    def header(self) -> InstanceHeader:
        """What its data set states of patient and study."""


def studies_of(
    instances: Iterable[Identified], numbers: Mapping[str, str] | None = None
) -> tuple[AuditedStudy, ...]:
    """Return the studies of instances, with the patient that their own data sets state.

    `numbers` are accession numbers by Study Instance UID; without, the data sets' own are taken.
    """
    classes: dict[str, Counter[str]] = {}
    first: dict[str, InstanceHeader] = {}
    for instance in instances:
        uid = instance.study_instance_uid
        first.setdefault(uid, instance.header)
        classes.setdefault(uid, Counter())[instance.sop_class_uid] += 1
    given = numbers or {}
    studies = []
    for uid, counts in classes.items():
        patient = patient_identity(first[uid])
        studies.append(
            AuditedStudy(
                uid,
                given.get(uid) or _accession_number(first[uid]),
                patient.patient_id,
                patient.issuer,
                tuple(sorted(counts.items())),
            )
        )
    return tuple(studies)


def listed_studies(found: FindResult | None) -> tuple[AuditedStudy, ...]:
    """Return the studies that an archive lists, when nothing of them is here."""
    return tuple(
        AuditedStudy(
            study.study_instance_uid,
            study.accession_number,
            study.patient_id,
            study.issuer_of_patient_id,
        )
        for study in (found.studies if found else ())
    )


def _accession_number(header: InstanceHeader) -> str:
    raw = dict(header.study).get(ACCESSION_NUMBER, b"")
    return decode(raw, header.character_set).strip(" \0")

"""Who is one person among the objects of a job, before a pseudonym is made of it.

Some modalities leave out the issuer of the PatientID that others write; both are the same patient's
(as `core/identity.py` has it). An object without a PatientID is its name's and birth date's, and
without those its study's: two patients without a number must not become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mkiso.core.header import InstanceHeader
from mkiso.core.identity import patient_identity


def issuers_of(headers: Iterable[InstanceHeader]) -> dict[str, frozenset[str]]:
    """Return the issuers that each PatientID has among these objects; no issuer is none."""
    found: dict[str, set[str]] = {}
    seen: set[tuple[int, str]] = set()
    for header in headers:
        key = (id(header.patient), header.character_set)  # equal levels are one object
        if key not in seen:
            seen.add(key)
            identity = patient_identity(header)
            found.setdefault(identity.patient_id, set()).add(identity.issuer)
    return {patient_id: frozenset(issuers - {""}) for patient_id, issuers in found.items()}


def who(
    header: InstanceHeader, study_instance_uid: str, issuers: Mapping[str, frozenset[str]]
) -> tuple[str, str]:
    """Return what a person is told by: a PatientID, or what stands for it, and the issuer."""
    identity = patient_identity(header)
    if identity.patient_id:
        known = issuers.get(identity.patient_id, frozenset())
        only = next(iter(known)) if len(known) == 1 else ""
        return identity.patient_id, identity.issuer or only
    told = ("=".join(identity.name).rstrip("="), identity.birth_date)
    return "\0".join(("", *(told if any(told) else (study_instance_uid,)))), ""

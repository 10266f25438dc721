"""Are these received objects one patient? Decided by the objects: C-FIND loses names and issuers.

PatientID (with its issuer) must agree. Name and birth date must agree where both sides have them,
after normalisation: letter case, trailing `^` and spaces, and missing ideographic or phonetic
groups do not count (PS3.5 6.2.1). What is empty on one side cannot disagree: that is a warning.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mkiso.core.header import InstanceHeader
from mkiso.core.model import ReceivedInstance
from mkiso.core.text import decode
from mkiso.errors import AmbiguousError, IdentityError

PATIENT_NAME, PATIENT_ID, ISSUER, BIRTH_DATE = 0x00100010, 0x00100020, 0x00100021, 0x00100030


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """What tells one patient from another, normalised. `name` has three groups (PS3.5 6.2.1)."""

    patient_id: str
    issuer: str
    name: tuple[str, str, str]
    birth_date: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Why two identities are not the same. `overrulable`: a person may say they are."""

    what: str  # "PatientID", "patient's name", …
    overrulable: bool


@dataclass(frozen=True, slots=True)
class PatientGroup:
    """The instances of one patient."""

    instances: tuple[ReceivedInstance, ...]
    warnings: tuple[str, ...] = ()
    overruled: tuple[str, ...] = ()  # what --same-patient overruled, without the values


@dataclass(slots=True)
class _Notes:
    """Collects what a comparison leaves to say, each sentence once."""

    same_patient: bool
    warnings: dict[str, None] = field(default_factory=dict)
    overruled: dict[str, None] = field(default_factory=dict)

    def add(
        self,
        known: PatientIdentity,
        identity: PatientIdentity,
        where: str,
        found: Difference | None,
    ) -> None:
        """Note what was overruled, or what is empty on one side only."""
        if found:
            self.overruled[f"{where}: a differing {found.what}"] = None
            sentence = f"{where}: a differing {found.what} was overruled with --same-patient."
            self.warnings[sentence] = None
            return
        pairs = (
            ("PatientID", known.patient_id, identity.patient_id),
            ("issuer of the PatientID", known.issuer, identity.issuer),
            ("patient's name", "".join(known.name), "".join(identity.name)),
            ("birth date", known.birth_date, identity.birth_date),
        )
        for what, one, other in pairs:
            if bool(one) != bool(other):
                self.warnings[
                    f"{where}: the {what} is missing in some objects and could not be compared."
                ] = None


def patient_identity(header: InstanceHeader) -> PatientIdentity:
    """Return the normalised identity that a data set states."""
    values = dict(header.patient)

    def text(tag: int, vr: bytes = b"LO") -> str:
        return decode(values.get(tag, b""), header.character_set, vr).strip(" \0")

    groups = [_plain_name(group) for group in text(PATIENT_NAME, b"PN").split("=")[:3]]
    groups += [""] * (3 - len(groups))
    return PatientIdentity(
        text(PATIENT_ID),
        text(ISSUER),
        (groups[0], groups[1], groups[2]),
        text(BIRTH_DATE).replace(".", ""),
    )


def difference(
    one: PatientIdentity, other: PatientIdentity, *, same_study: bool
) -> Difference | None:
    """Return what says that these are two patients, or None.

    Two studies without a single value to compare are not taken for one patient's.
    """
    if one.patient_id and other.patient_id and one.patient_id != other.patient_id:
        return Difference("PatientID", overrulable=False)
    if one.issuer and other.issuer and one.issuer != other.issuer:
        return Difference("issuer of the PatientID", overrulable=False)
    if any(a and b and a != b for a, b in zip(one.name, other.name, strict=True)):
        return Difference("patient's name", overrulable=True)
    if one.birth_date and other.birth_date and one.birth_date != other.birth_date:
        return Difference("birth date", overrulable=True)
    if not same_study and not _anything_in_common(one, other):
        return Difference("patient's identity (nothing to compare)", overrulable=True)
    return None


def patients(
    instances: Sequence[ReceivedInstance],
    accession_of_study: Mapping[str, str],
    *,
    per_patient: bool = False,
    same_patient: bool = False,
) -> tuple[PatientGroup, ...]:
    """Return the instances by patient: one group, or one a patient with `per_patient`.

    Raises:
        IdentityError: the objects of one study are of different patients.
        AmbiguousError: one accession number, or a job without `per_patient`, has several patients.

    """
    notes = _Notes(same_patient)
    of_study: dict[str, PatientIdentity] = {}
    by_level: dict[tuple[str, int, str], PatientIdentity] = {}
    for instance in instances:
        uid = instance.study_instance_uid
        header = instance.header
        key = (uid, id(header.patient), header.character_set)  # equal levels are one object
        if key in by_level:
            continue
        identity = by_level[key] = patient_identity(instance.header)
        known = of_study.setdefault(uid, identity)
        _require_same(known, identity, uid, notes)
        of_study[uid] = _joined(known, identity)
    groups = _groups(of_study, accession_of_study, notes)
    _require_groups_allowed(groups, accession_of_study, per_patient)
    number_of = {uid: number for number, group in enumerate(groups) for uid in group}
    members: list[list[ReceivedInstance]] = [[] for _ in groups]
    for instance in instances:
        members[number_of[instance.study_instance_uid]].append(instance)
    warnings, overruled = tuple(notes.warnings), tuple(notes.overruled)
    return tuple(PatientGroup(tuple(each), warnings, overruled) for each in members)


def _groups(
    of_study: Mapping[str, PatientIdentity], accession_of_study: Mapping[str, str], notes: _Notes
) -> list[list[str]]:
    """Return the studies by patient, patients in the order of the accession numbers asked for.

    Those that state most come first: what is empty in one must not bring two patients together.
    """
    order = {uid: place for place, uid in enumerate(accession_of_study)}
    uids = sorted(of_study, key=lambda uid: (-_stated(of_study[uid]), order.get(uid, -1), uid))
    groups: list[list[str]] = []
    joined: list[PatientIdentity] = []
    for uid in uids:
        identity = of_study[uid]
        found = [difference(known, identity, same_study=False) for known in joined]
        same = [number for number, each in enumerate(found) if each is None] or [
            number for number, each in enumerate(found) if each and _is_overruled(each, notes)
        ]
        if not same:
            groups.append([uid])
            joined.append(identity)
            continue
        if len(same) > 1:
            raise AmbiguousError(
                f"Study {uid} states too little to tell which of {len(same)} patients of this job "
                "it belongs to: ask for it alone."
            )
        number = same[0]
        notes.add(joined[number], identity, f"Study {uid}", found[number])
        joined[number] = _joined(joined[number], identity)
        groups[number].append(uid)
    return sorted(groups, key=lambda group: min((order.get(uid, -1), uid) for uid in group))


def _stated(identity: PatientIdentity) -> int:
    """Return how many of the values that identify a patient are there."""
    values = (identity.patient_id, identity.issuer, *identity.name, identity.birth_date)
    return sum(map(bool, values))


def _is_overruled(found: Difference, notes: _Notes) -> bool:
    """Whether a person said that such a difference is none."""
    return found.overrulable and notes.same_patient


def _require_groups_allowed(
    groups: Sequence[Sequence[str]], accession_of_study: Mapping[str, str], per_patient: bool
) -> None:
    """Refuse one accession number with several patients, and several patients on one disc."""
    owner: dict[str, int] = {}
    for number, group in enumerate(groups):
        for uid in group:
            accession = accession_of_study.get(uid, "")
            if accession and owner.setdefault(accession, number) != number:
                raise AmbiguousError(
                    f"The studies of accession number {accession} differ in name, birth date or "
                    "PatientID: no disc is made. Have the archive corrected, or name the right "
                    "study with --study-uid; if only name or birth date differ and a person has "
                    "made sure that it is one patient, --same-patient overrules this.",
                    details=_details(groups),
                )
    if len(groups) > 1 and not per_patient:
        numbers = ", ".join(sorted(owner)) or "these studies"
        raise AmbiguousError(
            f"The studies asked for ({numbers}) belong to {len(groups)} different patients: "
            "one disc holds one patient; ask for them one by one, or use --per-patient.",
            details=_details(groups),
        )


def _details(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the studies by patient, without naming anybody."""
    return tuple(
        f"patient {number}: study {uid}" for number, group in enumerate(groups, 1) for uid in group
    )


def _require_same(
    known: PatientIdentity,
    identity: PatientIdentity,
    study_instance_uid: str,
    notes: _Notes,
) -> None:
    """Raise when one study holds two patients; note what could not be compared."""
    where = f"Study {study_instance_uid}"
    found = difference(known, identity, same_study=True)
    if found and not _is_overruled(found, notes):
        hint = (
            " If a person has made sure that it is one patient, --same-patient overrules this."
            if found.overrulable
            else ""
        )
        raise IdentityError(
            f"{where} holds objects that differ in the {found.what}: no disc is made, the archive "
            f"must be corrected.{hint}"
        )
    notes.add(known, identity, where, found)


def _anything_in_common(one: PatientIdentity, other: PatientIdentity) -> bool:
    """Whether at least one identifying value is there on both sides (and then equal)."""
    if one.patient_id and other.patient_id:
        return True
    return any(a and b for a, b in zip(one.name, other.name, strict=True))


def _joined(one: PatientIdentity, other: PatientIdentity) -> PatientIdentity:
    """Return what both say together: an empty value is filled by the other side."""
    name = tuple(a or b for a, b in zip(one.name, other.name, strict=True))
    return PatientIdentity(
        one.patient_id or other.patient_id,
        one.issuer or other.issuer,
        (name[0], name[1], name[2]),
        one.birth_date or other.birth_date,
    )


def _plain_name(group: str) -> str:
    """Return one component group without case, trailing `^`, and runs of spaces."""
    components = [" ".join(c.split()) for c in unicodedata.normalize("NFC", group).split("^")]
    while components and not components[-1]:
        components.pop()
    return "^".join(components).casefold()

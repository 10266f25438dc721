"""Where each instance goes on the disc: File IDs by counter (PS3.10 8.2, 8.5).

`DICOM/PT000000/ST000000/SE000000/IM000000`: nothing of a name comes from the wire, and nothing
can be read out of it. The order of the instances is the order of the directory and of the image.
"""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Iterable

from mkiso.core import record_keys as keys
from mkiso.core.model import FileSetInstance, ReceivedInstance
from mkiso.core.record_types import ROOT_TYPES
from mkiso.core.text import decode
from mkiso.errors import AmbiguousError, IdentityError

ROOT_FOLDER = "DICOM"
#: The folder of what has no patient: palettes, hanging protocols.
PATIENTLESS_FOLDER = "NOPAT"
_DECIMAL_COUNT = 1_000_000
_DIGITS = string.digits + string.ascii_uppercase
_NO_NUMBER = 1 << 40  # behind all numbers

_Instances = list[ReceivedInstance]


def place(instances: Iterable[ReceivedInstance]) -> tuple[FileSetInstance, ...]:
    """Return the instances in the order of patient, study, series and number, with File IDs.

    The result depends on the instances alone, not on the order they came in. Of two with one
    SOP Instance UID and the same bytes one stays.

    Raises:
        IdentityError: one UID with two contents; one study or series in two places.
        AmbiguousError: two patients have one PatientID, from different issuers.

    """
    placed: list[FileSetInstance] = []
    patientless: _Instances = []
    by_study: dict[str, _Instances] = defaultdict(list)
    for instance in _each_once(instances):
        if instance.header.record_type in ROOT_TYPES:
            patientless.append(instance)
        else:
            by_study[instance.study_instance_uid].append(instance)
    _require_series_in_one_study(by_study)
    for patient_number, studies in enumerate(_by_patient(by_study)):
        studies.sort(key=_study_order)
        for study_number, study in enumerate(studies):
            folder = (
                ROOT_FOLDER,
                component("PT", patient_number),
                component("ST", study_number),
            )
            placed += _place_study(folder, study)
    placed += [
        FileSetInstance((ROOT_FOLDER, PATIENTLESS_FOLDER, component("IM", number)), instance)
        for number, instance in enumerate(patientless)
    ]
    return tuple(placed)


def component(prefix: str, number: int) -> str:
    """Return a component of a File ID: two letters and six digits, base 36 from a million on."""
    if number < _DECIMAL_COUNT:
        return f"{prefix}{number:06d}"
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return f"{prefix[0]}X{digits:0>6}"


def _each_once(instances: Iterable[ReceivedInstance]) -> _Instances:
    """Return the instances sorted by UID, of equal ones the first."""
    once: dict[str, ReceivedInstance] = {}
    for instance in instances:
        known = once.setdefault(instance.sop_instance_uid, instance)
        if known.sha256 != instance.sha256:
            raise IdentityError(
                f"SOP Instance UID {instance.sop_instance_uid} came with two different contents; "
                "the archive has to be corrected before a disc can be made."
            )
    return [once[uid] for uid in sorted(once)]


def _require_series_in_one_study(by_study: dict[str, _Instances]) -> None:
    study_of: dict[str, str] = {}
    for study_instance_uid, instances in by_study.items():
        for instance in instances:
            uid = instance.series_instance_uid
            if study_of.setdefault(uid, study_instance_uid) != study_instance_uid:
                raise IdentityError(
                    f"Series {uid} is in two studies, {study_of[uid]} and {study_instance_uid}; "
                    "no directory can hold it, the archive has to be corrected."
                )


def _by_patient(by_study: dict[str, _Instances]) -> list[list[_Instances]]:
    """Return the studies by patient, patients by ID.

    Whether the objects of a job are one patient's was decided before; here a study without a
    PatientID joins the only patient there is.
    """
    patients: dict[tuple[str, str], list[_Instances]] = defaultdict(list)
    issuers: dict[str, set[str]] = defaultdict(set)
    nameless: list[_Instances] = []
    for study in by_study.values():
        identifiers = {_identifier(instance, keys.PATIENT_ID) for instance in study} - {""}
        if len(identifiers) > 1:
            raise IdentityError(
                f"Study {study[0].study_instance_uid} holds objects of {len(identifiers)} "
                "patients; the archive has to be corrected before a disc can be made."
            )
        if not identifiers:
            nameless.append(study)
            continue
        patient_id = identifiers.pop()
        issuers[patient_id] |= {_identifier(i, keys.ISSUER_OF_PATIENT_ID) for i in study} - {""}
        patients[patient_id, ""].append(study)
    if any(len(found) > 1 for found in issuers.values()):
        raise AmbiguousError(
            "Two patients on this disc have one PatientID, given by different issuers; "
            "ask for their accession numbers one by one."
        )
    only = next(iter(patients)) if len(patients) == 1 else None
    for study in nameless:
        patients[only or ("", _person(study[0]))].append(study)
    return [patients[patient] for patient in sorted(patients)]


def _identifier(instance: ReceivedInstance, tag: int) -> str:
    value = dict(instance.header.patient).get(tag, b"")
    return decode(value, instance.header.character_set).strip() if value else ""


def _person(instance: ReceivedInstance) -> str:
    """Return name and birth date, which tell apart patients without a PatientID."""
    values = dict(instance.header.patient)
    name = decode(values.get(keys.PATIENT_NAME, b""), instance.header.character_set, b"PN")
    birth_date = values.get(keys.PATIENT_BIRTH_DATE, b"").decode("ascii", "replace")
    return f"{name.casefold().rstrip(' ^=')}\0{birth_date}"


def _place_study(folder: tuple[str, ...], study: _Instances) -> list[FileSetInstance]:
    by_series: dict[str, _Instances] = defaultdict(list)
    for instance in study:
        by_series[instance.series_instance_uid].append(instance)
    placed = []
    for series_number, series in enumerate(sorted(by_series.values(), key=_series_order)):
        series_folder = (*folder, component("SE", series_number))
        series.sort(key=_instance_order)
        placed += [
            FileSetInstance((*series_folder, component("IM", number)), instance)
            for number, instance in enumerate(series)
        ]
    return placed


def _study_order(study: _Instances) -> tuple[bytes, str]:
    """Sort by date and time (the earliest its instances state), then UID."""
    moments = set()
    for level in {instance.header.study for instance in study}:
        values = dict(level)
        moments.add(values.get(keys.STUDY_DATE, b"~") + values.get(keys.STUDY_TIME, b""))
    return min(moments), study[0].study_instance_uid


def _series_order(series: _Instances) -> tuple[int, str]:
    """Sort by number (the lowest its instances state), then UID."""
    levels = {instance.header.series for instance in series}
    numbers = (dict(level).get(keys.SERIES_NUMBER, b"").strip() for level in levels)
    stated = [int(number) for number in numbers if number.removeprefix(b"-").isdigit()]
    return min(stated, default=_NO_NUMBER), series[0].series_instance_uid


def _instance_order(instance: ReceivedInstance) -> tuple[int, str]:
    number = instance.header.instance_number
    return _NO_NUMBER if number is None else number, instance.sop_instance_uid

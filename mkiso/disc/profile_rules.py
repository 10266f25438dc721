"""Which application profiles a disc meets, and what keeps it from one (PS3.11)."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping

from mkiso.core.findings import Finding, Findings
from mkiso.core.header import Level
from mkiso.core.media_profiles import (
    PROFILE_KEYS,
    PROFILES,
    Profile,
    ProfileKey,
    is_too_large,
)
from mkiso.core.record_keys import PATIENT_KEYS, SERIES_KEYS
from mkiso.core.value_rules import TEXT_VRS, legal
from mkiso.disc.dicomdir_elements import DirectoryFault, elements
from mkiso.disc.dicomdir_reader import Directory, DirectoryRecord
from mkiso.disc.examination import ExaminedInstance

Gaps = Counter[ProfileKey]

#: How the elements of keys that every image needs begin.
_TYPE_1_HEADERS = tuple(
    (key, struct.pack("<HH2s", key.tag >> 16, key.tag & 0xFFFF, b"US"))
    for key in PROFILE_KEYS
    if key.record_type == "IMAGE" and key.type == "1"
)
_VRS = {key.tag: key.vr for key in (*PATIENT_KEYS, *SERIES_KEYS)}


def check_profiles(
    directory: Directory,
    instances: Mapping[str, ExaminedInstance],
    file_system: str,
    size_bytes: int = 0,
) -> dict[str, tuple[Finding, ...]]:
    """Return what keeps the disc from each profile by its name; () for those it meets.

    `file_system` is that of the medium, "" when nobody can tell: a folder. `size_bytes` is the
    image's.
    """
    syntaxes = Counter(instance.transfer_syntax_uid for instance in instances.values())
    gaps = _key_gaps(directory, instances)
    return {
        profile.name: (
            (*_unfit(profile, file_system, size_bytes), *_faults(profile, syntaxes, gaps))
            if instances
            else _NOTHING
        )
        for profile in PROFILES
    }


_NOTHING = (Finding("error", "profile.nothing", "There is no instance on the disc."),)


def _unfit(profile: Profile, file_system: str, size_bytes: int) -> tuple[Finding, ...]:
    """Return what is wrong with the medium."""
    findings = Findings()
    if file_system and is_too_large(profile, size_bytes):
        findings.error(
            "profile.size",
            f"{profile.name} is for {profile.medium}, which does not hold {size_bytes:,} bytes.",
        )
    if file_system and file_system != profile.file_system:
        findings.error(
            "profile.file-system",
            f"{profile.name} is for {profile.file_system}, this disc is {file_system}.",
        )
    return findings.result()


def _faults(profile: Profile, syntaxes: Counter[str], gaps: Gaps) -> tuple[Finding, ...]:
    findings = Findings()
    for uid, count in sorted(syntaxes.items()):
        if uid not in profile.transfer_syntaxes:
            findings.error(
                "profile.transfer-syntax",
                f"{count} instances are in transfer syntax {uid}, which {profile.name} forbids.",
            )
    for key in profile.keys:
        if count := gaps[key]:
            findings.error(
                "profile.key",
                f"{key.keyword} is not in {count} {key.record_type} records, as "
                f"{profile.name} asks (type {key.type}).",
            )
    return findings.result()


def _key_gaps(directory: Directory, instances: Mapping[str, ExaminedInstance]) -> Gaps:
    """Count the records that lack a key of a profile."""
    gaps: Gaps = Counter()
    upper: dict[DirectoryRecord, set[int]] = {}  # record -> what its instances state
    for reference in directory.references():
        instance = instances.get("/".join(reference.file_id))
        if instance is None:
            continue
        if reference.record_type == "IMAGE":
            gaps.update(_missing_of_image(reference, instance.record))
        for record, level in _above(reference, instance):
            upper.setdefault(record, set()).update(_stated(level))
    for record, stated in upper.items():
        gaps.update(_missing(record, stated))
    return gaps


def _missing_of_image(record: DirectoryRecord, body: bytes) -> Iterator[ProfileKey]:
    """Give the keys that an image's record lacks; `body` is the record that we should write.

    On our own discs it is found as it stands: looking each key up would cost a tenth of the
    read-back.
    """
    if record.data.find(body, record.start, record.stop) < 0:
        yield from _missing(record, _tags_of(body))
    else:
        for key, header in _TYPE_1_HEADERS:
            if header not in body:
                yield key


def _stated(level: Level) -> Iterator[int]:
    """Give the tags of values that a record can hold: legal ones, of names one."""
    for tag, value in level:
        vr = _VRS.get(tag, b"")
        if value and (b"\\" not in value if vr in TEXT_VRS else legal(vr, value)):
            yield tag


def _above(
    reference: DirectoryRecord, instance: ExaminedInstance
) -> Iterator[tuple[DirectoryRecord, Level]]:
    record = reference.parent
    while record:
        if record.record_type == "SERIES":
            yield record, instance.series
        elif record.record_type == "PATIENT":
            yield record, instance.patient
        record = record.parent


def _missing(record: DirectoryRecord, stated: set[int]) -> Iterator[ProfileKey]:
    wanted = [key for key in PROFILE_KEYS if key.record_type == record.record_type]
    try:
        present = {tag for tag, value in record.values().items() if value}
    except DirectoryFault:
        return
    for key in wanted:
        if key.tag not in present and (key.type == "1" or key.tag in stated):
            yield key


def _tags_of(body: bytes) -> set[int]:
    """Return the tags that a record made from the instance would have."""
    return {element.tag for element in elements(body, 0, len(body)) if element.length}

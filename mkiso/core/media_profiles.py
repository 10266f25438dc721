"""The general purpose application profiles of PS3.11, and what each one asks of a disc."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import NamedTuple

from mkiso.core.media import capacity_bytes
from mkiso.errors import UsageError

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"

#: The data sets stay as the archive sent them; whatever profile they meet is told.
AS_RECEIVED = "as-received"

ISO_9660, UDF, FAT = "ISO 9660", "UDF", "FAT"

_PLAIN = frozenset({EXPLICIT_VR_LITTLE_ENDIAN})
_JPEG = _PLAIN | {JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS_SV1}
_JPEG_2000 = _PLAIN | {JPEG_2000_LOSSLESS, JPEG_2000}


class ProfileKey(NamedTuple):
    """A key that a profile adds to a record: type 1, or 1C: wanted when the instance has it."""

    record_type: str
    tag: int
    type: str
    keyword: str


class Profile(NamedTuple):
    """One application profile. `keys` are those beyond PS3.3 F.5."""

    name: str
    annex: str  # of PS3.11
    medium: str
    file_system: str  # of the medium, by PS3.12
    transfer_syntaxes: frozenset[str]
    lossless: str  # into which instances may be compressed to save space; "": none
    keys: tuple[ProfileKey, ...]


def _rows(rows: str) -> tuple[ProfileKey, ...]:
    cells = [row.split() for row in rows.splitlines() if row.strip()]
    return tuple(ProfileKey(kind, int(tag, 16), type_, word) for kind, tag, type_, word in cells)


# PS3.11 table D.3-2
_D_KEYS = _rows("""
    IMAGE   00080008 1C ImageType
    IMAGE   00081140 1C ReferencedImageSequence
""")
# PS3.11 table H.3-2, which J and M refer to
_H_KEYS = _rows("""
    PATIENT 00100030 1C PatientBirthDate
    PATIENT 00100040 1C PatientSex
    SERIES  00080080 1C InstitutionName
    SERIES  00080081 1C InstitutionAddress
    SERIES  00081050 1C PerformingPhysicianName
    IMAGE   00080008 1C ImageType
    IMAGE   0008002A 1C AcquisitionDateTime
    IMAGE   00081140 1C ReferencedImageSequence
    IMAGE   00200032 1C ImagePositionPatient
    IMAGE   00200037 1C ImageOrientationPatient
    IMAGE   00200052 1C FrameOfReferenceUID
    IMAGE   00280008 1C NumberOfFrames
    IMAGE   00280010 1  Rows
    IMAGE   00280011 1  Columns
    IMAGE   00280030 1C PixelSpacing
    IMAGE   00282112 1C LossyImageCompressionRatio
""")

# PS3.11 D, H, J, M; file systems: PS3.12 F (CD-R), J (DVD-RAM), P (DVD), R (USB and cards)
# fmt: off
PROFILES = (
    Profile("STD-GEN-CD",       "D", "CD-R",    ISO_9660, _PLAIN,     "",                 _D_KEYS),
    Profile("STD-GEN-DVD-RAM",  "D", "DVD-RAM", UDF,      _PLAIN,     "",                 _D_KEYS),
    Profile("STD-GEN-DVD-JPEG", "H", "DVD",     ISO_9660, _JPEG,      JPEG_LOSSLESS_SV1,  _H_KEYS),
    Profile("STD-GEN-DVD-J2K",  "H", "DVD",     ISO_9660, _JPEG_2000, JPEG_2000_LOSSLESS, _H_KEYS),
    Profile("STD-GEN-USB-JPEG", "J", "USB",     FAT,      _JPEG,      JPEG_LOSSLESS_SV1,  _H_KEYS),
    Profile("STD-GEN-USB-J2K",  "J", "USB",     FAT,      _JPEG_2000, JPEG_2000_LOSSLESS, _H_KEYS),
    Profile("STD-GEN-MMC-JPEG", "J", "MMC",     FAT,      _JPEG,      JPEG_LOSSLESS_SV1,  _H_KEYS),
    Profile("STD-GEN-MMC-J2K",  "J", "MMC",     FAT,      _JPEG_2000, JPEG_2000_LOSSLESS, _H_KEYS),
    Profile("STD-GEN-CF-JPEG",  "J", "CF",      FAT,      _JPEG,      JPEG_LOSSLESS_SV1,  _H_KEYS),
    Profile("STD-GEN-CF-J2K",   "J", "CF",      FAT,      _JPEG_2000, JPEG_2000_LOSSLESS, _H_KEYS),
    Profile("STD-GEN-SD-JPEG",  "J", "SD",      FAT,      _JPEG,      JPEG_LOSSLESS_SV1,  _H_KEYS),
    Profile("STD-GEN-SD-J2K",   "J", "SD",      FAT,      _JPEG_2000, JPEG_2000_LOSSLESS, _H_KEYS),
    Profile("STD-GEN-BD-JPEG",  "M", "BD",      UDF,      _JPEG,      JPEG_LOSSLESS_SV1,  _H_KEYS),
    Profile("STD-GEN-BD-J2K",   "M", "BD",      UDF,      _JPEG_2000, JPEG_2000_LOSSLESS, _H_KEYS),
)
# fmt: on
_BY_NAME = {profile.name: profile for profile in PROFILES}

#: The largest medium of a kind, by its name in core.media; others are of any size.
_LARGEST = {"CD-R": "cd700", "DVD": "dvd-dl"}

#: What a person may ask for.
PROFILE_NAMES = (AS_RECEIVED, *_BY_NAME)

#: All keys that a profile asks for.
PROFILE_KEYS = tuple(dict.fromkeys((*_D_KEYS, *_H_KEYS)))


def require_profile(name: str) -> Profile | None:
    """Return the profile of a name in any case, None for `as-received` and "".

    Raises UsageError naming the nearest known profile.
    """
    wanted = name.strip()
    if wanted.lower() in {"", AS_RECEIVED}:
        return None
    profile = _BY_NAME.get(wanted.upper())
    if profile is None:
        near = difflib.get_close_matches(wanted.upper(), _BY_NAME, n=1, cutoff=0.0)
        raise UsageError(
            f"There is no application profile {wanted[:40]!r}; did you mean {near[0]}? "
            f"Known are: {', '.join(PROFILE_NAMES)}."
        )
    return profile


def foreign_syntaxes(profile: Profile, transfer_syntax_uids: Iterable[str]) -> tuple[str, ...]:
    """Return the transfer syntaxes of a disc that the profile does not know, sorted."""
    return tuple(sorted(set(transfer_syntax_uids) - profile.transfer_syntaxes))


def is_too_large(profile: Profile, size_bytes: int) -> bool:
    """Tell whether no medium of the profile holds so much: 2 GB are on no CD-R, whatever is in."""
    largest = _LARGEST.get(profile.medium)
    return largest is not None and size_bytes > (capacity_bytes(largest, None) or 0)


def profiles_by_syntax(
    transfer_syntax_uids: Collection[str], file_system: str = ISO_9660, size_bytes: int = 0
) -> tuple[str, ...]:
    """Return the profiles whose medium and transfer syntaxes fit, in the table's order.

    For a directory that has every key its instances have, which ours have, they are the profiles
    that the disc meets (PS3.11 D.3, H.3).
    """
    return tuple(
        profile.name
        for profile in PROFILES
        if profile.file_system == file_system
        and not foreign_syntaxes(profile, transfer_syntax_uids)
        and not is_too_large(profile, size_bytes)
    )

"""Media by name with their capacities, and sizes as people write them."""

from __future__ import annotations

import re
from typing import NamedTuple

from mkiso.errors import UsageError

SECTOR_BYTES = 2048


class Medium(NamedTuple):
    """A kind of medium; `sectors` of 2048 bytes, 0: any size."""

    name: str
    title: str
    sectors: int

    @property
    def size_bytes(self) -> int:
        """How many bytes of file system it holds."""
        return self.sectors * SECTOR_BYTES


# Sectors of user data. CD: 74 and 80 minutes of 75 frames a second (ECMA-130), less the two seconds
# before the programme area. DVD+R is smaller than DVD-R, DVD-R DL smaller than DVD+R DL.
# fmt: off
MEDIA = (
    Medium("cd650",  "CD-R 650 MB",    74 * 60 * 75 - 150),  # ECMA-130, ECMA-394
    Medium("cd700",  "CD-R 700 MB",    80 * 60 * 75 - 150),
    Medium("dvd",    "DVD 4.7 GB",     2_295_104),           # DVD+R, ECMA-349
    Medium("dvd-dl", "DVD DL 8.5 GB",  4_171_712),           # DVD-R DL, ECMA-382
    Medium("bd25",   "BD-R 25 GB",     12_219_392),          # BD-R white paper, single layer
    Medium("bd50",   "BD-R DL 50 GB",  24_438_784),
    Medium("usb",    "USB stick",      0),
)
# fmt: on
_BY_NAME = {medium.name: medium for medium in MEDIA}
MEDIUM_NAMES = tuple(_BY_NAME)

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
#: Less holds no disc of ours.
SMALLEST_BYTES = 16 << 20


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `4.7GB` (powers of 1000), `700MiB` (of 1024) or `1000000`.

    Raises UsageError.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text[:40]!r} is no size; write it as 4.7GB, 700MB, 650MiB or in bytes.")
    unit = (match[2] or "").lower()
    base = 1024 if unit.endswith("i") else 1000
    return int(float(match[1]) * base ** _POWERS[unit[:1]])


def capacity_bytes(medium: str, media_size_bytes: int | None) -> int | None:
    """Return the bytes of the medium that was asked for, None when it may be of any size.

    A size that is given holds whatever the medium's name is. Raises UsageError.
    """
    if medium and medium not in _BY_NAME:
        raise UsageError(f"There is no medium {medium[:40]!r}; known are {', '.join(_BY_NAME)}.")
    size = media_size_bytes or (_BY_NAME[medium].size_bytes if medium else 0)
    if size and size < SMALLEST_BYTES:
        raise UsageError(f"A medium of {size} bytes is too small for any disc.")
    return size or None


def smallest_medium(size_bytes: int) -> Medium | None:
    """Return the smallest disc that holds an image of so many bytes, None when none does."""
    return next((medium for medium in MEDIA if medium.size_bytes >= size_bytes), None)

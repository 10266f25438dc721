"""Burning by xorriso: its arguments, and what its lines mean (xorriso(1), xorrecord(1)).

Pure: another runs the program, so that tests compare tuples and real drives are not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mkiso.core.media import SECTOR_BYTES
from mkiso.errors import DriveError, LimitError, MkisoError, PermissionDeniedError, UsageError

PROGRAM = "xorriso"
#: What a failed command was for, when the medium is spoilt by it.
BURNING = "Burning"
#: xorrecord(1), padsize: readers look ahead of the end of a track and fail without it.
PADDING_SECTORS = 150

# /dev/sr0, /dev/cdrom, or what xorriso calls a pseudo-drive: a file behind `stdio:`
_DEVICE = re.compile(
    r"(/dev/(sr|scd|cd|dvd|bd|cdrom|cdrw|dvdrw|pktcdvd/)[A-Za-z0-9_/]*|stdio:/(?!dev/).+)"
)
_WRITTEN = re.compile(r"\b(\d+) of\s+(\d+) MB written")
_SPACE = re.compile(r"Media space\s*:\s*(\d+)s")
_ABSENT = ("not found", "not existing", "Cannot acquire drive", "No such file")
_FAILURES = re.compile(r" : (FAILURE|MISHAP|FATAL|ABORT) : (.*)")


@dataclass(frozen=True, slots=True)
class MediumState:
    """What is in a drive: `space_bytes` may be written; `kind` and `status` in xorriso's words."""

    kind: str = ""
    status: str = ""
    space_bytes: int = 0

    @property
    def is_blank(self) -> bool:
        """Whether nothing was ever written on it, or all of it was erased."""
        return "is blank" in self.status


def require_device(device: str) -> str:
    """Return a device that may be written to. Raises UsageError: a hard disk is none."""
    if not _DEVICE.fullmatch(device):
        raise UsageError(
            f"{device[:60]!r} is no optical drive; give one such as /dev/sr0, or a file as "
            "stdio:/path, whose whole content is then overwritten."
        )
    return device


def probe_arguments(device: str) -> tuple[str, ...]:
    """Return the command that says what medium is in the drive."""
    return (PROGRAM, "-outdev", device, "-tell_media_space")


def burn_arguments(image: str, device: str, *, speed: int | None = None) -> tuple[str, ...]:
    """Return the command that writes an image (an absolute path) as the one track of a disc."""
    speed_option = (f"speed={speed}",) if speed else ()
    return (
        *(PROGRAM, "-as", "cdrecord", "-v", f"dev={device}"),
        *speed_option,
        f"padsize={PADDING_SECTORS}s",
        image,
    )


def eject_arguments(device: str) -> tuple[str, ...]:
    """Return the command that opens the tray."""
    return (PROGRAM, "-outdev", device, "-eject", "all")


def readable_path(device: str) -> str:
    """Return the file that shows what is on the medium."""
    return device.removeprefix("stdio:")


def parse_probe(lines: Iterable[str]) -> MediumState:
    """Return what the lines of the first command say."""
    kind = status = ""
    sectors = 0
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "Media current":
            kind = value.strip()
        elif name.strip() == "Media status":
            status = value.strip()
        if match := _SPACE.search(line):
            sectors = int(match[1])
    return MediumState(kind, status, sectors * SECTOR_BYTES)


def written_share(line: str) -> float | None:
    """Return how much of the track a line of progress says is written, 0 to 1."""
    match = _WRITTEN.search(line)
    if match is None or not int(match[2]):
        return None
    return min(1.0, int(match[1]) / int(match[2]))


def require_blank(state: MediumState, device: str) -> None:
    """Raise DriveError when there is no blank medium in the drive."""
    if not state.kind or "not present" in state.kind:
        raise DriveError(f"There is no medium in {device}; put a blank one in and try again.")
    if not state.is_blank:
        raise DriveError(
            f"The medium in {device} ({state.kind}) is not blank; put a blank one in. Nothing was "
            "written."
        )


def require_space(state: MediumState, image_bytes: int, device: str) -> None:
    """Raise LimitError when the image does not fit the medium in the drive."""
    needed = image_bytes + PADDING_SECTORS * SECTOR_BYTES
    if state.space_bytes < needed:
        raise LimitError(
            f"The image takes {needed / 1e6:,.0f} MB and the medium in {device} ({state.kind}) has "
            f"{state.space_bytes / 1e6:,.0f} MB; put a larger one in."
        )


def failure(lines: Iterable[str], device: str, what: str) -> MkisoError:
    """Return the error for a command that failed, with its last words."""
    said = [match[2].strip() for line in lines if (match := _FAILURES.search(line))]
    text = " ".join(said)
    if "ermission denied" in text:
        return PermissionDeniedError(
            f"{device} may not be used by this user; add them to the group of the drive (cdrom)."
        )
    if any(words in text for words in _ABSENT):
        return DriveError(f"There is no drive {device}, or another program is using it.")
    reason = said[0] if said else "it said no reason"
    advice = "; throw the medium away" if what == BURNING else ""
    return DriveError(f"{what} failed on {device}: {reason[:200].rstrip('. ')}{advice}.")

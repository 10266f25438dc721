"""Into which transfer syntax an instance is brought for a profile, or why it stays as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from mkiso.core.display_text import counted
from mkiso.core.media_profiles import EXPLICIT_VR_LITTLE_ENDIAN, Profile

_SYNTAX = "1.2.840.10008.1.2"
#: PS3.5 A.1, A.2, A.3: pixels as they are. GE's private syntax differs in its pixels alone.
NATIVE = frozenset({_SYNTAX, EXPLICIT_VR_LITTLE_ENDIAN, f"{_SYNTAX}.2"})
#: PS3.5 A.4.5 to A.4.9 and A.9: streams of video and pixel data by reference.
_VIDEO = frozenset(
    f"{_SYNTAX}.4.{n}"
    for n in (
        *("100", "100.1", "101", "101.1", "102", "102.1", "103", "103.1", "104", "104.1"),
        *("105", "105.1", "106", "106.1", "107", "108"),
    )
)
_BY_REFERENCE = frozenset(f"{_SYNTAX}.4.{n}" for n in ("94", "95", "204", "205"))

VIDEO_STAYS = "a video stream cannot be decompressed into single images"
REFERENCE_STAYS = "its pixels are not in the object"


class Step(NamedTuple):
    """What is done with one instance: nothing when `target` is its own transfer syntax.

    `fallback` is tried when the compression of `target` cannot hold its pixels; "": none.
    `problem` says why an instance stays that the profile does not allow.
    """

    target: str
    fallback: str = ""
    problem: str = ""


class Conversion(NamedTuple):
    """What became of an instance that had to be, or was to be, converted."""

    sop_instance_uid: str
    source: str  # transfer syntax as received
    target: str  # as on the disc
    problem: str = ""  # why it stays as it came; "" when it was converted


def plan_step(
    transfer_syntax_uid: str, record_type: str, profile: Profile, *, compress: bool
) -> Step:
    """Return what a profile asks for an instance; `compress`: images losslessly, to save space."""
    is_native = transfer_syntax_uid in NATIVE
    if compress and profile.lossless and is_native and record_type == "IMAGE":
        return Step(profile.lossless, EXPLICIT_VR_LITTLE_ENDIAN)
    if transfer_syntax_uid in profile.transfer_syntaxes:
        return Step(transfer_syntax_uid)
    if transfer_syntax_uid in _VIDEO:
        return Step(transfer_syntax_uid, problem=VIDEO_STAYS)
    if transfer_syntax_uid in _BY_REFERENCE:
        return Step(transfer_syntax_uid, problem=REFERENCE_STAYS)
    if compress and profile.lossless and record_type == "IMAGE":
        return Step(profile.lossless, EXPLICIT_VR_LITTLE_ENDIAN)
    return Step(EXPLICIT_VR_LITTLE_ENDIAN)


def conversion_sentences(conversions: Iterable[Conversion]) -> tuple[str, ...]:
    """Return what was converted and what stayed, counted, for a person."""
    done: Counter[tuple[str, str]] = Counter()
    kept: Counter[tuple[str, str]] = Counter()
    for each in conversions:
        if each.problem:
            kept[each.source, each.problem] += 1
        else:
            done[each.source, each.target] += 1
    return (
        *(
            f"{counted(count, 'instance was', 'instances were')} converted losslessly from "
            f"{source} to {target}."
            for (source, target), count in sorted(done.items())
        ),
        *(
            f"{counted(count, 'instance stays', 'instances stay')} in {source}: {problem}."
            for (source, problem), count in sorted(kept.items())
        ),
    )

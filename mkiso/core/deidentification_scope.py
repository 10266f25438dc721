"""Which objects are de-identified at all: some hold text or documents that no table can clean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mkiso.core.deidentification_rules import Rules

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_STRUCTURED = (
    "it is a structured report or a key object selection; clean-structured-content keeps them"
)
# Beginning of the SOP class UID, why; the first that fits.
_LEFT_OUT = (
    (f"{_STORAGE}104.", "it is an encapsulated document"),
    (f"{_STORAGE}66", "it is raw data or of its kind, whose content only its maker knows"),
    (f"{_STORAGE}9.4.", "it is sound, which may be speech"),
)
#: Of them these are known after all: registrations, segmentations, meshes, maps.
_KNOWN = frozenset(f"{_STORAGE}66.{n}" for n in range(1, 9))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object that is not in the result, and why."""

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    reason: str


def why_left_out(sop_class_uid: str, study_instance_uid: str, rules: Rules) -> str:
    """Say why an object cannot be de-identified, "" when it can."""
    if not sop_class_uid.startswith("1.2.840.10008."):
        return "it is of a private class"
    if not study_instance_uid:
        return "it belongs to no study"
    if sop_class_uid.startswith(f"{_STORAGE}88."):
        return "" if rules.has("clean-structured-content") else _STRUCTURED
    if sop_class_uid in _KNOWN:
        return ""
    return next((why for begin, why in _LEFT_OUT if sop_class_uid.startswith(begin)), "")


def left_out_sentences(objects: Iterable[LeftOut]) -> tuple[str, ...]:
    """Return what was left out, counted, for a person."""
    counts = Counter((each.modality or "?", each.reason) for each in objects)
    return tuple(
        f"{count} objects of modality {modality} left out of the de-identified result: {reason}."
        for (modality, reason), count in sorted(counts.items())
    )

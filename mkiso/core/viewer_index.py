"""What the viewer page is told: the index of each series, and the manifest of the disc.

The names and rules are those of docs/viewer-format.md. Nothing here is decoded or read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from mkiso.core import viewer_kinds as kinds
from mkiso.core.index_page import IndexPage, SeriesLine
from mkiso.core.viewer_order import Stack
from mkiso.core.viewer_references import Places, with_places
from mkiso.core.viewer_script import script, to_json

FORMAT: Final = 1
FOLDER: Final = "VIEWER"

# What says where something is, and is never shared by frames or instances.
_OWN: Final = frozenset({"spool", "at", "sum", "uid", "class", "kind", "file", "frames"})
# Content that refers to other objects.
_REFERRING: Final = frozenset({"report", "presentation_state", "key_object"})


def shared(
    level: Iterable[Mapping[str, Any]], found: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the attributes that are equal in all of `level` (and in `found`, when given)."""
    for attributes in level:
        if found is None:
            found = {name: value for name, value in attributes.items() if name not in _OWN}
        else:
            missing = object()
            different = [n for n, value in found.items() if attributes.get(n, missing) != value]
            for name in different:
                del found[name]
    return found or {}


def without(attributes: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes but for those that stand in `common`."""
    return {name: value for name, value in attributes.items() if name not in common}


def lifted(
    described: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an instance with what all its frames share, and the frames without it."""
    common = shared(frames)
    return {**described, **common}, [without(frame, common) for frame in frames]


@dataclass(frozen=True, slots=True)
class IndexedInstance:
    """One instance of a series, ready for its index."""

    uid: str
    sop_class_uid: str
    file: str  # path on the disc
    described: Mapping[str, Any]  # kind, attributes, content
    frames: Sequence[Mapping[str, Any]] = ()  # with `at`, and without `spool`


def instance_json(instance: IndexedInstance, common: Mapping[str, Any], places: Places) -> str:
    """Return the JSON of one instance in the index of its series."""
    described = {
        name: with_places(value, places) if name in _REFERRING else value
        for name, value in without(instance.described, common).items()
        if name not in {"frames", "kind", "key_object"}
    }
    return to_json(
        {
            "uid": instance.uid,
            "class": instance.sop_class_uid,
            "kind": instance.described["kind"],
            "file": instance.file,
            **({"frames": list(instance.frames)} if instance.frames else {}),
            **described,
        }
    )


def series_script(
    folder: str,
    series_instance_uid: str,
    common: Mapping[str, Any],
    chunk_sizes: Sequence[int],
    instances: Sequence[str],
) -> bytes:
    """Return INDEX.JS of a series; `instances` are the JSON texts in display order."""
    head = {"series_instance_uid": series_instance_uid, "common": common, "chunks": chunk_sizes}
    before, marker, after = script("series", folder, {**head, "instances": []}).rpartition(b"]});")
    return before + ",\n".join(instances).encode("ascii") + marker + after


@dataclass(slots=True)
class ViewedSeries:
    """One series as the manifest tells of it."""

    folder: str
    study_instance_uid: str
    line: SeriesLine
    stacks: list[dict[str, Any]] = field(default_factory=list)
    frames: int = 0
    payload_bytes: int = 0
    preview: bool = False
    presentation_states: list[tuple[str, int]] = field(default_factory=list)


def stack_entry(stack: Stack, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stack as the manifest tells of it; `extra` has size, thumbnail, title, file."""
    first, count = stack.members[0], len(stack.members)
    found: dict[str, Any] = {"kind": stack.kind, "first": first, "instances": count}
    if stack.frames:
        found["frames"] = stack.frames
    if stack.members != list(range(first, first + count)):
        found["members"] = stack.members
    return {**found, **extra}


def manifest_script(
    page: IndexPage,
    series: Sequence[ViewedSeries],
    key_objects: Sequence[Mapping[str, Any]],
    states: Sequence[Mapping[str, Any]],
    program: str,
) -> bytes:
    """Return MANIFEST.JS of a disc."""
    folder_of = {(e.study_instance_uid, e.line.series_instance_uid): e.folder for e in series}
    patients = {patient.patient_id: place for place, patient in enumerate(page.patients)}
    return script(
        "manifest",
        {
            "format": FORMAT,
            "program": program,
            "volume_id": page.volume_id,
            "made_on": page.made_on,
            "number": page.number,
            "of": page.of,
            "complete": page.complete,
            "patients": [asdict(patient) for patient in page.patients],
            "studies": [
                {
                    "study_instance_uid": study.study_instance_uid,
                    "date": study.date,
                    "time": study.time,
                    "description": study.description,
                    "accession_number": study.accession_number,
                    "study_id": study.study_id,
                    "modalities": study.modalities,
                    **(
                        {"patient": patients[study.patient_id]}
                        if study.patient_id in patients
                        else {}
                    ),
                    "series": [
                        folder_of[study.study_instance_uid, line.series_instance_uid]
                        for line in study.series
                    ],
                }
                for study in page.studies
            ],
            "series": {entry.folder: _series(entry) for entry in series},
            "key_objects": list(key_objects),
            "presentation_states": list(states),
        },
    )


def _series(entry: ViewedSeries) -> dict[str, Any]:
    """Return a series as the manifest tells of it."""
    line = entry.line
    return {
        "series_instance_uid": line.series_instance_uid,
        "number": line.number,
        "modality": line.modality,
        "description": line.description,
        "body_part": line.body_part,
        "instances": line.instances,
        "frames": entry.frames,
        "bytes": entry.payload_bytes,
        "preview": entry.preview,
        "index": f"{FOLDER}/{entry.folder}/INDEX.JS",
        "stacks": entry.stacks,
        **({"presentation_states": entry.presentation_states} if entry.presentation_states else {}),
    }


def key_object_entry(
    folder: str, position: int, described: Mapping[str, Any], places: Places
) -> dict[str, Any]:
    """Return a key object selection as the manifest tells of it."""
    return {"at": [folder, position], **with_places(described.get("key_object", {}), places)}


def state_entry(
    folder: str, position: int, described: Mapping[str, Any], places: Places
) -> dict[str, Any]:
    """Return a presentation state as the manifest tells of it: its words, and for which series."""
    state = described.get("presentation_state", {})
    referred = (places.get(reference["uid"]) for reference in state.get("references", ()))
    series = dict.fromkeys(place[0] for place in referred if place)
    words = {name: state[name] for name in ("label", "description") if name in state}
    return {"at": [folder, position], **words, "series": list(series)}


def link_of(described: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Return title and file of a stack that is shown by a link, and why it is none else."""
    content = described.get("document") or described.get("video") or {}
    found: dict[str, Any] = {"file": content.get("file", file)}
    if content.get("title"):
        found["title"] = content["title"]
    if described["kind"] == kinds.NONE:
        found["reason"] = described["reason"]
    return found

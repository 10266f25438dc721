"""The sidecar of a disc image: what is inside, for programs. No name, birth date or PatientID."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mkiso import __version__
from mkiso.core.job import Job
from mkiso.core.media_profiles import AS_RECEIVED
from mkiso.core.model import FileSet

#: Changes when a field changes its meaning or goes away.
SCHEMA = 1

#: A larger sidecar is none of ours: 50,000 instances take 16 MB.
MAX_SIDECAR_BYTES = 256 * 1024 * 1024


def content_options(job: Job) -> dict[str, Any]:
    """Give the options of a job that decide what is on the disc."""
    options: dict[str, Any] = {"modalities": sorted(set(job.modalities))}
    if job.profile != AS_RECEIVED:
        options |= {"profile": job.profile, "compress": job.compress}
    if job.icons:
        options["icons"] = True
    if job.deidentify:
        options["deidentify"] = job.deidentify
        options["burned_in"] = job.burned_in
    return options


def sidecar(
    file_set: FileSet,
    *,
    sha256: str,
    size_bytes: int,
    accession_numbers: Sequence[str],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Give the sidecar of a verified image with this SHA-256 (hex) and size."""
    instances = [
        {
            "sop_instance_uid": item.instance.sop_instance_uid,
            "sop_class_uid": item.instance.sop_class_uid,
            "transfer_syntax_uid": item.instance.transfer_syntax_uid,
            "file": "/".join(item.file_id),
            "sha256": item.instance.sha256,
        }
        for item in file_set.instances
    ]
    return {
        "schema": SCHEMA,
        "mkiso": __version__,
        "volume_id": file_set.volume_id,
        "size_bytes": size_bytes,
        "sha256": sha256,
        "number": file_set.number,
        "of": file_set.of,
        "complete": file_set.complete,
        "accession_numbers": list(accession_numbers),
        "studies": list(dict.fromkeys(i.instance.study_instance_uid for i in file_set.instances)),
        "options": dict(options),
        "profile": file_set.profile,
        "profile_problems": list(file_set.profile_problems),
        "conversions": [each._asdict() for each in file_set.conversions],
        "viewer": _viewer(file_set),
        "overruled": list(file_set.overruled),
        "missing": [
            {
                "sop_instance_uid": each.sop_instance_uid,
                "series_instance_uid": each.series_instance_uid,
                "study_instance_uid": each.study_instance_uid,
            }
            for each in file_set.missing
        ],
        "missing_by_count": [
            {
                "series_instance_uid": each.series_instance_uid,
                "study_instance_uid": each.study_instance_uid,
                "missing": each.missing,
            }
            for each in file_set.short_series
        ],
        "instances": instances,
    }


#: Fields that have one line for each of their values.
_LONG = ("instances", "missing")


def encode_sidecar(content: Mapping[str, Any]) -> bytes:
    """Give the bytes of a sidecar: JSON in UTF-8, one instance a line."""
    fields = [
        f"{json.dumps(key)}: {_lines(value) if key in _LONG else json.dumps(value)}"
        for key, value in content.items()
    ]
    return ("{\n" + ",\n".join(fields) + "\n}\n").encode("utf-8")


def decode_sidecar(content: bytes) -> dict[str, Any] | None:
    """Give a sidecar back, None when it is none of ours (cut off, other schema, foreign)."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        return None
    instances = found.get("instances")
    if not isinstance(instances, list) or not all(isinstance(i, dict) for i in instances):
        return None
    return found


def same_disc(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two sidecars describe the same disc.

    The same instances with the same bytes, chosen and arranged by the same options. Dates, the
    version of mkiso and with them the image's own hash may differ.
    """
    return _identity(one) == _identity(other)


def missing_count(content: Mapping[str, Any]) -> int:
    """Give how many instances a sidecar says are missing, by name or by count."""
    by_count = sum(int(each.get("missing", 0)) for each in content.get("missing_by_count") or ())
    return len(content.get("missing") or ()) + by_count


def may_be_same_disc(
    there: Mapping[str, Any], sop_instance_uids: Collection[str], options: Mapping[str, Any]
) -> bool:
    """Say whether the first disc of these instances, complete, may be the one that is there.

    Of several discs the first holds some of them only; hashes are not known before the transfer.
    """
    if there.get("options") != dict(options) or there.get("complete") is not True:
        return False
    on_disc, asked = {uid for uid, _ in instances_of(there)}, set(sop_instance_uids)
    return on_disc == asked if there.get("of") == 1 else on_disc < asked


def instances_of(content: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Give (SOP Instance UID, SHA-256 of the file) of all instances in a sidecar."""
    return {(str(i.get("sop_instance_uid")), str(i.get("sha256"))) for i in content["instances"]}


def _identity(content: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        instances_of(content),
        content.get("options"),
        content.get("viewer"),
        content.get("complete"),
        content.get("number"),
        content.get("of"),
    )


def _viewer(file_set: FileSet) -> dict[str, Any] | None:
    """Give what the viewer on the disc shows, None without one: another one is another disc."""
    viewer = file_set.viewer
    if viewer is None:
        return None
    return {
        "format": viewer.format,
        "mode": viewer.mode,
        "preview_series": sorted(viewer.preview_series),
    }


def _lines(values: Sequence[Any]) -> str:
    lines = ",\n".join(f"  {json.dumps(value)}" for value in values)
    return f"[\n{lines}\n]" if lines else "[]"

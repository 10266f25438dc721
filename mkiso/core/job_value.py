"""A job as one value that can be written down, sent and read again, and what makes two the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec

from mkiso.core.job import Job, Node
from mkiso.errors import DataError

#: How a job is run, not what it makes: another value of these is the same job still.
_MEANS = frozenset(
    {
        "job_id",
        "stall_timeout_seconds",
        "first_instance_timeout_seconds",
        "quiet_period_seconds",
        "deadline_seconds",
        "lock_wait_seconds",
        "minimum_free_bytes",
        "max_instances",
        "max_instance_bytes",
        "max_bytes",
        "requested_by",
        "replace",
        "receiver",
        "institution",
        "templates_folder",
        "image_mode",
        "state_folder",
        "audit",
    }
)


def encode_job(job: Job) -> str:
    """Return the job as JSON text."""
    return json.dumps(_plain(job), sort_keys=True)


def decode_job(text: str) -> Job:
    """Return the job of `encode_job`; fields that a later version adds take their defaults.

    Raises DataError for what is no job.
    """
    try:
        return msgspec.json.decode(text, type=Job, dec_hook=_path)
    except msgspec.DecodeError as error:
        raise DataError(f"A job that was written down cannot be read: {error}.") from error


def job_key(job: Job) -> str:
    """Return what is equal for two jobs that make the same disc: 64 hexadecimal digits."""
    plain = _plain(job)
    wanted = {name: value for name, value in plain.items() if name not in _MEANS}
    for name in ("accession_numbers", "study_instance_uids", "modalities"):
        wanted[name] = sorted(wanted[name])
    wanted["archive"] = _address(job.archive)
    wanted["forward"] = sorted(map(_address, job.forward))
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def _address(node: Node) -> str:
    return f"{node.ae_title}@{node.host}:{node.port}"


def _plain(job: Job) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(dataclasses.asdict(job), enc_hook=str)
    return plain


def _path(kind: type, value: Any) -> Any:
    if issubclass(kind, Path):
        return kind(value)
    raise NotImplementedError(kind)

"""Where received instances go: folders by study or patient, or none; names that no peer chooses."""

from __future__ import annotations

import hashlib
import re

from mkiso.core.contexts import is_uid

#: Ways to sort.
SORTS = ("study", "patient", "flat")

_LONGEST = 48
_UNSAFE = re.compile(r"[^\w.,+@=-]", re.ASCII)
_NO_ID = "NO_PATIENT_ID"


def place_of(
    sort: str,
    *,
    patient_id: str,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
) -> tuple[str, ...]:
    """Return the path of an instance below the output folder, component by component.

    `study`: study, series, instance; `patient`: the patient before them; `flat`: the instance.
    """
    name = f"{safe_uid(sop_instance_uid)}.dcm"
    if sort == "flat":
        return (name,)
    folders = (safe_uid(study_instance_uid), safe_uid(series_instance_uid))
    if sort == "patient":
        return (safe_name(patient_id), *folders, name)
    return (*folders, name)


def safe_uid(uid: str) -> str:
    """Return a UID as a name; what is none, or would be a path, as a hash of it."""
    return uid if is_uid(uid) else f"x{_digest(uid)}"


def safe_name(text: str) -> str:
    """Return a text as the name of a folder; different texts give different names."""
    wanted = text.strip()
    if not wanted:
        return _NO_ID
    kept = _UNSAFE.sub("_", wanted)[:_LONGEST]
    is_same = kept == wanted and not wanted.startswith((".", "-")) and wanted != _NO_ID
    return kept if is_same else f"{kept.lstrip('.-')}_{_digest(wanted)[:8]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

"""What a foreign disc's directory names, against the files that are really there.

Discs in the field have references in lower case, with `/` or an extension, or to files that were
never written. A reference never leads out of the disc.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_SEPARATORS = re.compile(r"[\\/]+")


@dataclass(frozen=True, slots=True)
class Reference:
    """A record that refers to a file: the components as they stand."""

    file_id: tuple[str, ...]
    sop_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Paths on the disc, in upper case: named and there, named and not there, there and not named.

    `unsafe` counts references that lead elsewhere. `missing_uids` may be told: names on foreign
    discs may be a patient's.
    """

    found: tuple[str, ...]
    missing: tuple[str, ...]
    orphans: tuple[str, ...]
    unsafe: int = 0
    missing_uids: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a person should know, without patient data."""
        lines = (
            (len(self.missing), "named by DICOMDIR and not on the disc, or not readable"),
            (len(self.orphans), "on the disc and not named by DICOMDIR; they are sent, too"),
            (self.unsafe, "named by DICOMDIR with a path that leads out of the disc"),
        )
        return tuple(
            f"{count:,} file{'s' if count > 1 else ''} {'are' if count > 1 else 'is'} {what}."
            for count, what in lines
            if count
        )


def reconcile_disc(
    references: Iterable[Reference], dicom_paths: Collection[str], root: str = ""
) -> Reconciliation:
    """Compare the references of a directory in the folder `root` with the DICOM files there are.

    Paths are in upper case with `/`.
    """
    there = set(dicom_paths)
    bare = {_without_extension(path): path for path in sorted(there, reverse=True)}
    found: dict[str, None] = {}
    missing: dict[str, str] = {}
    unsafe = 0
    for reference in references:
        path = safe_path(reference.file_id)
        if path is None:
            unsafe += 1
            continue
        path = f"{root}/{path}" if root else path
        actual = path if path in there else bare.get(_without_extension(path))
        if actual:
            found[actual] = None
        else:
            missing[path] = reference.sop_instance_uid
    orphans = sorted(there - found.keys())
    uids = tuple(uid for uid in missing.values() if uid)
    return Reconciliation(tuple(found), tuple(missing), tuple(orphans), unsafe, uids)


def safe_path(file_id: Sequence[str]) -> str | None:
    """Return the path below the disc's root that a File ID names; None when it leads elsewhere.

    Components that hold separators, versions `;1` and lower case are taken as what they mean.
    """
    parts = [part.strip(" \0") for each in file_id for part in _SEPARATORS.split(each)]
    if parts and parts[0] == "":  # `\DICOM\IM1`: from the root, as some write it
        parts = parts[1:]
    if not parts or any(
        part in {"", ".", ".."} or ":" in part or not part.isprintable() for part in parts
    ):
        return None
    *folders, name = (part.upper() for part in parts)
    return "/".join((*folders, name.removesuffix(";1").removesuffix(".")))


def _without_extension(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))

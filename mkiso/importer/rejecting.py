"""What cannot be imported goes to `rejected/`, each file or folder with its reason beside it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from mkiso.errors import DiskError
from mkiso.storage.moving import free_place, move

REASON = ".reason.txt"
_LONGEST_NAME = 255


def reject_folder(source: Path, rejected: Path, reason: str, now: float) -> Path:
    """Move a folder (or a stray file) to `<rejected>/<stamp>/`; return that folder of a second.

    Raises DiskError with everything still at its place.
    """
    target = free_place(rejected, source.name, now)
    move(source, target)
    _write_reason(target, reason)
    return target.parent


def reject_files(folder: Path, rejected: Path, reasons: Mapping[str, str], now: float) -> Path:
    """Move files of a folder to `<rejected>/<stamp>/<folder>/`, under their relative paths.

    Raises DiskError; files that were moved by then stay there, with their reasons.
    """
    target = free_place(rejected, folder.name, now)
    for relative, reason in reasons.items():
        place = target / relative
        try:
            place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise DiskError(f"{rejected} cannot be written: {error.strerror}.") from error
        move(folder / relative, place)
        _write_reason(place, reason)
    return target.parent


def _write_reason(place: Path, reason: str) -> None:
    """Write the reason beside what was moved; a full disk must not undo the move."""
    name = os.fsencode(place.name)[: _LONGEST_NAME - len(REASON)]
    with contextlib.suppress(OSError):
        path = place.with_name(os.fsdecode(name) + REASON)
        path.write_text(f"{reason}\n", encoding="utf-8")

"""Where mkiso keeps what outlives a run: each job's log and report, and the ledger."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkiso.errors import ConfigError

SYSTEM_FOLDER = Path("/var/lib/mkiso")
#: Logs and reports older than this, or beyond this many files, are removed.
KEEP_SECONDS = 90 * 86400.0
KEEP_FILES = 20_000
_JOBS = "jobs"


def find_state_folder(
    configured: Path | None,
    output_folder: Path,
    environ: Mapping[str, str] = os.environ,
    system_folder: Path = SYSTEM_FOLDER,
) -> Path | None:
    """Return the first usable folder: configured, the system's, XDG's, beside the output; or None.

    The folder is made, private to the user. Works without HOME; a home that the password file
    names is not guessed at, since a web server's is often what it serves. Raises ConfigError when
    the configured one is unusable: its logs would be looked for there.
    """
    if configured:
        if not _is_usable(configured, parents=True):
            raise ConfigError(
                f"The state folder {configured} ([state] folder) cannot be made or written; make "
                "it, or take the line out."
            )
        return configured.absolute()
    if system_folder.is_dir() and _is_usable(system_folder):
        return system_folder
    home = environ.get("HOME")
    if xdg := environ.get("XDG_STATE_HOME"):
        folder = Path(xdg, "mkiso")
    elif home and Path(home).is_dir():
        folder = Path(home, ".local", "state", "mkiso")
    else:
        folder = None
    if folder and _is_usable(folder, parents=True):
        return folder.absolute()
    beside = output_folder.absolute() / ".mkiso-state"
    return beside if _is_usable(beside) else None


def log_path(state_folder: Path, job_id: str) -> Path:
    """Return where the log of a job is."""
    return state_folder / _JOBS / f"{job_id}.log"


def report_path(state_folder: Path, job_id: str) -> Path:
    """Return where the report of a job is."""
    return state_folder / _JOBS / f"{job_id}.json"


def progress_path(state_folder: Path, job_id: str) -> Path:
    """Return where a running job says how far it is."""
    return state_folder / _JOBS / f"{job_id}.progress"


def write_report(state_folder: Path, job_id: str, report: Mapping[str, Any]) -> Path:
    """Write the report of a job under another name and rename it; return its path.

    Raises OSError: a caller that has a disc goes on without it.
    """
    path = report_path(state_folder, job_id)
    aside = path.with_suffix(".json.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(descriptor)
    aside.replace(path)
    return path


def remove_old(
    state_folder: Path,
    now: float | None = None,
    keep_seconds: float = KEEP_SECONDS,
    keep_files: int = KEEP_FILES,
) -> int:
    """Remove logs and reports that are too old or too many, oldest first; return how many."""
    ages: list[tuple[float, str]] = []
    with contextlib.suppress(OSError), os.scandir(state_folder / _JOBS) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    ages.append((entry.stat(follow_symlinks=False).st_mtime, entry.path))
    ages.sort(reverse=True)
    oldest = (time.time() if now is None else now) - keep_seconds
    removed = 0
    for position, (modified, path) in enumerate(ages):
        if position >= keep_files or modified < oldest:
            with contextlib.suppress(OSError):
                Path(path).unlink()
                removed += 1
    return removed


def _is_usable(folder: Path, *, parents: bool = False) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=parents, exist_ok=True)
        (folder / _JOBS).mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK) and os.access(folder / _JOBS, os.W_OK | os.X_OK)

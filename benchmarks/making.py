"""Runs of `mkiso make` and `mkiso batch` as a person would start them, timed."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from archives import Archive
from programs import MKISO, ProgramFailed, timed


def settings(folder: Path) -> list[str]:
    """Return what keeps a run away from the settings and the state of this machine."""
    empty = folder / "mkiso.toml"
    empty.touch()
    return ["--config", str(empty), "--set", f"state.folder={folder / 'state'}"]


def nodes(archive: Archive) -> list[str]:
    """Return the options that name the archive and ourselves."""
    return [
        "--archive", f"ABPACS@127.0.0.1:{archive.port}",
        "--receiver", f"CDRECORD@127.0.0.1:{archive.receiver_port}",
    ]  # fmt: skip


def make_command(archive: Archive, accession: str, folder: Path, *more: str) -> list[str]:
    """Return the command line of one disc in `folder`, which is made."""
    folder.mkdir(parents=True)
    return [
        *MKISO, "make", accession, "--json", "--progress", "none", *nodes(archive),
        *settings(folder), "--output", str(folder / "discs"), *more,
    ]  # fmt: skip


def make(
    archive: Archive, accession: str, folder: Path, viewer: str = "none", *more: str
) -> dict[str, Any]:
    """Make one disc, and return what it took: the folder is removed.

    seconds, cpu_seconds and peak_mib are of the whole process, `move` from the C-MOVE request to
    its final response, `stages` as the report has them.
    """
    took = timed(make_command(archive, accession, folder, "--viewer", viewer, *more), codes=())
    report = require_ok(took.output)
    made = {
        "seconds": took.seconds,
        "cpu_seconds": took.cpu_seconds,
        "peak_mib": took.peak_mib,
        "move": move_seconds(Path(report["log"])),
        "stages": report["seconds"],
        "instances": report["received"],
        "size_bytes": sum(disc["size_bytes"] for disc in report["discs"]),
        "viewer_bytes": sum(
            (disc["viewer"] or {}).get("size_bytes", 0) for disc in report["discs"]
        ),
    }
    shutil.rmtree(folder, ignore_errors=True)
    return made


def batch(archive: Archive, listed: Path, folder: Path, viewer: str = "none") -> dict[str, Any]:
    """Make the discs of a list; the folder is removed."""
    folder.mkdir(parents=True)
    took = timed([
        *MKISO, "batch", str(listed), "--json", "--viewer", viewer, *nodes(archive),
        *settings(folder), "--output", str(folder / "discs"),
    ], codes=())  # fmt: skip
    require_ok(took.output)
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "seconds": took.seconds, "cpu_seconds": took.cpu_seconds, "peak_mib": took.peak_mib,
    }  # fmt: skip


def require_ok(output: str) -> dict[str, Any]:
    """Return the report of a run; raises ProgramFailed when it says that something went wrong."""
    if not output.strip():
        raise ProgramFailed("mkiso ended without a report")
    report = json.loads(output)
    if report["code"]:
        log = Path(report.get("log") or "/dev/null")
        tail = log.read_text(errors="replace")[-1500:] if report["code"] == 70 else ""
        raise ProgramFailed(f"mkiso ended with {report['code']}: {report['message']} {tail}")
    return report


def move_seconds(log: Path) -> float:
    """Return the time from the C-MOVE request to its final response, as the job's log has it."""
    moments = [
        datetime.fromisoformat(line.split("Z ", 1)[0])
        for line in log.read_text().splitlines()
        if "Z C-MOVE" in line
    ]
    return (moments[-1] - moments[0]).total_seconds() if moments else 0.0

"""The machine that measures: what it is, and whether it has anything else to do."""

import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from programs import MKISO

#: Above this load a core, figures are only trials.
MOST_LOAD_A_CORE = 0.5
#: Busy with others' work: so many cores of all.
MOST_BUSY_CORES = 0.25


def describe(folder: Path) -> dict[str, Any]:
    """Return what a reader of the figures wants to know."""
    free = shutil.disk_usage(folder)
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "architecture": platform.machine(),
        "memory_gib": round(_memory_kib() / 2**20, 1),
        "kernel": platform.release(),
        "file_system": _file_system(folder),
        "disk_free_gib": round(free.free / 2**30),
        "python": platform.python_version(),
        "mkiso": _first_line(*MKISO, "--version"),
        "dcmtk": _first_line("storescp", "--version"),
        "orthanc": _first_line(
            shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin") or "Orthanc",
            "--version",
        ),
        "genisoimage": _first_line("genisoimage", "--version"),
        "xorriso": _first_line("xorriso", "-version"),
    }


def load_average() -> float:
    return round(os.getloadavg()[0], 2)


def busy_cores(seconds: float = 1.0) -> float:
    """Return how many cores were busy for so long, while this program slept.

    The load average of a machine that has just measured something says nothing.
    """
    before, total_before = _ticks()
    time.sleep(seconds)
    after, total_after = _ticks()
    share = (after - before) / max(1, total_after - total_before)
    return round(share * (os.cpu_count() or 1), 2)


def is_loaded(load: float) -> bool:
    return load > MOST_LOAD_A_CORE * (os.cpu_count() or 1)


def _ticks() -> tuple[int, int]:
    """Return (ticks that were not idle, all ticks) since the start of the machine."""
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _memory_kib() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1])


def _file_system(folder: Path) -> str:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    path = str(folder.resolve())
    at = [m for m in mounts if path == m[1] or path.startswith(m[1].rstrip("/") + "/")]
    return max(at, key=lambda m: len(m[1]))[2] if at else "?"


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return "not installed"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip("$ ") if lines else "?"

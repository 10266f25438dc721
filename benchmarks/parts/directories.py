"""Part 3: DICOMDIR from headers, beside dcmmkdir."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chain import TUNED, environment
from lab import Lab, own
from programs import TooSlow, timed
from results import Row
from studies import Study

_NOTE = (
    "ours from headers that are parsed already, as in a job, which parses them while they arrive; "
    "dcmmkdir reads them itself"
)


def measure(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Compare at each size; the time per instance must not grow."""
    per_instance = {}
    before = 0.0  # what dcmmkdir took for an instance of the size before
    for count in lab.sizes.directories:
        folder = lab.studies(f"headers-{count}", [Study("HEADERS", count, 16, 1 + count // 1000)])
        disc = lab.new_folder()
        disc.mkdir()
        (disc / "DICOM").symlink_to(folder)
        ours, theirs, headers, peaks, peer_peaks, note = [], [], [], [], [], _NOTE
        limit = lab.sizes.dcmmkdir_limit_seconds
        turns = lab.rounds if count == min(lab.sizes.directories) else 1
        if before * count > limit:
            turns, note = 0, f"dcmmkdir would take {before * count:.0f} s at least, and was not run"
        for turn in range(lab.rounds):
            if turn < turns:
                try:
                    took = timed(_dcmmkdir(disc), env=environment(TUNED), limit_seconds=limit)
                    theirs.append(took.seconds)
                    peer_peaks.append(took.peak_mib)
                except TooSlow as error:
                    turns, note = 0, str(error)
            said = json.loads(timed(own("directory", str(folder))).output)
            ours.append(said["directory"])
            headers.append(said["headers"])
            peaks.append(said["peak_mib"])
        before = statistics.median(theirs) / count if theirs else limit / count
        per_instance[count] = statistics.median(ours) / count
        extra[f"directory.{count}"] = {
            "seconds of reading the headers": headers,
            "per instance (ms)": 1000 * per_instance[count],
        }
        yield Row(
            f"directory.{count}", f"DICOMDIR of {count:,} instances", "dcmmkdir", ours, theirs,
            1.5, note=note, peak_mib=max(peaks), peer_peak_mib=max(peer_peaks, default=None),
        )  # fmt: skip
        with_headers = [a + b for a, b in zip(ours, headers, strict=True)]
        yield Row(
            f"directory.{count}.headers", "The same with the reading of the headers", "dcmmkdir",
            with_headers, theirs,
        )  # fmt: skip
        lab.remove(disc)
        lab.remove(folder)
    least, most = min(per_instance), max(per_instance)
    yield Row(
        "directory.linear",
        f"DICOMDIR: time per instance at {most:,} over that at {least:,}",
        ours=[per_instance[most] / per_instance[least]],
        wanted=1.2,
        kind="value",
        unit="times",
    )


def _dcmmkdir(disc: Path) -> list[str]:
    """Return the command; the DICOMDIR is a new one each time."""
    (disc / "DICOMDIR").unlink(missing_ok=True)
    return ["dcmmkdir", "+I", "+r", "+id", str(disc), "+D", str(disc / "DICOMDIR"), "DICOM"]

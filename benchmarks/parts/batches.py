"""Part 8: `mkiso batch` beside the archive's own sending of the same studies."""

import time
from collections.abc import Iterator
from typing import Any

from archives import Archive
from chain import TUNED, find_study, move_study, storescp
from lab import Lab
from making import batch
from results import Row
from studies import Study


def measure(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Compare in turns: findscu and movescu into storescp, job by job, and whole discs."""
    jobs, slices = lab.sizes.batch_jobs, lab.sizes.batch_slices
    studies = [Study(f"B{n:05d}", slices, number=100 + n) for n in range(1, jobs + 1)]
    folder = lab.studies("batch", studies)
    listed = lab.folder / "batch.list"
    listed.write_text("\n".join(study.accession_number for study in studies))
    archive = lab.archive("dcmqrscp", folder)
    alone, made, peaks, peer_peak = [], [], [], 0.0
    for _ in range(lab.rounds):
        seconds, peak = _archives_own_time(lab, archive, studies)
        alone.append(seconds)
        peer_peak = max(peer_peak, peak)
        lab.settle()
        made.append(batch(archive, listed, lab.new_folder()))
        peaks.append(made[-1]["peak_mib"])
    extra["batch"] = {
        "CPU a disc (ms)": [1000 * run["cpu_seconds"] / jobs for run in made],
        "discs an hour": [3600 * jobs / run["seconds"] for run in made],
    }
    yield Row(
        "batch",
        f"Batch of {jobs} discs of {slices} slices, without viewer",
        "findscu + movescu alone",
        [run["seconds"] for run in made],
        alone,
        1.3,
        note="theirs is dcmqrscp sending to storescp, job by job: no disc, nothing verified",
        peak_mib=max(peaks),
        peer_peak_mib=peer_peak,
    )


def _archives_own_time(lab: Lab, archive: Archive, studies: list[Study]) -> tuple[float, float]:
    """Return (seconds of findscu and movescu for all jobs together, peak of storescp)."""
    folder = lab.new_folder()
    folder.mkdir()
    lab.settle()
    with storescp(archive.receiver_port, folder, TUNED) as receiver:
        seconds = 0.0
        for study in studies:
            began = time.monotonic()
            move_study(archive.port, find_study(archive.port, study.accession_number, TUNED), TUNED)
            seconds += time.monotonic() - began
    lab.remove(folder)
    return seconds, receiver.peak_mib

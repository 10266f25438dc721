"""Time `mkiso batch` against the archive's own sending, in turns in one run, with dcmqrscp.

    python benchmarks/batch.py [--jobs N] [--slices N] [--rounds N] [--viewer MODE] [--output FILE]

The archive's own time is findscu and movescu into storescp, one accession number after another: it
makes no disc, checks nothing and writes without fsync. mkiso makes, verifies and publishes a disc
image of each. Ratios, not seconds, are what to compare: both sides share the noise of one run, but
not evenly, since mkiso has more processes' worth of work to share the cores with.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import archives
from chain import TUNED, find_study, move_study, start_storescp
from slices import write_studies

WANTED_RATIO = 1.3


def archives_own_time(archive: archives.Archive, numbers: list[str], folder: Path) -> float:
    """Return the seconds of findscu and movescu, all jobs together."""
    folder.mkdir()
    receiver = start_storescp(archive.receiver_port, folder, TUNED)
    try:
        seconds = 0.0
        for number in numbers:
            began = time.monotonic()
            move_study(archive.port, find_study(archive.port, number, TUNED), TUNED)
            seconds += time.monotonic() - began
    finally:
        receiver.terminate()
        receiver.wait(timeout=10)
        shutil.rmtree(folder)
    return seconds


def run_batch(archive: archives.Archive, listed: Path, folder: Path, viewer: str) -> dict:
    """Return seconds, CPU seconds and peak memory of one `mkiso batch`, start-up included."""
    folder.mkdir()
    command = [
        sys.executable, "-m", "mkiso", "batch", str(listed), "--json", "--viewer", viewer,
        "--archive", f"ABPACS@127.0.0.1:{archive.port}",
        "--receiver", f"CDRECORD@127.0.0.1:{archive.receiver_port}",
        "--output", str(folder / "discs"), "--set", f"state.folder={folder / 'state'}",
    ]  # fmt: skip
    began = time.monotonic()
    with (folder / "report.json").open("wb") as report:
        process = subprocess.Popen(command, stdout=report)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    result = json.loads((folder / "report.json").read_text())
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"mkiso batch failed: {result['message']}")
    shutil.rmtree(folder)
    return {
        "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--viewer", default="none")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="mkiso-bench-") as name:
        folder = Path(name)
        numbers = write_studies(folder / "slices", options.jobs, options.slices)
        (folder / "list").write_text("\n".join(numbers))
        with archives.dcmqrscp(folder / "slices", folder / "archive", TUNED) as archive:
            for _ in range(options.rounds):
                alone = archives_own_time(archive, numbers, folder / "received")
                made = run_batch(archive, folder / "list", folder / "made", options.viewer)
                rows.append({**made, "alone": alone, "ratio": made["seconds"] / alone})
                print(json.dumps(rows[-1]), file=sys.stderr)
    ratio = statistics.median(row["ratio"] for row in rows)
    alone = statistics.median(row["alone"] for row in rows)
    seconds = statistics.median(row["seconds"] for row in rows)
    cpu = statistics.median(row["cpu"] for row in rows)
    peak = max(row["peak_mib"] for row in rows)
    what = f"{options.jobs} jobs of {options.slices} CT slices of 527 KB, viewer {options.viewer}"
    where = f"{os.cpu_count()} cores, {platform.machine()}, dcmqrscp"
    times = f"{alone:.1f} s | {seconds:.1f} s | **{ratio:.2f}** | {WANTED_RATIO}"
    lines = [
        f"{what}; {where}; medians of {options.rounds} rounds in turns:",
        "",
        "| archive alone | mkiso batch | ratio | wanted | CPU of mkiso | peak memory |",
        "|---|---|---|---|---|---|",
        f"| {times} | {1000 * cpu / options.jobs:.0f} ms a job | {peak:.0f} MiB |",
    ]
    text = "\n".join(lines)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()

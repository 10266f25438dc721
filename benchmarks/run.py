"""Time `mkiso make` against the dcmtk chain, in turns in one run, with dcmqrscp and with Orthanc.

    python benchmarks/run.py [--slices N] [--rounds N] [--shipped-rounds N] [--output FILE]

Prints a Markdown table of medians and ratios. Ratios, not seconds, are what to compare: machines
are noisy, and both sides share the noise of one run.
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
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import archives
from chain import SHIPPED, TUNED, run_chain
from slices import ACCESSION_NUMBER, write_large_object, write_slices

ARCHIVES = (archives.dcmqrscp, archives.orthanc)


def run_mkiso(archive: archives.Archive, folder: Path) -> dict:
    """Return seconds, seconds of the retrieval, and peak memory of one `mkiso make`."""
    folder.mkdir()
    command = [
        sys.executable, "-m", "mkiso", "make", ACCESSION_NUMBER, "--json", "--progress", "none",
        "--viewer", "none",  # the chain makes none; benchmarks/viewer.py has what it costs
        "--archive", f"ABPACS@127.0.0.1:{archive.port}",
        "--receiver", f"CDRECORD@127.0.0.1:{archive.receiver_port}", "--output", str(folder),
    ]  # fmt: skip
    started = time.monotonic()
    with (folder / "report.json").open("wb") as report:
        process = subprocess.Popen(command, stdout=report)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    report = json.loads((folder / "report.json").read_text())
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"mkiso make failed: {report['message']}")
    shutil.rmtree(folder)
    return {
        "seconds": seconds,
        "move": move_seconds(Path(report["log"])),
        "stages": report["seconds"],
        "peak_mib": usage.ru_maxrss / 1024,
    }


def move_seconds(log: Path) -> float:
    """Return the time from the C-MOVE request to its final response, as the job's log has it."""
    moments = [
        datetime.fromisoformat(line.split("Z ", 1)[0])
        for line in log.read_text().splitlines()
        if "Z C-MOVE" in line
    ]
    return (moments[-1] - moments[0]).total_seconds()


def compare(make_archive, slices: Path, folder: Path, rounds: int, shipped_rounds: int) -> dict:
    """Return the medians of mkiso and of both chains with one archive."""
    mkiso, tuned, shipped = [], [], []
    with make_archive(slices, folder / "archive-tuned", TUNED) as archive:
        for number in range(rounds):
            args = (archive.port, archive.receiver_port, ACCESSION_NUMBER, folder / f"c{number}")
            tuned.append(run_chain(*args, TUNED))
            mkiso.append(run_mkiso(archive, folder / f"m{number}"))
    if shipped_rounds:
        with make_archive(slices, folder / "archive-shipped", SHIPPED) as archive:
            for number in range(shipped_rounds):
                args = (archive.port, archive.receiver_port, ACCESSION_NUMBER)
                shipped.append(run_chain(*args, folder / f"s{number}", SHIPPED))
    return {"archive": archive.name, "mkiso": mkiso, "tuned": tuned, "shipped": shipped}


def row(result: dict) -> str:
    """Return the line of the table for one archive."""
    mkiso = statistics.median(run["seconds"] for run in result["mkiso"])
    move = statistics.median(run["move"] for run in result["mkiso"])
    tuned = statistics.median(seconds for seconds, _ in result["tuned"])
    tuned_move = statistics.median(seconds for _, seconds in result["tuned"])
    ratio = statistics.median(
        run["seconds"] / chain[0]
        for run, chain in zip(result["mkiso"], result["tuned"], strict=True)
    )
    move_ratio = statistics.median(
        run["move"] / chain[1] for run, chain in zip(result["mkiso"], result["tuned"], strict=True)
    )
    if result["shipped"]:
        shipped = statistics.median(seconds for seconds, _ in result["shipped"])
        shipped_columns = f"{shipped:.1f} s | {mkiso / shipped:.3f}"
    else:
        shipped_columns = "- | -"
    peak = max(run["peak_mib"] for run in result["mkiso"])
    return (
        f"| {result['archive']} | {mkiso:.2f} s | {tuned:.2f} s | **{ratio:.2f}** "
        f"| {shipped_columns} | {move:.2f} s | {tuned_move:.2f} s | **{move_ratio:.2f}** "
        f"| {peak:.0f} MiB |"
    )


def stages(result: dict) -> str:
    """Return where the time of the last run went."""
    seconds = result["mkiso"][-1]["stages"]
    parts = ", ".join(f"{stage} {value:.2f} s" for stage, value in seconds.items())
    return f"Stages with {result['archive']}: {parts}."


COLUMNS = (
    "archive", "mkiso", "tuned chain", "ratio", "chain as shipped", "ratio",
    "C-MOVE into mkiso", "into storescp", "ratio", "peak memory of mkiso",
)  # fmt: skip


def large_object_peak(folder: Path, gib: float) -> float:
    """Return the peak memory (MiB) of mkiso for a study of one object of that size."""
    write_large_object(folder / "large", int(gib * 2**30))
    with archives.embedded(folder / "large", folder / "archive-large", TUNED) as archive:
        return run_mkiso(archive, folder / "l0")["peak_mib"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shipped-rounds", type=int, default=1)
    parser.add_argument("--large-gib", type=float, default=2)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mkiso-bench-") as name:
        folder = Path(name)
        write_slices(folder / "slices", options.slices)
        results = [
            compare(each, folder / "slices", folder, options.rounds, options.shipped_rounds)
            for each in ARCHIVES
        ]
        peak = large_object_peak(folder, options.large_gib) if options.large_gib else None
    what = f"{options.slices} CT slices of 527 KB, {os.cpu_count()} cores, {platform.machine()}"
    lines = [
        f"{what}, medians of {options.rounds} rounds in turns:",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
        *(row(result) for result in results),
        "",
        *(stages(result) for result in results),
    ]
    if peak is not None:
        lines += ["", f"One object of {options.large_gib:g} GiB: peak memory {peak:.0f} MiB."]
    text = "\n".join(lines)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()

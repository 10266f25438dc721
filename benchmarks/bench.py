"""All comparisons of mkiso with the programs that do parts of its work, side by side in one run.

    python benchmarks/bench.py [--only 1,7] [--rounds N] [--quick] [--output FOLDER] [--render]

Each part runs both sides in turns (A B A B) on this machine and prints medians and ratios with the
wanted figure beside them. What it measured is kept in results.json, part by part, so that parts may
be measured at different times; results.md, results.svg, the table in README.md and the model in
docs/performance.md are made from it (--render does only that). Ratios, not seconds, are what to
compare: machines are noisy, and both sides share the noise of one run.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import machine
import rendering
import results as kept
from lab import FULL, QUICK, Lab
from parts import (
    batches,
    costs,
    directories,
    discs,
    forwarding,
    images,
    peaks,
    receiving,
    starting,
)
from programs import ProgramFailed
from results import Part, Results, Row
from table import part_text, row_text

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent

_DCMTK = ("storescp", "storescu", "findscu", "movescu", "dcmqrscp", "dcmqridx")


@dataclass(frozen=True)
class Measurement:
    """One part: what it compares, how, and which programs it needs."""

    title: str
    measure: Callable[[Lab, dict[str, Any]], Iterator[Row]]
    programs: tuple[str, ...] = ()


PARTS = {
    1: Measurement("The receiver", receiving.store, ("storescp", "storescu")),
    2: Measurement("C-MOVE into the receiver", receiving.move, (*_DCMTK, "Orthanc")),
    3: Measurement("DICOMDIR", directories.measure, ("dcmmkdir",)),
    4: Measurement("Writing the image", images.measure, ("genisoimage", "xorriso")),
    5: Measurement(
        "From accession number to published, verified disc",
        discs.without_viewer,
        (*_DCMTK, "dcmmkdir", "genisoimage", "Orthanc"),
    ),
    6: Measurement(
        "The same with the viewer",
        discs.with_viewer,
        (*_DCMTK, "dcmmkdir", "genisoimage", "Orthanc"),
    ),
    7: Measurement("Forwarding", forwarding.measure, (*_DCMTK, "dcmsend")),
    8: Measurement("Batch", batches.measure, _DCMTK),
    9: Measurement("Start-up", starting.measure),
    10: Measurement("Memory", peaks.measure),
    11: Measurement("Points of the cost model", costs.measure, ("Orthanc",)),
}


def main() -> int:
    options = _options()
    output = options.output
    results = kept.read(output / "results.json") if output else Results()
    if options.render:
        rendering.render(results, output or HERE, options.documents)
        return 0
    os.environ["PYTHONPATH"] = f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}"
    os.environ["PATH"] += ":/usr/sbin"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is removed
    failed = False
    with contextlib.ExitStack() as stack:
        name = tempfile.mkdtemp(prefix="mkiso-bench-", dir=options.folder)
        folder = Path(name)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        load = _say_machine(results, folder)
        lab = Lab(folder, options.rounds, QUICK if options.quick else FULL)
        stack.callback(lab.close)
        began = time.monotonic()
        for number in options.only:
            part = _measure(number, lab, load, options)
            failed = failed or bool(part.failure)
            results.put(part)
            if output:
                kept.write(output / "results.json", results)
        print(f"All of it in {(time.monotonic() - began) / 60:.1f} min.")
    if output:
        rendering.render(results, output, options.documents)
    return int(failed)


def _measure(number: int, lab: Lab, load: float, options: argparse.Namespace) -> Part:
    """Run one part; what fails in it is written down, and the next one begins."""
    measurement = PARTS[number]
    print(f"{number}. {measurement.title}", flush=True)
    part = Part(
        number, measurement.title, [], lab.rounds, options.quick,
        datetime.now(timezone.utc).isoformat(timespec="seconds"), 0.0, load,
    )  # fmt: skip
    _look_for_others(part, lab)
    began = time.monotonic()
    absent = [name for name in measurement.programs if shutil.which(name) is None]
    if absent:
        part.absent = ", ".join(absent)
    else:
        try:
            for row in measurement.measure(lab, part.extra):
                part.rows.append(row)
                print(row_text(row), flush=True)
        except ProgramFailed as error:
            part.failure = str(error)
        except Exception as error:  # noqa: BLE001 - what the other parts measure is not lost
            part.failure = f"a bug in the benchmark: {error!r}"
    part.seconds = time.monotonic() - began
    _look_for_others(part, lab)
    print(part_text(part), flush=True)
    return part


def _look_for_others(part: Part, lab: Lab) -> None:
    """Note whether anybody else works here while we do not: before and after each part."""
    lab.settle()
    part.busy_cores = max(part.busy_cores, machine.busy_cores(0.2 if part.quick else 1.0))
    if part.quiet and part.busy_cores > machine.MOST_BUSY_CORES:
        part.quiet = False
        print(f"  {part.busy_cores:.1f} cores busy with other work: a trial, not a result")


def _say_machine(results: Results, folder: Path) -> float:
    results.machine = machine.describe(folder)
    for name, value in results.machine.items():
        print(f"{name}: {value}")
    load = machine.load_average()
    print(f"load: {load}")
    if machine.is_loaded(load):
        print("WARNING: the machine has other work (load above 0.5 a core): figures are trials.")
    return load


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="parts, such as 1,7")
    parser.add_argument("--rounds", type=int, help="turns of each side (3; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the command")
    parser.add_argument("--output", type=Path, help="where results.json is (benchmarks; with "
                        "--quick nothing is kept unless this is given)")  # fmt: skip
    parser.add_argument("--folder", type=Path, help="where to work ($TMPDIR); about 25 GB")
    parser.add_argument("--render", action="store_true", help="only make table and plot anew")
    parser.add_argument("--documents", type=Path, help="the folder of README.md and docs whose "
                        "tables are made anew (the project; with --quick none)")  # fmt: skip
    options = parser.parse_args()
    try:
        options.only = [int(each) for each in options.only.split(",") if each] or list(PARTS)
    except ValueError:
        parser.error("--only takes numbers, such as 1,7")
    if unknown := [each for each in options.only if each not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; there are 1 to {max(PARTS)}")
    if options.rounds is None:
        options.rounds = 1 if options.quick else 3
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.output is None and not options.quick:
        options.output = HERE
    if options.documents is None and not options.quick:  # README shows no trials of small sizes
        options.documents = PROJECT
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    sys.exit(main())

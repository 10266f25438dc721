"""What the viewer costs: mkiso make with --viewer none and full in turns, and how small pixels get.

python benchmarks/viewer.py [--slices N] [--rounds N] [--data FOLDER]

Prints medians, wall time added a slice, the peak memory of the whole process tree, and the size of
the payload of real CT and MR images against their raw pixels, before base64.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import archives
from chain import TUNED
from slices import ACCESSION_NUMBER, write_slices

PROJECT = Path(__file__).resolve().parent.parent
DATA = PROJECT.parent / "shared" / "data"
MODES = ("none", "full")


class TreeMemory:
    """Samples the memory of a process with its children: RSS, and PSS (shared pages once)."""

    def __init__(self, pid: int) -> None:
        self.rss_mib = self.pss_mib = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            pids = [self._pid]
            for pid in pids:  # grows
                with contextlib.suppress(OSError):
                    for task in Path(f"/proc/{pid}/task").iterdir():
                        pids += map(int, (task / "children").read_text().split())
            rss = pss = 0
            for pid in pids:
                try:
                    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                except OSError:
                    continue
                sizes = {line.split()[0]: line.split()[1] for line in lines[1:]}
                rss += int(sizes.get("Rss:", 0))
                pss += int(sizes.get("Pss:", 0))
            self.rss_mib = max(self.rss_mib, rss / 1024)
            self.pss_mib = max(self.pss_mib, pss / 1024)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def make(archive: archives.Archive, folder: Path, mode: str, *, memory: bool) -> dict:
    """Return seconds, CPU seconds of all processes, the report, and the memory where wanted."""
    command = [
        sys.executable, "-m", "mkiso", "make", ACCESSION_NUMBER, "--json", "--progress", "none",
        "--archive", f"ABPACS@127.0.0.1:{archive.port}", "--viewer", mode,
        "--receiver", f"CDRECORD@127.0.0.1:{archive.receiver_port}", "--output", str(folder),
    ]  # fmt: skip
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    tree = TreeMemory(process.pid) if memory else None
    stdout, _ = process.communicate()
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if tree:
        tree.stop()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report = json.loads(stdout)
    if process.returncode:
        raise SystemExit(f"mkiso make failed: {report['message']}")
    for disc in report["discs"]:
        Path(disc["path"]).unlink()
        Path(disc["path"]).with_suffix(".json").unlink()
    return {"seconds": seconds, "cpu": cpu, "report": report, "memory": tree}


def compare(slices: int, rounds: int, folder: Path) -> list[str]:
    """Return the lines about time: both modes in turns against one archive."""
    write_slices(folder / "slices", slices, noise_in_air=8)
    runs: dict[str, list[dict]] = {mode: [] for mode in MODES}
    with archives.embedded(folder / "slices", folder / "archive", TUNED) as archive:
        make(archive, folder / "out", "none", memory=False)  # warms the page cache
        for _ in range(rounds):
            for mode in MODES:
                runs[mode].append(make(archive, folder / "out", mode, memory=False))
        peak = make(archive, folder / "out", "full", memory=True)["memory"]
    medians = {mode: statistics.median(run["seconds"] for run in runs[mode]) for mode in MODES}
    added = [
        (full["seconds"] - none["seconds"]) / slices * 1000
        for none, full in zip(runs["none"], runs["full"], strict=True)
    ]
    cpu = statistics.median(
        (full["cpu"] - none["cpu"]) / slices * 1000
        for none, full in zip(runs["none"], runs["full"], strict=True)
    )
    stages = {
        mode: ", ".join(
            f"{stage} {statistics.median(r['report']['seconds'][stage] for r in runs[mode]):.2f} s"
            for stage in runs[mode][0]["report"]["seconds"]
        )
        for mode in MODES
    }
    size = runs["full"][0]["report"]["discs"][0]["viewer"]["size_bytes"]
    pairs = ", ".join(f"{ms:.2f}" for ms in added)
    ratio = medians["full"] / medians["none"]
    quickest = {mode: min(run["seconds"] for run in runs[mode]) for mode in MODES}
    least = (quickest["full"] - quickest["none"]) / slices * 1000
    return [
        f"{slices} CT slices of 512x512x16, {os.cpu_count()} cores, {rounds} pairs in turns:",
        f"  --viewer none {medians['none']:.2f} s ({stages['none']})",
        f"  --viewer full {medians['full']:.2f} s ({stages['full']})",
        f"  ratio {ratio:.2f}; added: {statistics.median(added):.2f} ms a slice ({pairs} ms)",
        f"  quickest {quickest['none']:.2f} s and {quickest['full']:.2f} s: {least:.2f} ms a slice",
        f"  CPU added, workers included: {cpu:.2f} ms a slice; load {os.getloadavg()[0]:.1f}",
        f"  viewer {size / 1e6:.1f} MB, {size / slices / (1 << 19):.1%} of the raw pixels",
        f"  peak of all processes {peak.rss_mib:.0f} MiB RSS, {peak.pss_mib:.0f} MiB PSS",
    ]


def payload_share(data: Path) -> list[str]:
    """Return the lines about size: single-frame CT and MR images of the folder, by modality.

    Test data whose pixels were replaced by noise is no image: neighbours have nothing in common.
    """
    import pydicom  # noqa: PLC0415

    from mkiso.pixels.payload import PayloadEncoder  # noqa: PLC0415

    warnings.simplefilter("ignore")
    encoder = PayloadEncoder()
    shares: dict[str, list[tuple[int, int]]] = {}  # bytes of payload, of raw pixels
    noise: list[tuple[int, int]] = []
    for path in sorted(data.rglob("*")):
        try:
            ds = pydicom.dcmread(path)
            if ds.Modality not in {"CT", "MR"} or "PixelData" not in ds or "Rows" not in ds:
                continue
            frame = ds.pixel_array
        except Exception:  # noqa: BLE001 - what is no image is none of ours
            continue
        if frame.ndim != 2 or frame.dtype.itemsize != 2:
            continue
        _, parts = encoder.encode(frame)
        found = noise if is_noise(frame) else shares.setdefault(ds.Modality, [])
        found.append((sum(map(len, parts)), frame.nbytes))
    shares["all"] = [pair for found in shares.values() for pair in found]
    if not shares["all"]:
        return [f"No CT or MR images in {data}."]
    return [
        "Payload before base64, of raw pixels:",
        *(
            f"  {name:3} {sum(c for c, _ in pairs) / sum(r for _, r in pairs):.1%} of all bytes, "
            f"{statistics.mean(c / r for c, r in pairs):.1%} the mean of {len(pairs)} images"
            for name, pairs in [*sorted(shares.items()), ("not counted, noise", noise)]
            if pairs
        ),
    ]


def is_noise(frame: Any) -> bool:
    """Tell whether a frame has no picture: its neighbours are not correlated."""
    left, right = frame[:, :-1].ravel(), frame[:, 1:].ravel()
    return left.std() > 0 and right.std() > 0 and abs(np.corrcoef(left, right)[0, 1]) < 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    if options.data.is_dir():
        print("\n".join(payload_share(options.data)), flush=True)
    with tempfile.TemporaryDirectory(prefix="mkiso-bench-") as name:
        print("\n".join(compare(options.slices, options.rounds, Path(name))))


if __name__ == "__main__":
    main()

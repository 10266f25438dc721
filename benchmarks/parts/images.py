"""Part 4: the image of the same files by mkiso, genisoimage and xorriso, each with fsync."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chain import TUNED, environment
from lab import Lab, own
from programs import Child, timed
from results import Row

_NOTE = (
    "the same files from the page cache; one fsync of the image in all three, none before "
    "(xorriso's own every 16 MiB is off); ours is the stage alone, without Python's start"
)
_OPTIONS = ("-quiet", "-iso-level", "1", "-J", "-r", "-V", "BENCH")


def measure(lab: Lab, _extra: dict[str, Any]) -> Iterator[Row]:
    """Compare in turns; sources are hard links to one set of files."""
    work = lab.new_folder()
    work.mkdir()
    tree, target = work / "tree", work / "image"
    programs = {
        "genisoimage": ["genisoimage", *_OPTIONS],
        "xorriso": ["xorriso", "-stdio_sync", "off", "-as", "mkisofs", *_OPTIONS],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ("mkiso", *programs)}
    peaks = dict.fromkeys(seconds, 0.0)
    with Child(own("image", str(lab.slices()), str(tree))) as writer:
        writer.hear()
        for _ in range(lab.rounds):
            for name, command in programs.items():
                lab.settle()
                took, peak = _foreign([*command, "-o", str(target), str(tree)], target)
                seconds[name].append(took)
                peaks[name] = max(peaks[name], peak)
            lab.settle()
            said = writer.ask(str(target))
            seconds["mkiso"].append(said["seconds"])
            peaks["mkiso"] = said["peak_mib"]
    lab.remove(work)
    for name in programs:
        yield Row(
            f"image.{name}", f"Image of {lab.sizes.slices:,} slices", name, seconds["mkiso"],
            seconds[name], 1.2, note=_NOTE, peak_mib=peaks["mkiso"], peer_peak_mib=peaks[name],
        )  # fmt: skip


def _foreign(command: list[str], target: Path) -> tuple[float, float]:
    began = time.monotonic()
    took = timed(command, env=environment(TUNED))
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    seconds = time.monotonic() - began
    target.unlink()
    return seconds, took.peak_mib

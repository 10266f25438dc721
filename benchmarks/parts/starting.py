"""Part 9: what a start costs in CPU time, interpreter included."""

from collections.abc import Iterator
from typing import Any

from lab import Lab
from programs import MKISO, timed
from results import Row

#: Arguments, exit code, seconds wanted.
_STARTS = (
    (("--version",), 0, 0.25),
    (("make", "--help"), 0, 0.4),
    (("--help",), 0, 0.4),
    (("make", "A*"), 64, 0.4),
)


def measure(lab: Lab, _extra: dict[str, Any]) -> Iterator[Row]:
    """Start each some times, in turns; the first start of all may compile."""
    timed([*MKISO, "--version"])
    seconds: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments, _, _ in _STARTS}
    peaks = dict.fromkeys(seconds, 0.0)
    for _ in range(lab.sizes.start_ups):
        for arguments, code, _ in _STARTS:
            took = timed([*MKISO, *arguments], codes=(code,))
            seconds[arguments].append(took.cpu_seconds)
            peaks[arguments] = max(peaks[arguments], took.peak_mib)
    for arguments, _, wanted in _STARTS:
        yield Row(
            f"start.{' '.join(arguments)}", f"`mkiso {' '.join(arguments)}`",
            ours=seconds[arguments], wanted=wanted, kind="value", unit="s of CPU",
            peak_mib=peaks[arguments],
        )  # fmt: skip

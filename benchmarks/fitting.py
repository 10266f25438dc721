"""The cost model: T = a + b * instances + c * bytes, fitted to the measured points of part 11."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MB = 1e6
#: A site's day, as an assumption that the reader can change.
DISCS_A_DAY, SLICES_A_DISC, SLICE_BYTES = 500, 400, 527_000


@dataclass(frozen=True)
class Cost:
    """Milliseconds: of a job, of an instance, of a megabyte."""

    name: str
    job: float
    instance: float
    megabyte: float
    error: float  # largest relative error at a measured point that is above a tenth of a second

    def seconds(self, instances: float, size_bytes: float) -> float:
        """Return what the model says."""
        return (self.job + self.instance * instances + self.megabyte * size_bytes / MB) / 1000


def costs(points: Sequence[dict[str, Any]]) -> list[Cost]:
    """Return the costs of each stage, of the viewer, and of the whole."""
    none = _at_each_size([point for point in points if point["viewer"] == "none"])
    full = _at_each_size([point for point in points if point["viewer"] == "full"])
    found = [
        _fit(stage, [(n, size, of["stages"].get(stage, 0.0)) for (n, size), of in none.items()])
        for stage in next(iter(none.values()))["stages"]
    ]
    rest = [(n, size, of["seconds"] - sum(of["stages"].values())) for (n, size), of in none.items()]
    both = [(key, none[key], full[key]) for key in none if key in full]
    return [
        *found,
        _fit("start and end", rest),
        _fit("all, without viewer", [(*key, of["seconds"]) for key, of in none.items()]),
        _fit("the viewer adds", [(*key, b["seconds"] - a["seconds"]) for key, a, b in both]),
        _fit("CPU, without viewer", [(*key, of["cpu_seconds"]) for key, of in none.items()]),
        _fit("CPU, the viewer adds", [
            (*key, b["cpu_seconds"] - a["cpu_seconds"]) for key, a, b in both
        ]),
    ]  # fmt: skip


def model_lines(points: Sequence[dict[str, Any]]) -> list[str]:
    """Return the table of the model in Markdown."""
    lines = [
        "| | a job | an instance | a megabyte | largest error at a point |",
        "|---|---|---|---|---|",
    ]
    for cost in costs(points):
        error = "-" if math.isnan(cost.error) else f"{cost.error:.0%}"
        lines.append(
            f"| {cost.name} | {cost.job:.0f} ms | {cost.instance:.3f} ms "
            f"| {cost.megabyte:.3f} ms | {error} |"
        )
    sizes = sorted({(p["instances"], p["side"], p["bytes"]) for p in points})
    told = "; ".join(f"{n:,} of {size / n / 1000:,.0f} KB" for n, _, size in sizes)
    slope, start = _memory(points)
    lines += [
        "",
        f"Measured points: {told}.",
        f"Peak memory without viewer: {start:.0f} MiB and {slope:.1f} MiB per 1,000 instances.",
    ]
    return lines


def site_lines(points: Sequence[dict[str, Any]]) -> list[str]:
    """Return what a site needs, computed from the model, in Markdown."""
    of = {cost.name: cost for cost in costs(points)}
    size = SLICES_A_DISC * SLICE_BYTES
    shares = [p["viewer_bytes"] / p["bytes"] for p in points if p["viewer"] == "full"]
    viewer_share = statistics.median(shares)

    def at(name: str) -> float:
        return of[name].seconds(SLICES_A_DISC, size)

    without, viewer = at("all, without viewer"), at("the viewer adds")
    cpu, cpu_viewer = at("CPU, without viewer"), at("CPU, the viewer adds")
    day = DISCS_A_DAY * size
    rows = [
        ("time of one disc", f"{without:.1f} s", f"{without + viewer:.1f} s"),
        (
            f"time of {DISCS_A_DAY} discs, one after another",
            f"{DISCS_A_DAY * without / 60:.0f} min",
            f"{DISCS_A_DAY * (without + viewer) / 60:.0f} min",
        ),
        (
            "CPU time of a day",
            f"{DISCS_A_DAY * cpu / 60:.0f} min",
            f"{DISCS_A_DAY * (cpu + cpu_viewer) / 60:.0f} min",
        ),
        ("received from the archive a day", f"{day / 1e9:.0f} GB", f"{day / 1e9:.0f} GB"),
        (
            "the same over 8 hours",
            f"{day * 8 / 28800 / 1e6:.0f} Mbit/s",
            f"{day * 8 / 28800 / 1e6:.0f} Mbit/s",
        ),
        (
            "images a day",
            f"{day / 1e9:.0f} GB",
            f"{day * (1 + viewer_share) / 1e9:.0f} GB",
        ),
        (
            "written to the disk a day (received, image)",
            f"{2 * day / 1e9:.0f} GB",
            f"{day * (2 + viewer_share) / 1e9:.0f} GB",
        ),
        (
            "free space for one job at work",
            f"{2 * size / 1e9:.2f} GB",
            f"{size * (2 + 2 * viewer_share) / 1e9:.2f} GB",
        ),
    ]
    what = f"{DISCS_A_DAY} discs of {SLICES_A_DISC} slices of {SLICE_BYTES // 1000} KB"
    return [
        f"| {what} | without viewer | with the viewer |",
        "|---|---|---|",
        *(f"| {name} | {a} | {b} |" for name, a, b in rows),
    ]


def _at_each_size(points: Sequence[dict[str, Any]]) -> dict[tuple[float, float], dict[str, Any]]:
    """Return medians over the rounds, by (instances, bytes)."""
    groups: dict[tuple[float, float], list[dict[str, Any]]] = {}
    for point in points:
        groups.setdefault((point["instances"], point["bytes"]), []).append(point)
    return {
        key: {
            "seconds": statistics.median(p["seconds"] for p in of),
            "cpu_seconds": statistics.median(p["cpu_seconds"] for p in of),
            "stages": {
                stage: statistics.median(p["stages"].get(stage, 0.0) for p in of)
                for stage in of[0]["stages"]
            },
        }
        for key, of in groups.items()
    }


def _fit(name: str, measured: Sequence[tuple[float, float, float]]) -> Cost:
    """Return the least squares of the relative errors; what would be negative is left out."""
    import numpy as np  # noqa: PLC0415 - the runs before must not inherit its memory

    points = np.array(measured, dtype=float)
    seconds = points[:, 2]
    columns = np.column_stack([np.ones(len(points)), points[:, 0], points[:, 1] / MB])
    weight = 1 / np.maximum(np.abs(seconds), 0.02)
    kept = [0, 1, 2]
    found = np.zeros(3)
    while kept:
        some, *_ = np.linalg.lstsq(columns[:, kept] * weight[:, None], seconds * weight, rcond=None)
        if (some >= 0).all():
            found[kept] = some
            break
        kept.pop(int(np.argmin(some)))
    large = seconds > 0.1
    errors = np.abs(columns @ found - seconds)[large] / seconds[large]
    job, instance, megabyte = 1000 * found
    return Cost(name, job, instance, megabyte, float(errors.max()) if large.any() else float("nan"))


def _memory(points: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Return (MiB per 1,000 instances, MiB of none) of the jobs without viewer."""
    import numpy as np  # noqa: PLC0415

    some = [(p["instances"], p["peak_mib"]) for p in points if p["viewer"] == "none"]
    slope, start = np.polyfit([n for n, _ in some], [mib for _, mib in some], 1)
    return max(0.0, 1000 * slope), start

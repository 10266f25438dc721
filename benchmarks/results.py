"""What was measured, as it is kept: results.json has one entry a part, measured when it was."""

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RATIO = "ratio"


@dataclass
class Row:
    """One line of the table: ours beside theirs, or a value of ours alone.

    `ours` and `theirs` have a value a round. The unit of both is `unit`; with `kind` "ratio" the
    wanted figure is of ours over theirs, else of ours.
    """

    key: str
    what: str
    peer: str = ""
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    wanted: float | None = None
    kind: str = RATIO  # or "value"
    unit: str = "s"
    note: str = ""
    peak_mib: float | None = None
    peer_peak_mib: float | None = None

    @property
    def ratios(self) -> list[float]:
        """Ours over theirs: by rounds where there are as many of both."""
        if not self.ours or not self.theirs:
            return []
        if len(self.ours) == len(self.theirs):
            return [a / b for a, b in zip(self.ours, self.theirs, strict=True)]
        return [statistics.median(self.ours) / statistics.median(self.theirs)]

    @property
    def figure(self) -> float | None:
        """What is compared with the wanted figure: the median."""
        values = self.ratios if self.kind == RATIO else self.ours
        return statistics.median(values) if values else None

    @property
    def is_reached(self) -> bool | None:
        """Whether it is as wanted; None when nothing is wanted or nothing was measured."""
        if self.wanted is None or self.figure is None:
            return None
        return self.figure <= self.wanted


@dataclass
class Part:
    """All that one part measured, with the circumstances."""

    number: int
    title: str
    rows: list[Row]
    rounds: int
    quick: bool
    measured_at: str
    seconds: float
    load: float  # load average when the command began
    busy_cores: float = 0.0  # by others' work, before and after this part
    quiet: bool = True  # nobody else worked here: results, not trials
    extra: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    absent: str = ""  # programs that are not installed: nothing was measured


@dataclass
class Results:
    """The file."""

    machine: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    def put(self, part: Part) -> None:
        self.parts[str(part.number)] = part

    @property
    def in_order(self) -> list[Part]:
        return sorted(self.parts.values(), key=lambda part: part.number)


def read(path: Path) -> Results:
    """Return what is in a file, or nothing when it is not there."""
    if not path.is_file():
        return Results()
    body = json.loads(path.read_text())
    parts = {
        name: Part(**{**part, "rows": [Row(**row) for row in part["rows"]]})
        for name, part in body["parts"].items()
    }
    return Results(body["machine"], parts)


def write(path: Path, results: Results) -> None:
    """Write aside and rename, so that a stopped run loses no earlier part."""
    body = {
        "machine": results.machine,
        "parts": {str(part.number): asdict(part) for part in results.in_order},
    }
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(_rounded(body), indent=1) + "\n")
    os.replace(aside, path)  # noqa: PTH105


def medians(runs: Sequence[dict[str, Any]], key: str = "stages") -> dict[str, float]:
    """Return the median of each stage over several runs."""
    return {
        stage: statistics.median(run[key].get(stage, 0.0) for run in runs)
        for stage in (runs[0][key] if runs else ())
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value

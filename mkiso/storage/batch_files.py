"""The summary of a batch: CSV for people and JSON for programs, under their names when whole."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from mkiso.core.batch_report import JobRow, summary_csv
from mkiso.core.report import Report
from mkiso.errors import CantCreateError


def write_summary(path: Path, report: Report, rows: Sequence[JobRow]) -> None:
    """Write `path` and its sibling: CSV, and JSON with `.json`. Raises CantCreateError."""
    as_json = path if path.suffix == ".json" else path.with_suffix(".json")
    as_csv = path if path.suffix != ".json" else path.with_suffix(".csv")
    try:
        _replace(as_csv, summary_csv(rows))
        _replace(as_json, json.dumps(report.to_dict(), indent=1) + "\n")
    except OSError as error:
        raise CantCreateError(
            f"The summary {path} cannot be written: {error.strerror}; the discs are not affected."
        ) from error


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(aside, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    aside.replace(path)

"""The summary of a batch: CSV for people and JSON for programs, under their names when whole."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from mkiso.core.batch_report import JobRow, summary_csv
from mkiso.core.report import Report
from mkiso.errors import CantCreateError
from mkiso.storage.state_folder import remove_old, write_report


def require_summary(path: Path | None) -> None:
    """Raise CantCreateError when a summary could not be written, before hours of work."""
    if path is not None and not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise CantCreateError(
            f"The summary {path} cannot be written: its folder is missing or not writable."
        )


def keep_results(
    report: Report, rows: Sequence[JobRow], state_folder: Path | None, summary: Path | None
) -> Report:
    """Write the report into the state folder, and the summary; return the report.

    When the summary fails the report says so, with 73 where all else is well.
    """
    if state_folder is not None:
        with contextlib.suppress(OSError):
            write_report(state_folder, report.job, report.to_dict())
        remove_old(state_folder)
    if summary is None:
        return report
    try:
        _write_summary(summary, report, rows)
    except OSError as error:
        failure = CantCreateError(
            f"The summary {summary} cannot be written: {error.strerror}; the discs are fine."
        )
        report = dataclasses.replace(
            report,
            code=report.code or failure.code,
            details=(*report.details, f"{failure.message} [{failure.code} {failure.name}]"),
        )
    return report


def _write_summary(path: Path, report: Report, rows: Sequence[JobRow]) -> None:
    """Write `path` and its sibling: CSV, and JSON with `.json`. Raises OSError."""
    as_json = path if path.suffix == ".json" else path.with_suffix(".json")
    as_csv = path if path.suffix != ".json" else path.with_suffix(".csv")
    _replace(as_csv, summary_csv(rows))
    _replace(as_json, json.dumps(report.to_dict(), indent=1) + "\n")


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(aside, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    aside.replace(path)

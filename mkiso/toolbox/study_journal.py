"""What a receiver has of each study since its last event: a file a study, safe across SIGKILL.

`STUDY.jsonl` grows by a line an instance. When the study has been quiet it becomes `STUDY.event`,
which stays until its program has ended well; what is found at a start is taken up again.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkiso.core.model import ReceivedInstance
from mkiso.core.record_keys import ACCESSION_NUMBER, MODALITY
from mkiso.core.text import decode
from mkiso.core.tidy_places import safe_uid

_OPEN, _DUE, _FAILED = ".jsonl", ".event", ".failed"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """A study that has been quiet: its journal, and what is told about it."""

    journal: Path
    content: dict[str, Any]


class StudyJournal:
    """The journals in one folder. `note` from one thread, `due` from another."""

    def __init__(
        self,
        folder: Path,
        output: Path,
        quiet_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use `folder`; what an earlier run left there waits for its quiet time from now."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._output = output
        self._quiet_seconds = quiet_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        now = monotonic()
        self._last = {path.name: now for path in folder.glob(f"*{_OPEN}")}
        self._undone = sorted(folder.glob(f"*{_DUE}"))

    def note(self, instance: ReceivedInstance, path: Path) -> None:
        """Write down an instance that has its place. Raises OSError."""
        line = json.dumps(
            {
                "study_instance_uid": instance.study_instance_uid,
                "path": str(path.relative_to(self._output)),
                "sop_instance_uid": instance.sop_instance_uid,
                "series_instance_uid": instance.series_instance_uid,
                "modality": _text(instance.header.series, MODALITY),
                "accession_number": _text(
                    instance.header.study, ACCESSION_NUMBER, instance.header.character_set
                ),
                "sha256": instance.sha256,
                "size_bytes": instance.size_bytes,
            }
        )
        name = f"{safe_uid(instance.study_instance_uid)}{_OPEN}"
        with self._lock:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(self._folder / name, flags, 0o600)
            try:
                os.write(descriptor, line.encode() + b"\n")
            finally:
                os.close(descriptor)
            self._last[name] = self._monotonic()

    def due(self) -> list[StudyEvent]:
        """Return the studies whose quiet time is over, each once. Raises OSError."""
        now = self._monotonic()
        with self._lock:
            quiet = [n for n, last in self._last.items() if now - last >= self._quiet_seconds]
            paths, self._undone = self._undone, []
            for name in quiet:
                del self._last[name]
                stamp = time.time_ns()
                path = (self._folder / name).with_suffix("")
                due = path.with_name(f"{path.name}-{stamp}{_DUE}")
                (self._folder / name).replace(due)
                paths.append(due)
        events = [StudyEvent(path, self._content(path)) for path in paths]
        for event in events:
            if not event.content["files"]:  # killed before the first line was written
                event.journal.unlink()
        return [event for event in events if event.content["files"]]

    def settle(self, event: StudyEvent, *, done: bool) -> None:
        """Remove the journal of an event that is done, or put it aside for a person to look at."""
        if done:
            event.journal.unlink(missing_ok=True)
        else:
            event.journal.replace(event.journal.with_suffix(_FAILED))

    def _content(self, path: Path) -> dict[str, Any]:
        lines = [_parsed(line) for line in path.read_text("utf-8").splitlines()]
        by_path = {row["path"]: row for row in lines if row}  # a line may be there twice
        rows = [row for row in by_path.values() if (self._output / row["path"]).exists()]
        first = rows[0] if rows else {}
        files = [str(self._output / row["path"]) for row in rows]
        return {
            "version": _VERSION,
            "event": "study-received",
            "study_instance_uid": first.get("study_instance_uid", ""),
            "accession_number": next((r["accession_number"] for r in rows), ""),
            "modalities": sorted({row["modality"] for row in rows} - {""}),
            "series": len({row["series_instance_uid"] for row in rows}),
            "instances": len({row["sop_instance_uid"] for row in rows}),
            "size_bytes": sum(row["size_bytes"] for row in rows),
            "folder": os.path.commonpath([str(Path(file).parent) for file in files] or [""]),
            "files": files,
        }


def _parsed(line: str) -> dict[str, Any]:
    """Return the row of a line; {} for one that a power cut left half written."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _text(level: tuple[tuple[int, bytes], ...], tag: int, character_set: str = "") -> str:
    return decode(dict(level).get(tag, b""), character_set).strip(" \0")

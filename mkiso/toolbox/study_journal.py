"""What a receiver has of each study since its last event: a file a study, safe across SIGKILL.

`STUDY.jsonl` grows by a line an instance. When the study has been quiet it becomes `STUDY.event`,
which stays until its program has ended well; what is found at a start is taken up again.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mkiso.core.model import ReceivedInstance
from mkiso.core.record_keys import ACCESSION_NUMBER, MODALITY
from mkiso.core.text import decode
from mkiso.core.tidy_places import safe_uid
from mkiso.toolbox.tidy_folder import sync_path

_OPEN, _DUE, _FAILED = ".jsonl", ".event", ".failed"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """A study that has been quiet: its journal, and what is told about it."""

    journal: Path
    content: dict[str, Any]
    senders: Mapping[str, int] = field(default_factory=dict)  # AET@ADDRESS -> instances


@dataclass(frozen=True, slots=True)
class Noted:
    """An instance, its place, and `AET@ADDRESS` of who sent it."""

    instance: ReceivedInstance
    path: Path
    sender: str = ""


class StudyJournal:
    """The journals in one folder. `note` from one thread, `due` from another."""

    def __init__(
        self,
        folder: Path,
        output: Path,
        quiet_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        durable: bool = False,
    ) -> None:
        """Use `folder`; what an earlier run left there waits for its quiet time from now."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._output = output
        self._quiet_seconds = quiet_seconds
        self._monotonic = monotonic
        self._durable = durable
        self._lock = threading.Lock()
        now = monotonic()
        self._last = {path.name: now for path in folder.glob(f"*{_OPEN}")}
        self._undone = sorted(folder.glob(f"*{_DUE}"))

    def note(self, instances: Sequence[Noted]) -> None:
        """Write down instances that get their places now. Raises OSError, then without any trace.

        With `durable` they are on the disk when it returns.
        """
        lines: dict[str, list[bytes]] = {}
        for noted in instances:
            name = f"{safe_uid(noted.instance.study_instance_uid)}{_OPEN}"
            lines.setdefault(name, []).append(_line(noted, self._output))
        with self._lock:
            for name, rows in lines.items():
                if append(self._folder / name, b"".join(rows), durable=self._durable):
                    sync_path(self._folder)
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
        events = [self._event(path) for path in paths]
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

    def _event(self, path: Path) -> StudyEvent:
        lines = [_parsed(line) for line in path.read_bytes().split(b"\n")]
        by_path = {row["path"]: row for row in lines if row}  # a line may be there twice
        rows = [row for row in by_path.values() if (self._output / row["path"]).exists()]
        senders = Counter(str(row.get("sender", "")) for row in rows)
        return StudyEvent(path, self._content(rows), senders)

    def _content(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
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


def append(path: Path, content: bytes, *, durable: bool) -> bool:
    """Add whole lines to a file, or nothing; return whether a durable one is new. Raises OSError.

    A last line that a power cut left half written is ended first.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            content = b"\n" + content
        try:
            while content:
                content = content[os.write(descriptor, content) :]
            if durable:
                os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    return durable and not size


def _line(noted: Noted, output: Path) -> bytes:
    instance = noted.instance
    row = {
        "study_instance_uid": instance.study_instance_uid,
        "path": str(noted.path.relative_to(output)),
        "sop_instance_uid": instance.sop_instance_uid,
        "series_instance_uid": instance.series_instance_uid,
        "modality": _text(instance.header.series, MODALITY),
        "accession_number": _text(
            instance.header.study, ACCESSION_NUMBER, instance.header.character_set
        ),
        "sha256": instance.sha256,
        "size_bytes": instance.size_bytes,
        "sender": noted.sender,
    }
    return json.dumps(row).encode() + b"\n"


#: What a line must have.
_ROW = {
    **dict.fromkeys(
        ("study_instance_uid", "path", "sop_instance_uid", "series_instance_uid", "modality"), str
    ),
    "accession_number": str,
    "size_bytes": int,
}


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the row of a line; {} for one that a power cut left half written."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    is_row = isinstance(row, dict) and all(isinstance(row.get(k), t) for k, t in _ROW.items())
    return row if is_row else {}


def _text(level: tuple[tuple[int, bytes], ...], tag: int, character_set: str = "") -> str:
    return decode(dict(level).get(tag, b""), character_set).strip(" \0")

"""Wakes whoever waits for changes in a folder, by the system's events; the only user of watchdog.

Events are a hint and no more: queues overflow, and a file system that another machine writes to
has none. What changed is decided by looking.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: File systems where another machine's changes make no event here.
_REMOTE = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs"}
    | {"lustre", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs"}
)
_STOP_SECONDS = 5.0


class FolderEvents:
    """When which entry of a folder changed last, on the monotonic clock."""

    def __init__(
        self,
        folder: Path,
        ignored: frozenset[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Plan to watch the entries of `folder`, but for those named in `ignored`."""
        self._folder = os.fsencode(folder.absolute())
        self._ignored = ignored
        self._monotonic = monotonic
        self._changed: dict[str, float] = {}
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._observer: Any = None

    def start(self) -> None:
        """Begin. Raises OSError when the system gives no (more) watches."""
        from watchdog.events import (  # noqa: PLC0415 - start-up time
            FileClosedEvent,
            FileCreatedEvent,
            FileDeletedEvent,
            FileModifiedEvent,
            FileMovedEvent,
            FileSystemEvent,
            FileSystemEventHandler,
        )
        from watchdog.observers import Observer  # noqa: PLC0415

        note = self._note

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                note(event.src_path, event.dest_path)

        wanted: list[type[FileSystemEvent]] = [
            FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileModifiedEvent, FileMovedEvent,
        ]  # fmt: skip
        observer = Observer()
        observer.schedule(Handler(), os.fsdecode(self._folder), recursive=True, event_filter=wanted)
        observer.start()
        self._observer = observer

    def stop(self) -> None:
        """End, if it began."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(_STOP_SECONDS)
            self._observer = None

    def wait(self, seconds: float) -> bool:
        """Wait for an event, so long at most; return whether there was one."""
        came = self._wake.wait(seconds)
        self._wake.clear()
        return came

    def last_change(self, name: str) -> float | None:
        """Return when an entry of the folder changed, None when no event was heard of it."""
        with self._lock:
            return self._changed.get(name)

    def forget(self, names: set[str]) -> None:
        """Forget all entries but `names`."""
        with self._lock:
            for name in self._changed.keys() - names:
                del self._changed[name]

    def _note(self, *paths: bytes | str) -> None:
        """Note the entries that some paths are in; called from a thread of the library."""
        for path in paths:
            if not path:
                continue
            rest = os.fsencode(path)[len(self._folder) + 1 :]
            name = os.fsdecode(rest.split(b"/", 1)[0])
            if name and name not in self._ignored and not name.startswith("."):
                with self._lock:
                    self._changed[name] = self._monotonic()
                self._wake.set()


def is_remote(folder: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> bool:
    """Return whether a folder is on a file system that other machines write to (proc(5))."""
    try:
        lines = mountinfo.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    wanted = os.path.realpath(folder)
    best, kind = "", ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = fields.split(" ")[4].replace("\\040", " ")
        inside = wanted == point or wanted.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, rest.split(" ", 1)[0]
    return kind in _REMOTE

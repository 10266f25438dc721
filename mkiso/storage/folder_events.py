"""Wakes whoever waits for changes in a folder, by the system's events; the only user of watchfiles.

Events are a hint and no more: queues overflow, and a file system that another machine writes to
has none. What changed is decided by looking.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

#: File systems where another machine's changes make no event here.
_REMOTE = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs"}
    | {"lustre", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs"}
)
_STOP_SECONDS = 5.0
#: How long events are gathered, and how soon a stop is noticed, in milliseconds.
_GATHER_MS, _NOTICE_MS = 200, 200


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
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_alive(self) -> bool:
        """Whether events are still to be expected."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin. Raises OSError when the system gives no (more) watches."""
        from watchfiles import watch  # noqa: PLC0415 - start-up time

        changes = watch(
            os.fsdecode(self._folder),
            watch_filter=None,
            debounce=_GATHER_MS,
            rust_timeout=_NOTICE_MS,
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
        )
        try:
            next(changes)  # it takes its watches with the first, which is why it waits for it
        except (OSError, RuntimeError) as error:
            raise OSError(getattr(error, "errno", 0) or 0, "no watches") from error
        self._thread = threading.Thread(
            target=self._listen, args=(changes,), name="events", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, if it began."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

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

    def _listen(self, changes: Iterator[set[tuple[Any, str]]]) -> None:
        """Note changes until the end; what fails ends it silently, since it may quote a name."""
        try:
            for some in changes:
                self._note(path for _, path in some)
        except Exception:  # noqa: BLE001 - of foreign code; whoever looks at `is_alive` will poll
            self._wake.set()

    def _note(self, paths: Iterable[str]) -> None:
        """Note the entries that some paths are in."""
        for path in paths:
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

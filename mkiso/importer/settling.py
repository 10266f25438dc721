"""Which entries of the watched folder nobody has touched for long enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mkiso.storage.folder_state import FolderState, entries, folder_state, is_being_written


@dataclass(slots=True)
class _Seen:
    digest: bytes
    changed: float  # on the monotonic clock; -inf: not since we look


@dataclass(slots=True)
class Settling:
    """Watches entries settle: by the file system's times, by what changes, by events."""

    root: Path
    settle_seconds: float
    clock_ns: Callable[[], int]  # of the file system: a share has its own
    last_event: Callable[[str], float | None] = lambda _name: None
    monotonic: Callable[[], float] = time.monotonic
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def waits(self, names: list[str]) -> Mapping[str, float]:
        """Return how many seconds each entry still has to settle; 0 or less: it has.

        Empty folders are left out, and what is gone.
        """
        now_ns = self.clock_ns()
        found: dict[str, float] = {}
        for name in names:
            try:
                state = folder_state(self.root / name, now_ns)
            except OSError:
                continue
            if state.files:
                found[name] = self._wait(name, state, now_ns)
        for name in self._seen.keys() - found.keys():
            del self._seen[name]
        return found

    def forget(self, name: str) -> None:
        """Let an entry settle anew."""
        self._seen[name] = _Seen(b"", self.monotonic())

    def _wait(self, name: str, state: FolderState, now_ns: int) -> float:
        now = self.monotonic()
        seen = self._seen.get(name)
        if seen is None:
            seen = self._seen[name] = _Seen(state.digest, float("-inf"))
        elif seen.digest != state.digest:
            self._seen[name] = seen = _Seen(state.digest, now)
        event = self.last_event(name)
        changed = seen.changed if event is None else max(seen.changed, event)
        # A clock that runs ahead is no reason to wait for ever: what we see counts then.
        quiet_ns = max(0, now_ns - state.newest_ns)
        if state.newest_ns > now_ns and changed == float("-inf"):
            self._seen[name].changed = changed = now
        quiet = min(quiet_ns / 1e9, now - changed) if state.newest_ns <= now_ns else now - changed
        return self.settle_seconds - quiet

    def is_being_written(self, name: str) -> bool:
        """Return whether somebody on this machine has a file of an entry open for writing."""
        path = self.root / name
        if not path.is_dir() or path.is_symlink():
            return is_being_written(path)
        try:
            return any(is_being_written(path / relative) for relative, _ in entries(path))
        except OSError:  # gone, or not to be read: the import says so
            return False

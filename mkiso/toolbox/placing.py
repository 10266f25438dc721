"""Accepted instances on their way from the spool to their places, written down before they go.

Several at a time: the journals are brought to the disk once for all of them. What finds no place
(its folder cannot be made, the disk is full) stays in the spool and is tried again.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from mkiso.core.model import ReceivedInstance
from mkiso.toolbox.study_journal import Noted, StudyJournal
from mkiso.toolbox.tidy_folder import TidyFolder

#: Placed together, unless `place` is called before.
_TOGETHER = 64
#: More may not wait for a place: then nothing more is accepted.
_MOST_WAITING = 2048


class Placing:
    """The instances between spool and place. `add` and `place` from any thread."""

    def __init__(self, tidy: TidyFolder, journal: StudyJournal, log: Callable[[str], None]) -> None:
        """Place into `tidy`, write down into `journal`; `log` is told of what stays behind."""
        self._tidy = tidy
        self._journal = journal
        self._log = log
        self._lock = threading.Lock()
        self._waiting: list[tuple[ReceivedInstance, str]] = []
        self._fault = ""  # the last one told of

    def add(self, instance: ReceivedInstance, sender: str = "") -> None:
        """Take an instance of the spool, and `AET@ADDRESS` of who sent it."""
        with self._lock:
            self._waiting.append((instance, sender))
            if len(self._waiting) == _TOGETHER:  # more only while some find no place
                self._place()

    def place(self) -> None:
        """Place what waits, as far as that can be done; never raises OSError."""
        with self._lock:
            if self._waiting:
                self._place()

    def require_room(self) -> None:
        """Raise OSError when too much waits in vain for its place."""
        if len(self._waiting) > _MOST_WAITING:
            raise OSError(errno.ENOSPC, f"instances find no place: {self._fault}")

    def _place(self) -> None:
        waiting, self._waiting = self._waiting, []
        ready: dict[Path, tuple[ReceivedInstance, str]] = {}
        for instance, sender in waiting:
            try:
                path = self._tidy.free_place(instance)
                if path in ready:  # it came twice: the second one is compared with the first
                    self._name(ready)
                    ready = {}
                    path = self._tidy.free_place(instance)
                if path is None:
                    instance.path.unlink()
                    continue
            except OSError as error:
                self._keep([(instance, sender)], error)
                continue
            if not path.stem.endswith(instance.sop_instance_uid):
                self._log(
                    f"{instance.sop_instance_uid} came again with another content: kept beside it"
                )
            ready[path] = (instance, sender)
        self._name(ready)
        if not self._waiting:
            self._fault = ""

    def _name(self, ready: dict[Path, tuple[ReceivedInstance, str]]) -> None:
        """Write instances down, then give them their names: killed in between, it is done again."""
        try:
            self._journal.note(
                [Noted(instance, path, sender) for path, (instance, sender) in ready.items()]
            )
        except OSError as error:
            self._keep(list(ready.values()), error)
            return
        for path, (instance, sender) in ready.items():
            try:
                instance.path.replace(path)
            except OSError as error:  # noqa: PERF203 - one that fails stops no other
                self._keep([(instance, sender)], error)

    def _keep(self, instances: Sequence[tuple[ReceivedInstance, str]], error: OSError) -> None:
        self._waiting += instances
        fault = error.strerror or str(error)
        if fault != self._fault:
            self._fault = fault
            self._log(f"{instances[0][0].sop_instance_uid} waits for its place: {fault}")

"""One thread that does in order what nobody may wait for."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable

#: So far may the work lag behind; then those who add to it wait.
_MAXIMUM_WAITING = 1024
_PAUSE_SECONDS = 0.005
#: On a machine with few processors the threads that answer the archive come first.
_NICENESS = 10


class Background:
    """A daemon thread of low priority with a bounded queue of callables."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        """Start the thread; what a callable raises is given to `failed`."""
        self._failed = failed
        # A SimpleQueue is a tenth of the cost of a Queue, and the bound is hardly ever reached
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="bookkeeping", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> None:
        """Add `work`; waits while too much is waiting already."""
        while self._queue.qsize() >= _MAXIMUM_WAITING and self._thread.is_alive():
            time.sleep(_PAUSE_SECONDS)
        self._queue.put(work)

    def do_if_idle(self, work: Callable[[], None]) -> None:
        """Add `work` unless other work waits: it will be asked for again."""
        if self._queue.empty():
            self._queue.put(work)

    def stop(self, grace_seconds: float) -> bool:
        """Finish what waits, then end; False when that takes longer than the grace."""
        self._queue.put(None)
        self._thread.join(grace_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere the priority is the process's
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while (work := self._queue.get()) is not None:
            self._do(work)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must hear of it
            self._failed(error)

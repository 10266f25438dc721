"""One thread that does in order what nobody may wait for."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

#: So far may the work lag behind; then those who add to it wait.
_MAXIMUM_WAITING = 256


class Background:
    """A daemon thread with a bounded queue of callables."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        """Start the thread; what a callable raises is given to `failed`."""
        self._failed = failed
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(_MAXIMUM_WAITING)
        self._thread = threading.Thread(target=self._run, name="bookkeeping", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> None:
        """Add `work`; waits while too much is waiting already."""
        self._queue.put(work)

    def do_if_idle(self, work: Callable[[], None]) -> None:
        """Add `work` unless other work waits: it will be asked for again."""
        if self._queue.empty():
            self._queue.put(work)

    def stop(self, grace_seconds: float) -> bool:
        """Finish what waits, then end; False when that takes longer than the grace."""
        deadline = time.monotonic() + grace_seconds
        try:
            self._queue.put(None, timeout=grace_seconds)
        except queue.Full:
            return False
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - whatever it is, the job must hear of it
                self._failed(error)

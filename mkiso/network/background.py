"""One thread that does in order what nobody may wait for, at a time when it disturbs nobody.

On a machine that also runs the archive each core is busy while instances rush in. What competes
with the receiving threads then (hashing) costs the transfer more time than it takes afterwards, on
two cores; so the work is put off, by a second at most. Where the network is the limit it is done at
once.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: How long work is put off while instances rush in, and how much of it.
_PUT_OFF_SECONDS = 1.0
_PUT_OFF_WORK = 512
#: So far may the work lag behind; then those who add to it wait.
_MAXIMUM_WAITING = 1024
_PAUSE_SECONDS = 0.004
#: Taken at a time, so that the bound holds.
_BATCH = 512
#: A second thread is worth its start from so many pieces of work on.
_WORTH_A_THREAD = 8


@dataclass(frozen=True, slots=True)
class _Work:
    do: Callable[[], None]
    prepare: Callable[[], None] | None
    since: float = field(default_factory=time.monotonic)


class Background:
    """A daemon thread with a bounded queue of work."""

    def __init__(
        self,
        failed: Callable[[Exception], None],
        *,
        is_rushed: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start the thread; what work raises is given to `failed`.

        Work is put off while `is_rushed` says so.
        """
        self._failed = failed
        self._is_rushed = is_rushed
        # A SimpleQueue is a tenth of the cost of a Queue, and the bound is hardly ever reached
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="bookkeeping", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None], prepare: Callable[[], None] | None = None) -> None:
        """Add `work`; waits while too much is waiting already.

        `prepare` is the part that may be done ahead, in another thread, or not at all.
        """
        while self._queue.qsize() >= _MAXIMUM_WAITING and self._thread.is_alive():
            time.sleep(_PAUSE_SECONDS)
        self._queue.put(_Work(work, prepare))

    def do_if_idle(self, work: Callable[[], None]) -> None:
        """Add `work` unless other work waits: it will be asked for again. It is not put off."""
        if self._queue.empty():
            self._queue.put(_Work(work, None, since=-math.inf))

    def stop(self, grace_seconds: float) -> bool:
        """Finish what waits, then end; False when that takes longer than the grace."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(grace_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            self._put_off(work)
            batch = [work]
            is_last = False
            while len(batch) < _BATCH and not is_last and not self._queue.empty():
                following = self._queue.get()
                is_last = following is None
                if following is not None:
                    batch.append(following)
            self._do_all(batch)
            if is_last:
                return

    def _put_off(self, work: _Work) -> None:
        until = work.since + _PUT_OFF_SECONDS
        while (
            not self._stopping
            and self._is_rushed()
            and time.monotonic() < until
            and self._queue.qsize() < _PUT_OFF_WORK
        ):
            time.sleep(_PAUSE_SECONDS)

    def _do_all(self, batch: list[_Work]) -> None:
        helper: threading.Thread | None = None
        if len(batch) >= _WORTH_A_THREAD and (os.cpu_count() or 1) > 1 and not self._is_rushed():
            # the second half, so that the two meet at the end
            ahead = [work.prepare for work in batch[len(batch) // 2 :] if work.prepare is not None]
            helper = threading.Thread(target=_prepare, args=(ahead,), daemon=True)
            helper.start()
        for work in batch:
            self._do(work)
        if helper is not None:
            helper.join()

    def _do(self, work: _Work) -> None:
        try:
            work.do()
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must hear of it
            self._failed(error)


def _prepare(ahead: list[Callable[[], None]]) -> None:
    with contextlib.suppress(Exception):  # the work itself meets the same error
        for prepare in ahead:
            prepare()

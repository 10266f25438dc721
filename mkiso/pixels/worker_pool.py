"""Worker processes and the jobs that wait for one: a dead worker costs a frame, not the disc."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from mkiso.errors import InternalError
from mkiso.pixels.unshowable import DECODER_CRASHED
from mkiso.pixels.worker_process import Limits, WorkerDiedError, WorkerProcess

#: More workers would take more memory than the whole run may have.
_MOST_WORKERS: Final = 4
#: So many processes in turn that do not even start, and no other is tried.
_MOST_FAILED_STARTS: Final = 3
_TICK_SECONDS: Final = 0.2


class Job(Protocol):
    """Something for a worker to do."""

    @property
    def task(self) -> dict[str, Any]:
        """What a worker is to do, as JSON."""

    def line(self, line: bytes) -> None:
        """Take one line of the worker: a letter and JSON."""

    def died(self, code: str) -> dict[str, Any] | None:
        """Take note that the worker died at it; return the task that goes on, None to give up."""

    def finished(self) -> None:
        """Take note that there will be no more lines."""


class WorkerPool:
    """Does jobs in the order they come. `submit` never waits."""

    def __init__(
        self, folder: Path, *, workers: int | None = None, limits: Limits | None = None
    ) -> None:
        """Keep what workers write in the existing `folder`. Nothing is started yet."""
        self._folder = folder
        self._limits = limits or Limits()
        self.workers = workers or min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
        self._names = itertools.count(1)
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._unfinished = 0
        self._failed_starts = 0
        self._failure: Exception | None = None
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._processes: dict[int, WorkerProcess] = {}

    def start(self) -> None:
        """Start the workers, so that they are ready when the first job comes."""
        with self._changed:
            if self._threads or self._closed:
                return
            for number in range(self.workers):
                thread = threading.Thread(
                    target=self._supervise, args=(number,), name=f"pixels-{number}", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def submit(self, job: Job) -> None:
        """Take a job; its methods are called in another thread."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is closed")
            self._waiting.append(job)
            self._unfinished += 1
            self._changed.notify()
        if not self._threads:
            self.start()

    def wait(self, tick: Callable[[], None]) -> None:
        """Wait until all jobs are done; `tick` is called now and then, and may raise.

        Raises OSError when a worker could not read or write a file, InternalError when no worker
        could be started: what they left out would look as if it could not be shown.
        """
        with self._changed:
            while self._unfinished and not self._failure:
                self._changed.wait(_TICK_SECONDS)
                self._changed.release()
                try:
                    tick()
                finally:
                    self._changed.acquire()
            if self._failure:
                raise self._failure

    @property
    def unfinished(self) -> int:
        """How many jobs are not done."""
        return self._unfinished

    def close(self) -> None:
        """End the workers, whatever they are doing; what waits is never done."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            for process in self._processes.values():
                process.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    # --- in the supervising threads

    def _supervise(self, number: int) -> None:
        """Do jobs with one process after another until the pool is closed."""
        process = self._started(number)
        try:
            while (job := self._next()) is not None:
                process = self._do(job, number, process)
                job.finished()
                with self._changed:
                    self._unfinished -= 1
                    self._changed.notify_all()
        finally:
            if process:
                process.close()

    def _do(self, job: Job, number: int, process: WorkerProcess | None) -> WorkerProcess | None:
        """Do one job; return the process that is alive afterwards."""
        task: dict[str, Any] | None = job.task
        while task is not None:
            process = process or self._started(number)
            if process is None:
                job.died(DECODER_CRASHED)
                return None
            try:
                for line in process.lines(task):
                    if line[:1] == b"X":
                        self._fail(OSError(int(line[1:]), os.strerror(int(line[1:]))))
                    job.line(line)
                task = None
            except WorkerDiedError as error:
                if not process.is_ready:
                    self._start_failed()
                process.close()
                process = None
                task = None if self._closed else job.died(error.code)
        return process

    def _next(self) -> Job | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return None if self._closed else self._waiting.popleft()

    def _started(self, number: int) -> WorkerProcess | None:
        """Return a new process; None when there cannot be one."""
        with self._changed:
            if self._closed or self._failed_starts >= _MOST_FAILED_STARTS:
                return None
            try:
                process = WorkerProcess(
                    self._folder, f"pixels{next(self._names):04d}", self._limits
                )
            except OSError:
                self._start_failed()
                return None
            self._processes[number] = process
            return process

    def _start_failed(self) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _MOST_FAILED_STARTS:
            self._fail(
                InternalError(
                    "The processes that prepare the viewer's images could not be started; "
                    "--viewer none makes a disc without them."
                )
            )

    def _fail(self, failure: Exception) -> None:
        """Let whoever waits raise, the first reason of all."""
        self._failure = self._failure or failure

"""Runs a site's program for each study received: JSON on its stdin, no shell, a deadline."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from mkiso.errors import UsageError
from mkiso.toolbox.study_journal import StudyEvent

Settle = Callable[..., None]


def require_program(text: str) -> str:
    """Return the path of a program. Raises UsageError when it cannot be run."""
    found = shutil.which(text)
    if found is None:
        raise UsageError(f"--exec {text}: there is no such program, or it may not be run.")
    return str(Path(found).absolute())


class StudyProgram:
    """One thread that runs the program for one event after the other."""

    def __init__(
        self,
        program: str,
        settle: Settle,
        *,
        timeout_seconds: float,
        pauses: tuple[float, ...],
        log: Callable[[str], None],
    ) -> None:
        """Begin; `settle(event, done=...)` is told how each ended, from the thread.

        A run that fails is tried again after each of the `pauses` (seconds).
        """
        self._program = program
        self._settle = settle
        self._timeout_seconds = timeout_seconds
        self._log = log
        self._pauses = pauses
        self._stopping = threading.Event()
        self._running: subprocess.Popen[bytes] | None = None
        self._events: queue.SimpleQueue[StudyEvent | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="study program", daemon=True)
        self._thread.start()

    def run(self, event: StudyEvent) -> None:
        """Have the program run for an event, when those before it are done."""
        self._events.put(event)

    def stop(self, grace_seconds: float) -> None:
        """Let the run that goes on end within the grace; the others wait for the next start.

        One that does not end is killed, and told again then: two at once would be worse.
        """
        self._stopping.set()
        self._events.put(None)
        self._thread.join(grace_seconds)
        running = self._running
        if running is not None:
            self._log(f"{self._program}: killed, since we end")
            _kill(running)
            self._thread.join(grace_seconds)

    def _run(self) -> None:
        while (event := self._events.get()) is not None and not self._stopping.is_set():
            done = self._attempts(event)
            if done or not self._stopping.is_set():
                self._settle(event, done=done)

    def _attempts(self, event: StudyEvent) -> bool:
        for pause in (*self._pauses, None):
            if self._attempt(event):
                return True
            if pause is not None and self._stopping.wait(pause):
                return False
        return False

    def _attempt(self, event: StudyEvent) -> bool:
        """Run the program once; whether it ended with 0 in time."""
        uid = event.content["study_instance_uid"]
        try:
            process = subprocess.Popen(
                [self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd=os.sep,
                start_new_session=True,  # its children end with it, and Ctrl-C is for us
            )
        except OSError as error:
            self._log(f"{self._program} cannot be run: {error.strerror}")
            return False
        with process:
            self._running = process
            try:
                content = json.dumps(event.content).encode() + b"\n"
                process.communicate(content, timeout=self._timeout_seconds)
            except subprocess.TimeoutExpired:
                _kill(process)
                self._log(
                    f"{self._program} for study {uid}: killed after {self._timeout_seconds:g} s"
                )
                return False
            finally:
                self._running = None
        self._log(f"{self._program} for study {uid}: ended with {process.returncode}")
        return process.returncode == 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

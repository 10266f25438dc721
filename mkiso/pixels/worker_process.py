"""One worker process as its supervisor sees it: tasks in, lines out, and how it died."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mkiso.pixels.unshowable import DECODER_CRASHED, MEMORY_LIMIT, TIME_LIMIT

#: A worker's own clock ends it first; this is for one that was stopped from outside.
_GRACE_SECONDS: Final = 20.0
_START_SECONDS: Final = 60.0
_READ_BYTES: Final = 1 << 16

# The modules are found where they are found here, in an installed package and in a checkout alike.
_BOOTSTRAP: Final = (
    "import json,sys; a=json.loads(sys.argv[1]); sys.path[:]=a.pop('path'); "
    "from mkiso.pixels.worker import main; main(**a)"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker may use."""

    frame_seconds: int = 60  # until the next frame is there
    memory_bytes: int = 1 << 30  # of address space


class WorkerDiedError(Exception):
    """The process is gone, or was ended; `code` is a reason of `unshowable`."""

    def __init__(self, code: str) -> None:
        """Keep the reason."""
        super().__init__(code)
        self.code = code


class WorkerProcess:
    """A running worker. Not to be used by two threads at once, but for `kill`."""

    def __init__(self, folder: Path, name: str, limits: Limits) -> None:
        """Start the process; it is ready when its first line comes. Raises OSError."""
        arguments = {
            "path": sys.path,
            "folder": str(folder),
            "name": name,
            "frame_seconds": limits.frame_seconds,
            "memory_bytes": limits.memory_bytes,
        }
        # one thread for linear algebra that nobody does here: each reserves address space
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._limits = limits
        self._process = subprocess.Popen(
            [sys.executable, "-E", "-c", _BOOTSTRAP, json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
        )
        self._buffer = b""
        self._poll = select.poll()
        if self._process.stdout:
            self._poll.register(self._process.stdout, select.POLLIN)
        self.is_ready = False  # whether it ever worked

    def lines(self, task: dict[str, Any]) -> Iterator[bytes]:
        """Send a task and yield its lines without D. Raises WorkerDiedError."""
        if not self.is_ready:
            self._line(_START_SECONDS)
            self.is_ready = True
        try:
            self._send(json.dumps(task).encode("ascii") + b"\n")
        except OSError as error:
            raise WorkerDiedError(self._cause()) from error
        while (line := self._line(self._limits.frame_seconds + _GRACE_SECONDS)) != b"D":
            yield line

    def kill(self) -> None:
        """End the process, at any time, from any thread, without an error."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it."""
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _send(self, line: bytes) -> None:
        assert self._process.stdin  # noqa: S101 - a pipe was asked for
        view = memoryview(line)
        while view:
            view = view[os.write(self._process.stdin.fileno(), view) :]

    def _line(self, timeout_seconds: float) -> bytes:
        """Return the next line. Raises WorkerDiedError."""
        assert self._process.stdout  # noqa: S101 - a pipe was asked for
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_seconds
        pieces = [self._buffer]
        while b"\n" not in pieces[-1]:
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self.kill()
                raise WorkerDiedError(TIME_LIMIT)
            read = os.read(descriptor, _READ_BYTES)
            if not read:
                raise WorkerDiedError(self._cause())
            pieces.append(read)
        line, _, self._buffer = b"".join(pieces).partition(b"\n")
        return line

    def _cause(self) -> str:
        """Return why the process has died."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        status = self._process.returncode
        if status == -signal.SIGALRM:
            return TIME_LIMIT
        if status == -signal.SIGKILL:  # the kernel's answer when the machine has no memory left
            return MEMORY_LIMIT
        return DECODER_CRASHED

"""Programs that are started, timed, and ended for certain."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MKISO = (sys.executable, "-m", "mkiso")
DEADLINE_SECONDS = 600.0


class ProgramFailed(Exception):  # noqa: N818 - what it says
    """A program of the benchmark did not do what it should; the part it belongs to ends."""


class TooSlow(ProgramFailed):
    """It was killed at its time limit."""


@dataclass(frozen=True)
class Took:
    """What one run took. The peak is of the largest process, and never below the benchmark's own.

    (Linux counts the memory of the process that starts another: that is why this program imports
    neither numpy nor pydicom.)
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    output: str


def timed(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    limit_seconds: float = DEADLINE_SECONDS,
    codes: Sequence[int] = (0,),
) -> Took:
    """Run a program to its end; raises ProgramFailed, or TooSlow at the limit.

    Without `codes` every exit code will do.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=errors)  # fmt: skip
        late = threading.Event()
        timer = threading.Timer(limit_seconds, lambda: (late.set(), process.kill()))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # somebody stops the benchmark
            process.kill()
            process.wait(timeout=10)
            raise
        finally:
            timer.cancel()
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # it was waited for here
        out.seek(0)
        output = out.read().decode(errors="replace")
        if late.is_set():
            raise TooSlow(f"{Path(command[0]).name} did not end within {limit_seconds:g} s")
        if codes and process.returncode not in codes:
            errors.seek(0)
            said = (errors.read().decode(errors="replace") or output)[-800:]
            raise ProgramFailed(f"{Path(command[0]).name} ended with {process.returncode}: {said}")
    cpu = usage.ru_utime + usage.ru_stime
    return Took(seconds, cpu, usage.ru_maxrss / 1024, output)


class Child:
    """A program that answers lines with lines of JSON. Ended for certain on leaving."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        end(self._process)

    def hear(self, limit_seconds: float = DEADLINE_SECONDS) -> dict[str, Any]:
        """Return the next object that it says."""
        timer = threading.Timer(limit_seconds, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise ProgramFailed(f"{self._process.args[1]} ended, or was silent for too long")
        return json.loads(line)

    def ask(self, line: str) -> dict[str, Any]:
        """Say a line and return the answer."""
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self.hear()


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that were free a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for_port(process: subprocess.Popen, port: int, limit_seconds: float = 60.0) -> None:
    """Wait until somebody listens. Raises ProgramFailed when it ends before, or does not."""
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.005)
    raise ProgramFailed(f"{process.args[0]} does not listen on port {port}")


@contextlib.contextmanager
def running(command: Sequence[str], **options) -> Iterator[subprocess.Popen]:
    """Run a program beside; it is ended afterwards, whatever happens."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen) -> float:
    """End a program; returns its peak memory in MiB (0 when it was waited for before)."""
    if process.returncode is not None:
        return 0.0
    process.terminate()
    timer = threading.Timer(10, process.kill)
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        process.wait(timeout=10)
        return 0.0
    finally:
        timer.cancel()
    return usage.ru_maxrss / 1024

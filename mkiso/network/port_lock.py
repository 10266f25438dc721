"""The lock on a receiver's port, shared by all users of the machine and freed by the kernel.

An abstract Unix socket (Linux) has no file and no owner, so a run by another user sees it, too, and
it is gone with the process, SIGKILL included. Elsewhere a lock file in the temporary folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mkiso.errors import PermissionDeniedError, TemporaryError

_POLL_SECONDS = 0.25


def _say_nothing(_sentence: str) -> None:
    """Nobody wants to know that we wait."""


def _always_running() -> None:
    """Nobody stops the wait."""


class PortLock:
    """The right to receive on one port of this machine."""

    def __init__(self, port: int) -> None:
        """Plan the lock for `port`; nothing is held yet."""
        self.port = port
        self._socket: socket.socket | None = None
        self._file = -1

    def acquire(
        self,
        wait_seconds: float,
        say: Callable[[str], None] = _say_nothing,
        monotonic: Callable[[], float] = time.monotonic,
        require_running: Callable[[], None] = _always_running,
    ) -> None:
        """Take the lock, waiting for another run at most that long; `say` is told once.

        Raises TemporaryError when it is still held then, and what `require_running` raises.
        """
        end = monotonic() + wait_seconds
        said = False
        while not self._try():
            remaining = end - monotonic()
            if remaining <= 0:
                raise TemporaryError(
                    f"Port {self.port} is in use by another run of mkiso; try again later, or "
                    "wait longer with --lock-wait."
                )
            if not said:
                say(
                    f"Another run of mkiso receives on port {self.port}; waiting for it, at most "
                    f"{wait_seconds:g} s."
                )
                said = True
            require_running()
            time.sleep(min(_POLL_SECONDS, remaining))

    def release(self) -> None:
        """Free the lock; any number of times."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> PortLock:  # noqa: PYI034 - typing.Self came with Python 3.11
        """Take the lock without waiting."""
        self.acquire(0.0)
        return self

    def __exit__(self, *_: object) -> None:
        """Free it."""
        self.release()

    def _try(self) -> bool:
        return self._try_socket() if sys.platform == "linux" else self._try_file()

    def _try_socket(self) -> bool:
        """Bind the abstract name; whoever has it bound holds the lock."""
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0mkiso-port-{self.port}")
        except OSError as error:
            lock.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        self._socket = lock
        return True

    def _try_file(self) -> bool:
        """Lock a file that every user can open."""
        path = Path(tempfile.gettempdir(), f"mkiso-port-{self.port}.lock")
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise PermissionDeniedError(
                f"The lock file {path} cannot be opened ({error.strerror}); remove it."
            ) from error
        with contextlib.suppress(OSError):
            os.fchmod(file, 0o666)  # whatever the umask says
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

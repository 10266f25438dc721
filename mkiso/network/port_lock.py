"""The receiver's port as a lock that all users of the machine share.

On Linux an abstract Unix socket: it has no file, no owner and no permissions, and the kernel frees
it with the process, however that ends. Elsewhere flock on a file in the system's folder for
temporary files, which the kernel frees likewise.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable
from types import TracebackType

from mkiso.errors import ConfigError, TemporaryError

_POLL_SECONDS = 0.2
_FALLBACK_FOLDER = "/tmp"  # noqa: S108 - shared by all users, whatever their TMPDIR says


class PortLock:
    """The lock of one port. One object, one holder; not for several threads at once."""

    def __init__(
        self, port: int, *, abstract: bool = sys.platform == "linux", name: str = ""
    ) -> None:
        """Plan the lock of `port`; nothing is taken before `acquire`."""
        self._port = port
        self._name = f"{port}{name}"
        self._abstract = abstract
        self._socket: socket.socket | None = None
        self._descriptor = -1

    def acquire(
        self,
        wait_seconds: float,
        *,
        say: Callable[[str], None] = lambda _sentence: None,
        require_running: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the lock, waiting up to `wait_seconds`; says once that it waits.

        Raises TemporaryError when another run still has it then, and what `require_running` raises.
        """
        deadline = monotonic() + wait_seconds
        said = has_turn = False
        with PortLock(self._port, abstract=self._abstract, name="-next") as turn:
            while True:
                # the turn first: a batch that asks again at once comes after who waits
                has_turn = has_turn or turn._try()
                if has_turn and self._try():
                    return
                remaining = deadline - monotonic()
                if remaining <= 0:
                    raise TemporaryError(
                        f"Another run of mkiso has been receiving on port {self._port} for "
                        f"{wait_seconds:g} s; try again later, or wait longer with --lock-wait."
                    )
                if not said:
                    say(
                        f"Another run of mkiso is receiving on port {self._port}; "
                        f"waiting for it, {wait_seconds:g} s at most."
                    )
                    said = True
                require_running()
                sleep(min(_POLL_SECONDS, remaining))

    def release(self) -> None:
        """Free the lock; harmless when it is not held."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> PortLock:  # noqa: PYI034 - typing.Self came with Python 3.11
        """Give the lock itself; `acquire` takes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release."""
        self.release()

    def _try(self) -> bool:
        if self._socket is not None or self._descriptor >= 0:
            raise ValueError(f"the lock of port {self._port} is held already")
        return self._try_socket() if self._abstract else self._try_file()

    def _try_socket(self) -> bool:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sock.bind(f"\0mkiso-port-{self._name}")
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise ConfigError(
                f"The lock of port {self._port} cannot be made: {error.strerror}; abstract Unix "
                "sockets must be allowed here."
            ) from error
        self._socket = sock
        return True

    def _try_file(self) -> bool:
        path = f"{_FALLBACK_FOLDER}/mkiso-port-{self._name}.lock"
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            try:  # without O_CREAT, which some kernels refuse for another user's file in /tmp
                descriptor = os.open(path, flags)
            except FileNotFoundError:
                descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        except OSError as error:
            raise ConfigError(
                f"The lock file {path} cannot be opened: {error.strerror}; remove it."
            ) from error
        with contextlib.suppress(OSError):  # another user's file is open to all already
            os.fchmod(descriptor, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

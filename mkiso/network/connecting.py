"""The TCP connection of a requestor: name, addresses, connect, all within one deadline.

Nothing here blocks for long: a job that is stopped is stopped while it waits for a black hole, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import select
import socket
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from mkiso.errors import ConfigError, TemporaryError
from mkiso.network.wire import TICK_SECONDS


class Waiting:
    """How long a connection may take, and how to end it before."""

    def __init__(
        self, seconds: float, require_running: Callable[[], None], monotonic: Callable[[], float]
    ) -> None:
        """Begin to count; `require_running` raises to end the wait."""
        self.seconds = seconds
        self._require_running = require_running
        self._monotonic = monotonic
        self._deadline = monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time has passed."""
        return self._monotonic() >= self._deadline

    def slice_seconds(self) -> float:
        """Return how long to wait before looking around again; 0 when there is no time left."""
        self._require_running()
        return min(max(0.0, self._deadline - self._monotonic()), TICK_SECONDS)


def connected_socket(host: str, port: int, where: str, waiting: Waiting) -> socket.socket:
    """Return a socket that is connected to the first address of `host` that answers.

    Raises TemporaryError when none does in time, ConfigError for a name that is none.
    """
    problem = "no address"
    for family, address in _resolve(host, port, where, waiting):
        if waiting.is_over:
            problem = f"no answer within {waiting.seconds:g} s"
            break
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # no IPv6 here, or no file handle left
            problem = error.strerror or str(error)
            continue
        try:
            _await_connected(sock, address, waiting)
        except TimeoutError:
            sock.close()
            problem = f"no answer within {waiting.seconds:g} s"
        except OSError as error:
            sock.close()
            if error.errno == errno.ECONNREFUSED:
                problem = "connection refused, nothing listens there"
            else:
                problem = error.strerror or str(error)
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise TemporaryError(
        f"{where} cannot be reached: {problem}; check that it runs, its host and port, and the "
        "firewalls between."
    )


def _await_connected(sock: socket.socket, address: Any, waiting: Waiting) -> None:
    """Connect without blocking: a blocking connect would not notice that the job was stopped."""
    sock.settimeout(0)
    code = sock.connect_ex(address)
    if code == errno.EINPROGRESS:
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLOUT)
        while not poller.poll(int(waiting.slice_seconds() * 1000) + 1):
            if waiting.is_over:
                raise TimeoutError
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _resolve(host: str, port: int, where: str, waiting: Waiting) -> list[tuple[int, Any]]:
    """Look the name up in a thread of its own: the resolver knows no deadline."""
    answers: queue.SimpleQueue[list[tuple[int, Any]] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            answers.put(error)
        except UnicodeError:  # an empty label or one of more than 63 characters
            answers.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))
        else:
            answers.put([(family, address) for family, _, _, _, address in found])

    threading.Thread(target=look_up, name="resolver", daemon=True).start()
    answer = _first(answers, waiting)
    if answer is None:
        raise TemporaryError(
            f"{where} cannot be reached: its name is not resolved in time; check the name service, "
            "or give its IP address."
        )
    if isinstance(answer, OSError):
        if answer.errno == socket.EAI_NONAME:
            raise ConfigError(
                f"The host name of {where} is unknown; correct it, or give its IP address."
            ) from answer
        raise TemporaryError(
            f"{where} cannot be reached: {answer.strerror}; check the name service, or give its "
            "IP address."
        ) from answer
    return answer


_Answer = TypeVar("_Answer")


def _first(answers: queue.SimpleQueue[_Answer], waiting: Waiting) -> _Answer | None:
    """Return what comes in time, None otherwise."""
    while not waiting.is_over:
        with contextlib.suppress(queue.Empty):
            return answers.get(timeout=waiting.slice_seconds())
    return None

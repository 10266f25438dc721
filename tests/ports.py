"""Ports for the servers of the tests: no two tests have one, and no connection takes one by chance.

A port that was free a moment ago, out of those that the kernel gives by itself, may be the next
connection's of any test that runs beside. These lie below, and are given in turn to all tests of
this machine.
"""

import fcntl
import os
import socket
import tempfile
from pathlib import Path

_LOWEST = 10200  # below: well-known ports, and those that browsers refuse
# A job in this process points the temporary folder elsewhere later.
_LAST_GIVEN = Path(tempfile.gettempdir(), f"mkiso-test-ports-{os.getuid()}")


def _range() -> range:
    try:
        words = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        low, high = int(words[0]), int(words[1])
    except (OSError, ValueError):
        low, high = 32768, 60999  # Linux's own
    if low - _LOWEST > 1000:
        return range(_LOWEST, low)
    return range(high + 1, 65536) if high < 64000 else range(_LOWEST, 65536)


PORTS = _range()


def free_port() -> int:
    """Return a port that is free, and given to nobody else before all others were."""
    for _ in PORTS:
        port = _next()
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port
    raise AssertionError("every port is taken")


def free_ports(count: int) -> list[int]:
    """Return ports that are all different."""
    return [free_port() for _ in range(count)]


def listens(port: int) -> bool:
    """Return whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _next() -> int:
    with _LAST_GIVEN.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        last = file.read()
        port = int(last) + 1 if last.isdigit() else PORTS.start
        port = port if port in PORTS else PORTS.start
        file.truncate(0)
        file.write(str(port))
    return port

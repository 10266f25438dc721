"""Our own addresses, as an archive may see them."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

from mkiso.core.job import Node, ReceiverAddress

#: Documentation addresses (RFC 5737, RFC 3849): the route to anywhere; nothing is sent there.
_ANYWHERE = ("192.0.2.1", "2001:db8::1")


def receiver_addresses(receiver: ReceiverAddress, archive: Node) -> tuple[str, ...]:
    """Return the addresses where `archive` may reach our receiver, the likeliest first."""
    if receiver.bind not in ("", "0.0.0.0", "::"):
        return (receiver.bind,)
    return addresses_towards(archive.host, archive.port)


def addresses_towards(host: str, port: int) -> tuple[str, ...]:
    """Return our addresses, first the one that the way to `host` starts from.

    A local archive may have registered us by a LAN address as well: it follows then.
    """
    found = [_source_address(host, port)]
    if found[0] is None or ipaddress.ip_address(found[0]).is_loopback:
        found += [_source_address(anywhere, port) for anywhere in _ANYWHERE]
    return tuple(dict.fromkeys(address for address in found if address))


def _source_address(host: str, port: int) -> str | None:
    """Return what the kernel would send from; connecting a UDP socket sends nothing."""
    with contextlib.suppress(OSError, UnicodeError):
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0]).split("%")[0]
    return None

"""Who may send to our receiver: addresses and AE titles, per node.

An archive reached as `localhost` whose move destination is registered by LAN address connects from
the LAN address: when the archive is local, every local address is the archive's.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable

from mkiso.core.job import Node
from mkiso.errors import ConfigError


def peer_allowed(node: Node) -> Callable[[str], bool]:
    """Return what tells whether an IP address may send to us for `node`.

    With `send_from` (addresses, networks or host names) only those; otherwise the addresses of the
    archive's host name, and all of this machine when one of them is. Raises ConfigError for a name
    that nobody knows.
    """
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for entry in node.send_from or (node.host,):
        with contextlib.suppress(ValueError):
            networks.append(ipaddress.ip_network(entry, strict=False))
            continue
        networks += [ipaddress.ip_network(address) for address in _addresses(entry, node)]
    archive_is_local = not node.send_from and any(
        _is_local(str(network.network_address)) for network in networks
    )

    def allowed(ip: str) -> bool:
        address = ipaddress.ip_address(ip)
        if any(address.version == net.version and address in net for net in networks):
            return True
        return archive_is_local and _is_local(ip)

    return allowed


def calling_ae_title_allowed(node: Node) -> Callable[[str], bool]:
    """Return what tells whether an AE title may send to us: `send_as`, by default the archive's."""
    titles = {title.strip() for title in node.send_as or (node.ae_title,)}
    return lambda title: title.strip() in titles


def _addresses(name: str, node: Node) -> set[str]:
    """Return the addresses of a host name."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"The host {name} of node {node.name} is not known here; correct it, or use an address."
        ) from error
    return {str(info[4][0]).partition("%")[0] for info in found}


def _is_local(ip: str) -> bool:
    """Whether this machine has the address: only then a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((ip, 0))
        return ip not in ("0.0.0.0", "::")
    return False

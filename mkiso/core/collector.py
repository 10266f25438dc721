"""Where the audit trail goes: what the configuration says of it, and a collector's address."""

from __future__ import annotations

import re

from mkiso.core.accessions import printable
from mkiso.core.addresses import HIGHEST_PORT, require_host
from mkiso.core.job import Collector
from mkiso.errors import ConfigError

#: Registered ports: syslog over TLS (RFC 5425), syslog over TCP (RFC 6587 names no other).
_DEFAULT_PORT = {"tls": 6514, "tcp": 601}
_ADDRESS = re.compile(
    r"(?P<scheme>tcp|tls)://(?P<host>\[[^\]]+\]|[^:/\s]+)(:(?P<port>[0-9]{1,5}))?/?"
)


def parse_collector(text: str) -> Collector:
    """Return the syslog collector of `tls://HOST[:PORT]` or `tcp://HOST[:PORT]`.

    Raises ConfigError with an example.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"{printable(text)} is no address of a syslog collector; write tls://HOST:PORT or "
            "tcp://HOST:PORT, such as tls://audit.hospital.example:6514."
        )
    scheme = match["scheme"]
    port = int(match["port"] or _DEFAULT_PORT[scheme])
    if not 1 <= port <= HIGHEST_PORT:
        raise ConfigError(f"The port in {printable(text)} must be from 1 to {HIGHEST_PORT}.")
    return Collector(require_host(match["host"], text, ConfigError), port, is_tls=scheme == "tls")

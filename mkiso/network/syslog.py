"""Syslog messages to a collector over TCP or TLS (RFC 6587, RFC 5425), within a deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable

from mkiso.core.job import Collector, Tls
from mkiso.core.syslog_message import framed
from mkiso.errors import ConfigError, MkisoError, TemporaryError
from mkiso.network.connecting import Waiting, connected_socket
from mkiso.network.tls import client_context
from mkiso.network.wire import Wire, tls_words


def send_messages(
    collector: Collector,
    tls: Tls,
    messages: Iterable[bytes],
    *,
    timeout_seconds: float,
    require_running: Callable[[], None] = lambda: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Send the messages and return when the collector has ended the connection after the last one.

    Syslog has no answers: a collector that has read everything closes its side when we close ours,
    and nothing less is taken for delivery. Raises TemporaryError, or ConfigError for certificates;
    then nobody knows what arrived, and all should be sent again.
    """
    where = f"The audit collector {collector.host}:{collector.port}"
    deadline = monotonic() + timeout_seconds
    context = client_context(tls) if collector.is_tls else None
    waiting = Waiting(timeout_seconds, require_running, monotonic)
    wire = Wire(
        connected_socket(collector.host, collector.port, where, waiting), monotonic=monotonic
    )
    try:
        if context is not None:
            wire.handshake(context, collector.host, deadline)
        for message in messages:
            wire.send(framed(message), deadline)
        if not wire.finish(deadline):
            raise TemporaryError(f"{where} did not read to the end within {timeout_seconds:g} s.")
    except ssl.SSLError as error:
        raise ConfigError(f"{where} and we do not come to terms: {tls_words(error)}.") from error
    except MkisoError as error:
        if error.message.startswith(where):
            raise
        raise type(error)(f"{where} takes no messages: {error.message}") from error
    finally:
        wire.close()

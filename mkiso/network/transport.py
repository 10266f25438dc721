"""The upper layer as the rest of the room sees it: open an association, or listen for them.

One implementation for both directions: PDU framing, length caps and deadlines are the same wherever
an association comes from (`wire`, `association`); `listener` is the acceptor's side.
"""

from __future__ import annotations

import errno
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from mkiso.core.contexts import ABSTRACT_SYNTAX_NOT_SUPPORTED, ACCEPTED, is_uid
from mkiso.errors import ConfigError, ProtocolError, TemporaryError
from mkiso.network import negotiation
from mkiso.network.association import Association
from mkiso.network.listener import Listener, plain_address
from mkiso.network.negotiation import AssociateAccept
from mkiso.network.upper_layer import (
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    ABORT_BY_USER,
    MAXIMUM_ASSOCIATE_LENGTH,
    MAXIMUM_LENGTH,
    REJECTION_WORDS,
    AcceptedContext,
    AcceptPolicy,
    AssociationLostError,
    AssociationRejectedError,
    DataSink,
    Deadlines,
    Message,
    PeerStalledError,
    ProposedContext,
    Rejection,
)
from mkiso.network.wire import Wire, read_pdu

__all__ = [
    "AcceptPolicy",
    "AcceptedContext",
    "Association",
    "AssociationLostError",
    "AssociationRejectedError",
    "DataSink",
    "Deadlines",
    "Listener",
    "Message",
    "PeerStalledError",
    "ProposedContext",
    "Rejection",
    "connect",
]

MAXIMUM_CONTEXTS = 128  # odd numbers of one byte, PS3.8 9.3.2.2


def connect(
    host: str,
    port: int,
    *,
    calling_ae_title: str,
    called_ae_title: str,
    contexts: Sequence[ProposedContext],
    deadlines: Deadlines | None = None,
    maximum_length: int = MAXIMUM_LENGTH,
    tls: ssl.SSLContext | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Association:
    """Open an association as requestor; it may have no accepted context at all.

    Contexts whose UIDs are not UIDs are not proposed and are listed as rejected.
    Raises TemporaryError (refused, unreachable, a deadline, rejected for now), ConfigError (unknown
    host, rejected for good, certificate), ProtocolError (an answer that is none).
    """
    deadlines = deadlines or Deadlines()
    where = f"{called_ae_title} at {host}:{port}"
    _require_ae_title(calling_ae_title)
    _require_ae_title(called_ae_title)
    if not 0 < port <= 65535:  # the resolver would take it modulo 65536
        raise ConfigError(f"{port} of {called_ae_title} is not a port number.")
    if len(contexts) > MAXIMUM_CONTEXTS:
        raise ValueError(f"{len(contexts)} contexts, and an association has room for 128")
    numbered = [(2 * n + 1, c) for n, c in enumerate(contexts) if _is_proposable(c)]
    request = negotiation.encode_request(
        calling_ae_title, called_ae_title, numbered, maximum_length
    )
    wire = Wire(_connect_socket(host, port, deadlines, where, monotonic), monotonic=monotonic)
    try:
        deadline = monotonic() + deadlines.association_seconds
        if tls is not None:
            _handshake(wire, tls, host, deadline, where)
        wire.send(request, deadline)
        answer = _answer(wire, deadline, calling_ae_title, where)
        accepted, rejected = _match(contexts, numbered, answer)
        address = wire.peer_address()
        return Association(
            wire,
            calling_ae_title=calling_ae_title,
            called_ae_title=called_ae_title,
            peer_address=plain_address(address[0]),
            peer_port=address[1],
            contexts=accepted,
            rejected=rejected,
            maximum_length=maximum_length,
            peer_maximum_length=answer.maximum_length,
            deadlines=deadlines,
            monotonic=monotonic,
        )
    except BaseException as error:
        if not isinstance(error, AssociationLostError | AssociationRejectedError):
            wire.abort(ABORT_BY_USER)
        wire.close()
        if type(error) in (AssociationLostError, PeerStalledError, ProtocolError):
            raise type(error)(f"No association with {where}: {error}") from error
        raise


def _answer(wire: Wire, deadline: float, calling_ae_title: str, where: str) -> AssociateAccept:
    """Read the A-ASSOCIATE-AC; an A-ASSOCIATE-RJ is raised as what it means."""
    expected = (A_ASSOCIATE_AC, A_ASSOCIATE_RJ)
    pdu_type, body = read_pdu(wire, deadline, MAXIMUM_ASSOCIATE_LENGTH, expected)
    if pdu_type == A_ASSOCIATE_AC:
        return negotiation.decode_accept(body)
    rejection = negotiation.decode_rejection(body)
    words = REJECTION_WORDS.get((rejection.source, rejection.reason), "unknown reason")
    if rejection.result == 1:
        raise AssociationRejectedError(
            f"{where} rejects associations from {calling_ae_title}: {words}; "
            "both AE titles must be the ones registered there."
        )
    raise TemporaryError(f"{where} takes no association from {calling_ae_title} now: {words}.")


def _match(
    contexts: Sequence[ProposedContext],
    numbered: Sequence[tuple[int, ProposedContext]],
    answer: AssociateAccept,
) -> tuple[dict[int, AcceptedContext], tuple[tuple[str, int], ...]]:
    """Join the answers with what was proposed; what was not answered counts as rejected."""
    proposed = dict(numbered)
    results = {a.context_id: a for a in answer.contexts}
    accepted: dict[int, AcceptedContext] = {}
    rejected = [
        (c.abstract_syntax, ABSTRACT_SYNTAX_NOT_SUPPORTED)
        for c in contexts
        if not _is_proposable(c)
    ]
    for context_id, context in proposed.items():
        result = results.get(context_id)
        if result is None or result.result != ACCEPTED:
            reason = ABSTRACT_SYNTAX_NOT_SUPPORTED if result is None else result.result
            rejected.append((context.abstract_syntax, reason))
        elif result.transfer_syntax not in context.transfer_syntaxes:
            raise ProtocolError("it accepted a transfer syntax that was not proposed.")
        else:
            scu, scp = answer.roles.get(context.abstract_syntax, (True, False))
            accepted[context_id] = AcceptedContext(
                context_id,
                context.abstract_syntax,
                result.transfer_syntax,
                scu_role=scu and context.scu_role,
                scp_role=scp and context.scp_role,
            )
    return accepted, tuple(rejected)


def _is_proposable(context: ProposedContext) -> bool:
    return is_uid(context.abstract_syntax) and all(map(is_uid, context.transfer_syntaxes))


def _require_ae_title(ae_title: str) -> None:
    if not 1 <= len(ae_title.strip()) <= 16 or not ae_title.isascii():
        raise ConfigError(f"{ae_title!r} is not an AE title: 1 to 16 ASCII characters.")


def _handshake(wire: Wire, tls: ssl.SSLContext, host: str, deadline: float, where: str) -> None:
    try:
        wire.handshake(tls, host, deadline)
    except ssl.SSLCertVerificationError as error:
        raise ConfigError(
            f"The certificate of {where} is not good: {error.verify_message}."
        ) from error
    except ssl.SSLError as error:
        raise ConfigError(f"No TLS connection with {where}: {error.reason}.") from error


def _connect_socket(
    host: str, port: int, deadlines: Deadlines, where: str, monotonic: Callable[[], float]
) -> socket.socket:
    deadline = monotonic() + deadlines.connect_seconds
    problem = "no address"
    for family, address in _resolve(host, port, deadline, where, monotonic):
        remaining = deadline - monotonic()
        if remaining <= 0:
            problem = f"no answer within {deadlines.connect_seconds:g} s"
            break
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # no IPv6 here, or no file handle left
            problem = error.strerror or str(error)
            continue
        try:
            sock.settimeout(remaining)
            sock.connect(address)
        except TimeoutError:
            sock.close()
            problem = f"no answer within {deadlines.connect_seconds:g} s"
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
    raise TemporaryError(f"{where} cannot be reached: {problem}.")


def _resolve(
    host: str, port: int, deadline: float, where: str, monotonic: Callable[[], float]
) -> list[tuple[int, Any]]:
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
    try:
        answer = answers.get(timeout=max(0.0, deadline - monotonic()))
    except queue.Empty:
        raise TemporaryError(
            f"{where} cannot be reached: its name is not resolved in time."
        ) from None
    if isinstance(answer, OSError):
        if answer.errno == socket.EAI_NONAME:
            raise ConfigError(f"The host name of {where} is unknown.") from answer
        raise TemporaryError(f"{where} cannot be reached: {answer.strerror}.") from answer
    return answer

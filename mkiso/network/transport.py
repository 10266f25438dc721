"""The upper layer as the rest of the room sees it: open an association, or listen for them.

One implementation for both directions: PDU framing, length caps and deadlines are the same wherever
an association comes from (`wire`, `association`); `listener` is the acceptor's side.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence

from mkiso.core.contexts import ABSTRACT_SYNTAX_NOT_SUPPORTED, ACCEPTED, is_uid
from mkiso.errors import ConfigError, ProtocolError, TemporaryError
from mkiso.network import negotiation
from mkiso.network.association import Association
from mkiso.network.connecting import Waiting, connected_socket
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
from mkiso.network.wire import LAST_WORDS_SECONDS, Wire, read_pdu, tls_words

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
    require_running: Callable[[], None] = lambda: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Association:
    """Open an association as requestor; it may have no accepted context at all.

    `require_running` is called several times a second while nothing comes, and raises to end it.
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
    waiting = Waiting(deadlines.connect_seconds, require_running, monotonic)
    wire = Wire(connected_socket(host, port, where, waiting), monotonic=monotonic)
    wire.require_running = require_running
    try:
        deadline = monotonic() + deadlines.association_seconds
        if tls is not None:
            _handshake(wire, tls, host, deadline, where)
        wire.send(request, deadline)
        answer = _answer(wire, deadline, calling_ae_title, where)
        accepted, rejected = _match(contexts, numbered, answer)
        address = wire.peer_address()
        wire.require_running = None  # from here on whoever waits looks for itself
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
        _raise_certificate_refused(error, wire, where)
        if not isinstance(error, AssociationLostError | AssociationRejectedError):
            wire.abort(ABORT_BY_USER)
        wire.close()
        if type(error) in _NO_ASSOCIATION:
            raise type(error)(_no_association(error, where, port, deadlines)) from error
        raise


#: What `_no_association` has words for; subclasses say what they mean themselves.
_NO_ASSOCIATION = (AssociationLostError, PeerStalledError, ProtocolError)


def _no_association(error: BaseException, where: str, port: int, deadlines: Deadlines) -> str:
    """Say what a port is that takes the connection and then is no good."""
    if isinstance(error, PeerStalledError):
        return (
            f"{where} takes the connection but says nothing in DICOM for "
            f"{deadlines.association_seconds:g} s: the archive hangs, or another program has port "
            f"{port}; check the port, or restart the archive."
        )
    return f"No association with {where}: {error} Check the port: another program may have {port}."


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
    raise TemporaryError(
        f"{where} takes no association from {calling_ae_title} now: {words}; try again later."
    )


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
        raise ConfigError(
            f"No TLS connection with {where}: {tls_words(error)}; see whether TLS is switched on "
            "there, and which certificates it takes."
        ) from error


def _raise_certificate_refused(error: BaseException, wire: Wire, where: str) -> None:
    """Tell a server that does not take our certificate from one that is gone."""
    if not isinstance(error, AssociationLostError) or not wire.is_tls:
        return
    alert = tls_words(error.__cause__)
    if "alert" not in alert:
        alert = wire.tls_alert(LAST_WORDS_SECONDS) or alert
    # Its alert is lost when the connection is reset at once; nobody else breaks off at this moment
    if "alert" in alert or isinstance(error.__cause__, OSError):
        wire.close()
        raise ConfigError(
            f"{where} ends the TLS connection ({alert or 'without a reason'}): it does not take "
            "our certificate, or wants one; see tls_certificate here and the authorities there."
        ) from error

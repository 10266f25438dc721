"""C-ECHO as SCU: is the node there, and does it know us (PS3.4 Annex A, PS3.7 9.1.5)."""

from __future__ import annotations

import time
from collections.abc import Callable

from mkiso.core.contexts import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from mkiso.core.dimse_status import Outcome, Service, describe, error_for, meaning_of
from mkiso.core.job import Node
from mkiso.errors import ProtocolError
from mkiso.network import dimse
from mkiso.network.tls import client_context
from mkiso.network.transport import (
    Association,
    AssociationLostError,
    Deadlines,
    Message,
    PeerStalledError,
    ProposedContext,
    connect,
)

_TICK_SECONDS = 0.25
_TRANSFER_SYNTAXES = (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)


def echo(
    node: Node,
    *,
    calling_ae_title: str,
    deadlines: Deadlines | None = None,
    require_running: Callable[[], None] = lambda: None,
) -> None:
    """Send one C-ECHO to `node` and return when it was answered with success.

    `require_running` is called several times a second while nothing comes, and raises to end it.
    Raises as `connect` does (75, 76, 78), ProtocolError when the node does not do C-ECHO or answers
    with a failure.
    """
    deadlines = deadlines or Deadlines(connect_seconds=node.connect_timeout_seconds)
    association = connect(
        node.host,
        node.port,
        calling_ae_title=calling_ae_title,
        called_ae_title=node.ae_title,
        contexts=[ProposedContext(VERIFICATION, _TRANSFER_SYNTAXES)],
        deadlines=deadlines,
        require_running=require_running,
        maximum_length=node.maximum_length,
        tls=client_context(node.tls),
    )
    with association:
        context = association.context_for(VERIFICATION)
        if context is None:
            raise ProtocolError(f"{node.name} takes the association but does not do C-ECHO.")
        message_id = association.next_message_id()
        command = {
            "CommandField": dimse.C_ECHO_RQ,
            "MessageID": message_id,
            "AffectedSOPClassUID": VERIFICATION,
        }
        association.send(context.context_id, command)
        end = time.monotonic() + deadlines.idle_seconds
        while time.monotonic() < end and not association.readable(_TICK_SECONDS):
            require_running()
        message = _answer(association, node)
        if message is None:
            raise AssociationLostError(f"{node.name} released the association in a C-ECHO.")
        _require_success(message.command, message_id, node, calling_ae_title)


def _answer(association: Association, node: Node) -> Message | None:
    try:
        return association.receive(_TICK_SECONDS)
    except PeerStalledError as error:
        raise PeerStalledError(
            f"{node.name} takes the association and then does not answer the C-ECHO: it hangs or "
            "is overloaded; try again later, or look at its log."
        ) from error


def _require_success(
    response: dimse.Command, message_id: int, node: Node, calling_ae_title: str
) -> None:
    status = response.get("Status")
    if (
        response["CommandField"] != dimse.C_ECHO_RSP
        or response.get("MessageIDBeingRespondedTo") != message_id
        or status is None
    ):
        raise ProtocolError(
            f"{node.name} sent something else than a C-ECHO response; look at its log."
        )
    if meaning_of(Service.ECHO, status).outcome is Outcome.SUCCESS:
        return
    error = error_for(Service.ECHO, status, peer=node.name, calling_ae_title=calling_ae_title)
    raise error or ProtocolError(
        f"{node.name} answered the C-ECHO with status {describe(Service.ECHO, status)}; its log "
        "has the reason."
    )

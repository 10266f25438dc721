"""C-MOVE as SCU: one request on one association (PS3.4 C.4.2)."""

from __future__ import annotations

import time
from collections.abc import Callable

from mkiso.core.dimse_status import Service
from mkiso.core.identifier import encode_identifier
from mkiso.core.job import Node
from mkiso.core.query import retrieve_identifier
from mkiso.core.retrieval_plan import Request
from mkiso.network import dimse
from mkiso.network.query_retrieve import associate, deadlines_for
from mkiso.network.retrieve_operation import RetrieveOperation, Surroundings
from mkiso.network.sub_operations import RetrieveOutcome, SubOperations


class Move(RetrieveOperation):
    """A C-MOVE under way, made by `start_move`; the instances come to our receiver."""

    service = Service.MOVE

    def _follow(self) -> RetrieveOutcome:
        while True:
            self._await_bytes()
            message = self._require_message(self._association.receive())
            outcome = self._take_response(message)
            if outcome is not None:
                return outcome


def start_move(
    node: Node,
    request: Request,
    *,
    calling_ae_title: str,
    destination_ae_title: str,
    message_id: int,
    deadline: float,
    log: Callable[[str], None],
    on_pending: Callable[[SubOperations], None] | None = None,
    destination: str = "",
    require_running: Callable[[], None] = lambda: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Move:
    """Send a C-MOVE for `request` and return the handle that follows its responses in a thread.

    `message_id` (1 to 65535) comes back as Move Originator Message ID of the sub-operations;
    `deadline` is on the monotonic clock; `destination` describes our receiver in messages;
    `on_pending` is called in the thread of the handle; `require_running` while the association is
    not there yet, and raises to end that.

    Raises ValueError for a request without a unique key, and as `associate` does.
    """
    identifier = retrieve_identifier(request)
    association, context = associate(
        node,
        Service.MOVE,
        calling_ae_title=calling_ae_title,
        deadlines=deadlines_for(node, deadline - monotonic()),
        require_running=require_running,
    )
    command = {
        "CommandField": dimse.C_MOVE_RQ,
        "MessageID": message_id,
        "AffectedSOPClassUID": context.abstract_syntax,
        "Priority": dimse.PRIORITY_MEDIUM,
        "MoveDestination": destination_ae_title,
    }
    log(
        f"C-MOVE {request.level} of study {request.study_instance_uid} to {destination_ae_title}, "
        f"message ID {message_id}"
    )
    try:
        data = encode_identifier(identifier, context.transfer_syntax)
        association.send(context.context_id, command, data)
    except BaseException:
        association.close()
        raise
    move = Move(
        association,
        context,
        node=node,
        message_id=message_id,
        destination=destination or destination_ae_title,
        surroundings=Surroundings(deadline, log, on_pending, monotonic),
    )
    move.start()
    return move

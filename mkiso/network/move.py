"""C-MOVE as SCU: one request on one association (PS3.4 C.4.2)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from mkiso.core.dimse_status import Service
from mkiso.core.identifier import encode_identifier
from mkiso.core.job import Node
from mkiso.core.keeper import KEEPS_NOTHING, Keeper
from mkiso.core.query import STUDY_ROOT_MOVE, Identifier, retrieve_identifier
from mkiso.core.retrieval_plan import Request
from mkiso.errors import MkisoError, TemporaryError
from mkiso.network import dimse
from mkiso.network.query_retrieve import associate, deadlines_for
from mkiso.network.retrieve_operation import RetrieveOperation, Surroundings
from mkiso.network.sub_operations import RetrieveOutcome, SubOperations
from mkiso.network.transport import AcceptedContext, Association


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


@dataclass(frozen=True, slots=True)
class BetweenMoves:
    """Who keeps the association of a C-MOVE for the next one, when all went well.

    `is_over`, called in the operation's thread, tells whether the sub-operations' associations have
    ended: an archive may keep those as long as this one stands.
    """

    keeper: Keeper = KEEPS_NOTHING
    is_over: Callable[[], bool] = lambda: True


class _Line:
    """The association of one C-MOVE: one that stands already, or a new one."""

    def __init__(
        self,
        node: Node,
        calling_ae_title: str,
        seconds: float,
        between: BetweenMoves,
        require_running: Callable[[], None],
    ) -> None:
        self._node = node
        self._calling_ae_title = calling_ae_title
        self._deadlines = deadlines_for(node, seconds)
        self._between = between
        self._require_running = require_running
        self._key = (node, calling_ae_title, STUDY_ROOT_MOVE)
        self._is_taken = False

    def ask(
        self, command: dimse.Command, identifier: Identifier
    ) -> tuple[Association, AcceptedContext]:
        """Send the request; return what it was sent on. Raises as `associate` does."""
        keeper = self._between.keeper
        association: Association | None = keeper.take(self._key) if self._is_usual else None
        if association is not None:
            context = association.context_for(STUDY_ROOT_MOVE)
            assert context is not None  # noqa: S101 - it was kept under the name of its class
            try:
                _send(association, context, command, identifier)
            except MkisoError:  # the archive has closed it in this very moment
                keeper.distrust(self._key)
            else:
                self._is_taken = True
                return association, context
        try:
            association, context = associate(
                self._node,
                Service.MOVE,
                calling_ae_title=self._calling_ae_title,
                deadlines=self._deadlines,
                require_running=self._require_running,
            )
        except TemporaryError:
            keeper.turned_away()
            raise
        _send(association, context, command, identifier)
        return association, context

    def hand_on(self, association: Association, outcome: RetrieveOutcome) -> bool:
        """Return whether the association is kept; one that stood and did no good is the last."""
        keeper = self._between.keeper
        if outcome.status == 0 and outcome.error is None:
            return (
                self._is_usual and self._between.is_over() and keeper.keep(self._key, association)
            )
        if self._is_taken:
            keeper.distrust(self._key)
        return False

    @property
    def _is_usual(self) -> bool:
        """Whether the deadlines are the node's: the rest of a job's time is nobody else's."""
        return self._deadlines == deadlines_for(self._node, math.inf)


def _send(
    association: Association,
    context: AcceptedContext,
    command: dimse.Command,
    identifier: Identifier,
) -> None:
    try:
        data = encode_identifier(identifier, context.transfer_syntax)
        association.send(context.context_id, command, data)
    except BaseException:
        association.close()
        raise


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
    between: BetweenMoves | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Move:
    """Send a C-MOVE for `request` and return the handle that follows its responses in a thread.

    `message_id` (1 to 65535) comes back as Move Originator Message ID of the sub-operations;
    `deadline` is on the monotonic clock; `destination` describes our receiver in messages;
    `on_pending` is called in the thread of the handle; `require_running` while the association is
    not there yet, and raises to end that. `between` may have an association, and may keep it.

    Raises ValueError for a request without a unique key, and as `associate` does.
    """
    identifier = retrieve_identifier(request)
    line = _Line(
        node, calling_ae_title, deadline - monotonic(), between or BetweenMoves(), require_running
    )
    command: dimse.Command = {
        "CommandField": dimse.C_MOVE_RQ,
        "MessageID": message_id,
        "AffectedSOPClassUID": STUDY_ROOT_MOVE,
        "Priority": dimse.PRIORITY_MEDIUM,
        "MoveDestination": destination_ae_title,
    }
    association, context = line.ask(command, identifier)
    log(
        f"C-MOVE {request.level} of study {request.study_instance_uid} to {destination_ae_title}, "
        f"message ID {message_id}"
    )
    move = Move(
        association,
        context,
        node=node,
        message_id=message_id,
        destination=destination or destination_ae_title,
        surroundings=Surroundings(deadline, log, on_pending, monotonic, line.hand_on),
    )
    move.start()
    return move

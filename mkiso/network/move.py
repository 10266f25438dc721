"""C-MOVE as SCU: one request on one association, watched from another thread (PS3.4 C.4.2)."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable

from mkiso.core.dimse_status import Outcome, Service, error_for, meaning_of
from mkiso.core.identifier import encode_identifier
from mkiso.core.job import Node
from mkiso.core.query import retrieve_identifier
from mkiso.core.retrieval_plan import Request
from mkiso.errors import InternalError, MkisoError
from mkiso.network import dimse
from mkiso.network.query_retrieve import associate, require_status
from mkiso.network.sub_operations import (
    RetrieveOutcome,
    SubOperations,
    counts_of,
    failed_uids_of,
    in_words,
)
from mkiso.network.transport import (
    AcceptedContext,
    Association,
    AssociationLostError,
    Message,
    PeerStalledError,
)

_TICK_SECONDS = 0.5


class Move:
    """A C-MOVE under way. Pending responses do not show that anything arrives: watch the receiver.

    Made by `start_move`; `wait` for the outcome, `cancel` or `abort` from any thread.
    """

    def __init__(
        self,
        association: Association,
        context: AcceptedContext,
        *,
        node: Node,
        destination: str,
        message_id: int,
        deadline: float,
        on_pending: Callable[[SubOperations], None] | None,
        log: Callable[[str], None],
        monotonic: Callable[[], float],
    ) -> None:
        """Watch the request `message_id` that was sent on `association` until `deadline`."""
        self.message_id = message_id
        #: The counts of the newest response.
        self.counts = SubOperations()
        self._association = association
        self._context = context
        self._node = node
        self._destination = destination
        self._deadline = deadline
        self._on_pending = on_pending
        self._log = log
        self._monotonic = monotonic
        self._outcome: RetrieveOutcome | None = None
        self._thread = threading.Thread(target=self._run, name="c-move", daemon=True)
        self._thread.start()

    def wait(self, timeout_seconds: float) -> RetrieveOutcome | None:
        """Return the outcome, or None when the C-MOVE is still under way after that time."""
        self._thread.join(timeout_seconds)
        return None if self._thread.is_alive() else self._outcome

    def cancel(self) -> None:
        """Ask the archive to stop (C-CANCEL, PS3.4 C.4.2.3); it may answer at its leisure."""
        if self._outcome is not None:
            return
        command = {
            "CommandField": dimse.C_CANCEL_RQ,
            "MessageIDBeingRespondedTo": self.message_id,
        }
        try:
            self._association.send(self._context.context_id, command)
        except MkisoError as error:
            self._log(f"C-MOVE: the C-CANCEL was not sent: {error}")

    def abort(self) -> None:
        """End the association at once; the outcome then has no status."""
        self._association.abort()

    def _run(self) -> None:
        try:
            outcome = self._follow()
        except MkisoError as error:
            outcome = RetrieveOutcome(None, self.counts, (), error)
        except Exception as error:  # noqa: BLE001 - a bug must end the wait, too
            bug = InternalError("An error inside mkiso ended the C-MOVE; the log has the trace.")
            bug.__cause__ = error
            outcome = RetrieveOutcome(None, self.counts, (), bug)
        self._log(in_words(Service.MOVE, outcome))
        self._outcome = outcome
        if outcome.status is not None:
            self._association.release()
        self._association.close()

    def _follow(self) -> RetrieveOutcome:
        """Read responses until the final one."""
        while True:
            message = self._receive()
            status = require_status(message, Service.MOVE, self.message_id, self._node)
            self.counts = counts_of(message.command)
            if meaning_of(Service.MOVE, status).outcome is not Outcome.PENDING:
                break
            if self._on_pending is not None:
                self._on_pending(self.counts)
        error = error_for(
            Service.MOVE,
            status,
            peer=self._node.name,
            calling_ae_title=self._association.calling_ae_title,
            destination=self._destination,
        )
        return RetrieveOutcome(status, self.counts, failed_uids_of(message), error)

    def _receive(self) -> Message:
        while not self._association.readable(_TICK_SECONDS):
            if self._monotonic() >= self._deadline:
                raise PeerStalledError(f"{self._node.name} did not finish the C-MOVE in time.")
        message = self._association.receive()
        if message is None:
            raise AssociationLostError(f"{self._node.name} released the association in a C-MOVE.")
        return message


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
    tls: ssl.SSLContext | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Move:
    """Send a C-MOVE for `request` and return the handle that follows its responses in a thread.

    `message_id` (1 to 65535) comes back as Move Originator Message ID of the sub-operations;
    `deadline` is on the monotonic clock; `destination` describes our receiver in messages;
    `on_pending` is called in the thread of the handle.

    Raises ValueError for a request without a unique key, and as `associate` does.
    """
    identifier = retrieve_identifier(request)
    association, context = associate(node, Service.MOVE, calling_ae_title=calling_ae_title, tls=tls)
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
    return Move(
        association,
        context,
        node=node,
        destination=destination or destination_ae_title,
        message_id=message_id,
        deadline=deadline,
        on_pending=on_pending,
        log=log,
        monotonic=monotonic,
    )

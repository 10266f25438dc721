"""A C-MOVE or C-GET under way: its thread, its responses, its end (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mkiso.core.dimse_status import Outcome, Service, error_for, meaning_of
from mkiso.core.job import Node
from mkiso.errors import InternalError, MkisoError
from mkiso.network import dimse
from mkiso.network.query_retrieve import require_status
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

#: How soon a waiting thread sees that the deadline has passed.
_TICK_SECONDS = 0.5
#: How long a thread may take to see that its association was aborted.
_ABORT_SECONDS = 2.0


def _keep_none(_association: Association, _outcome: RetrieveOutcome) -> bool:
    """Nobody wants the association."""
    return False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a retrieval needs besides its request. `deadline` is on the clock of `monotonic`."""

    deadline: float
    log: Callable[[str], None]  # from the operation's own thread
    on_pending: Callable[[SubOperations], None] | None = None  # from that thread, too
    monotonic: Callable[[], float] = time.monotonic
    #: Told in that thread how it ended; True: the association is somebody else's from then on.
    hand_on: Callable[[Association, RetrieveOutcome], bool] = _keep_none


class RetrieveOperation:
    """One request, followed in a thread of its own; its methods may be called from any thread.

    Pending responses do not show that anything arrives: whoever waits watches the receiver.
    """

    service: Service

    def __init__(
        self,
        association: Association,
        context: AcceptedContext,
        *,
        node: Node,
        message_id: int,
        destination: str,
        surroundings: Surroundings,
    ) -> None:
        """Take over an association on which the request `message_id` was sent; call `start`."""
        self.message_id = message_id
        #: The counts of the newest response.
        self.counts = SubOperations()
        self._association = association
        self._context = context
        self._node = node
        self._destination = destination
        self._surroundings = surroundings
        self._aborted = False
        self._outcome: RetrieveOutcome | None = None
        self._decided = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.service.value, daemon=True)

    def start(self) -> None:
        """Begin to follow the responses."""
        self._thread.start()

    def wait(self, timeout_seconds: float) -> RetrieveOutcome | None:
        """Return the outcome, or None when the operation is still under way after that time.

        With the final response everything is said: the A-RELEASE goes on in the thread, and an
        archive that never answers it costs nobody its ten seconds. `close` ends that, too.
        """
        return self._outcome if self._decided.wait(timeout_seconds) else None

    def close(self, timeout_seconds: float) -> None:
        """End the thread: after the time given for the A-RELEASE the association is aborted."""
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self.abort()
            self._thread.join(_ABORT_SECONDS)

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
            self._surroundings.log(f"{self.service.value}: the C-CANCEL was not sent: {error}")

    def abort(self) -> None:
        """End the association at once; the outcome then has no status."""
        self._aborted = True
        self._association.abort()

    def _run(self) -> None:
        try:
            outcome = self._follow()
        except (AssociationLostError, PeerStalledError) as lost:
            error = type(lost)(f"{self.service.value} at {self._node.name}: {lost}")
            outcome = RetrieveOutcome(None, self.counts, (), error)
        except MkisoError as error:
            outcome = RetrieveOutcome(None, self.counts, (), error)
        except Exception as error:  # noqa: BLE001 - a bug must end the wait, too
            bug = InternalError(f"An error inside mkiso ended the {self.service.value}.")
            bug.__cause__ = error
            outcome = RetrieveOutcome(None, self.counts, (), bug)
        self._surroundings.log(in_words(self.service, outcome))
        self._outcome = outcome  # first: from here on nobody cancels it any more
        is_handed_on = self._surroundings.hand_on(self._association, outcome)
        self._decided.set()
        if is_handed_on:
            return
        if outcome.status is not None:
            self._association.release()
        self._association.close()

    def _follow(self) -> RetrieveOutcome:
        """Read messages until the final response; the outcome is made of it."""
        raise NotImplementedError

    def _take_response(self, message: Message) -> RetrieveOutcome | None:
        """Return the outcome when this is the final response; keep the counts of a pending one.

        Raises ProtocolError when it is no response to this request.
        """
        status = require_status(message, self.service, self.message_id, self._node)
        self.counts = counts_of(message.command)
        if meaning_of(self.service, status).outcome is Outcome.PENDING:
            if self._surroundings.on_pending is not None:
                self._surroundings.on_pending(self.counts)
            return None
        error = error_for(
            self.service,
            status,
            peer=self._node.name,
            calling_ae_title=self._association.calling_ae_title,
            destination=self._destination,
        )
        return RetrieveOutcome(status, self.counts, failed_uids_of(message), error)

    def _require_message(self, message: Message | None) -> Message:
        """Return the message; raises AssociationLostError when the peer released instead."""
        if message is None:
            raise AssociationLostError("the archive released the association too early.")
        return message

    def _await_bytes(self) -> None:
        """Wait until there is something to read. Raises PeerStalledError at the job's deadline."""
        while not self._association.readable(_TICK_SECONDS):
            if self._surroundings.monotonic() >= self._surroundings.deadline:
                raise PeerStalledError("no final response before the deadline.")

"""C-GET as SCU: the instances come as C-STOREs over the association that asks (PS3.4 C.4.3)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from mkiso.core.dimse_status import Outcome, Service, meaning_of
from mkiso.core.get_contexts import plan_contexts
from mkiso.core.identifier import encode_identifier
from mkiso.core.job import Node
from mkiso.core.query import retrieve_identifier
from mkiso.core.retrieval_plan import Request
from mkiso.errors import MkisoError, ProtocolError
from mkiso.network import dimse
from mkiso.network.background import Background
from mkiso.network.message_reader import SinkFor
from mkiso.network.query_retrieve import associate, deadlines_for
from mkiso.network.reception import Reception
from mkiso.network.retrieve_operation import RetrieveOperation, Surroundings
from mkiso.network.store_session import StorageJob, StoreSession
from mkiso.network.sub_operations import RetrieveOutcome, SubOperations
from mkiso.network.transport import (
    AcceptedContext,
    Association,
    DataSink,
    Message,
    ProposedContext,
)

#: Class and syntax pairs of one association.
Pairs = Sequence[tuple[str, str]]
#: Opens the next association and sends the request on it.
Ask = Callable[[Pairs], tuple[Association, AcceptedContext]]

#: An archive that still fails instances after so many associations will not send them.
_MOST_ASSOCIATIONS = 6
#: Waiting has an end of its own: the operation's deadline, and whoever watches the reception.
_IDLE_SECONDS = 4 * 3600.0


class Get(RetrieveOperation):
    """A C-GET under way, made by `start_get`.

    Where an archive fails instances, it is asked again on an association with further contexts.
    """

    service = Service.GET

    def __init__(
        self,
        first: tuple[Association, AcceptedContext],
        further: Sequence[Pairs],
        ask: Ask,
        serve: Callable[[Association], None],
        **more: Any,
    ) -> None:
        """Take over the association `first`; `serve` answers the C-STOREs on an association."""
        super().__init__(*first, **more)
        self._further = list(further)
        self._ask = ask
        self._serve = serve
        self._outcomes: list[RetrieveOutcome] = []

    def _follow(self) -> RetrieveOutcome:
        while True:
            side = _StoreSide(self, self._association)
            self._serve(cast("Association", side))
            if side.outcome is None:
                raise ProtocolError("the C-GET ended without a final response.")
            self._outcomes.append(side.outcome)
            joined = _joined(self._outcomes)
            if self._aborted or not self._further or _is_settled(joined):
                return joined
            self._association.release()
            self._association.close()
            try:
                self._association, self._context = self._ask(self._further.pop(0))
            except MkisoError as error:
                self._surroundings.log(f"C-GET: no further association: {error}")
                return joined

    def await_bytes(self) -> None:
        """Wait until there is something to read; raises at the deadline."""
        self._await_bytes()

    def take(self, message: Message | None) -> tuple[Message | None, RetrieveOutcome | None]:
        """Return a C-STORE request to answer, or the outcome; neither for a pending response."""
        message = self._require_message(message)
        if message.command["CommandField"] != dimse.C_GET_RSP:
            return message, None
        return None, self._take_response(message)


class _StoreSide:
    """What a storage SCP sees of the association: C-STOREs, and its end at the final response."""

    def __init__(self, get: Get, association: Association) -> None:
        self.outcome: RetrieveOutcome | None = None
        # whoever sends to us is the archive, though we called it
        self.calling_ae_title = association.called_ae_title
        self.peer_address = association.peer_address
        self.send = association.send
        self._get = get
        self._association = association

    def readable(self, _timeout_seconds: float) -> bool:
        self._get.await_bytes()
        return True

    def receive(self, *, sink_for: SinkFor) -> Message | None:
        def sink_of_store(context: AcceptedContext, command: dimse.Command) -> DataSink | None:
            is_store = command["CommandField"] == dimse.C_STORE_RQ
            return sink_for(context, command) if is_store else None

        while self.outcome is None:
            received = self._association.receive(sink_for=sink_of_store)
            message, self.outcome = self._get.take(received)
            if message is not None:
                return message
            if self.outcome is None:
                self._get.await_bytes()
        return None


def start_get(
    node: Node,
    request: Request,
    *,
    calling_ae_title: str,
    job: StorageJob,
    reception: Reception,
    background: Background,
    deadline: float,
    log: Callable[[str], None],
    modalities: Iterable[str] = (),
    message_id: int = 1,
    on_pending: Callable[[SubOperations], None] | None = None,
    require_running: Callable[[], None] = lambda: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Get:
    """Send a C-GET for `request` and return the handle that receives in a thread of its own.

    What comes is judged, stored and counted as by the receiver: by `job`, into `reception`. The
    classes offered are those of the request, else those of the `modalities`. `require_running`
    raises to end a wait for an association, also in that thread.

    Raises ValueError for a request without a unique key, and as `associate` does.
    """
    identifier = retrieve_identifier(request)

    def ask(pairs: Pairs) -> tuple[Association, AcceptedContext]:
        seconds = deadline - monotonic()
        association, context = _associate(node, pairs, calling_ae_title, seconds, require_running)
        command = {
            "CommandField": dimse.C_GET_RQ,
            "MessageID": message_id,
            "AffectedSOPClassUID": context.abstract_syntax,
            "Priority": dimse.PRIORITY_MEDIUM,
        }
        log(
            f"C-GET {request.level} of study {request.study_instance_uid}, "
            f"{len(association.contexts) - 1} of {len(pairs)} storage contexts accepted"
        )
        try:
            data = encode_identifier(identifier, context.transfer_syntax)
            association.send(context.context_id, command, data)
        except BaseException:
            association.close()
            raise
        return association, context

    def serve(association: Association) -> None:
        reception.association_opened()
        try:
            session = StoreSession(
                association, job, reception, background, log=log, idle_seconds=_IDLE_SECONDS
            )
            session.serve()
        finally:
            reception.association_closed()

    first, *further = plan_contexts(request.sop_class_uids, modalities)
    get = Get(
        ask(first),
        further[: _MOST_ASSOCIATIONS - 1],
        ask,
        serve,
        node=node,
        message_id=message_id,
        destination="",
        surroundings=Surroundings(deadline, log, on_pending, monotonic),
    )
    get.start()
    return get


def _associate(
    node: Node,
    pairs: Pairs,
    calling_ae_title: str,
    remaining_seconds: float,
    require_running: Callable[[], None],
) -> tuple[Association, AcceptedContext]:
    """Open an association on which the archive may send these classes and syntaxes."""
    association, context = associate(
        node,
        Service.GET,
        calling_ae_title=calling_ae_title,
        deadlines=deadlines_for(node, remaining_seconds),
        storage_contexts=[
            ProposedContext(sop_class_uid, (syntax,), scu_role=False, scp_role=True)
            for sop_class_uid, syntax in pairs
        ],
        require_running=require_running,
    )
    if len(association.contexts) == 1:
        association.release()
        association.close()
        raise ProtocolError(
            f"{node.name} offers C-GET, but accepts none of the storage classes that were offered; "
            'allow them there, or take retrieve = "move" for it.'
        )
    return association, context


def _is_settled(outcome: RetrieveOutcome) -> bool:
    """Return whether further contexts would bring nothing: all came, or the request is no good."""
    if outcome.status is None:
        return True
    kind = meaning_of(Service.GET, outcome.status).outcome
    if kind is Outcome.SUCCESS:
        return not outcome.counts.failed
    return kind not in (Outcome.WARNING, Outcome.BUSY, Outcome.FAILED)


def _joined(outcomes: Sequence[RetrieveOutcome]) -> RetrieveOutcome:
    """Return the best of several outcomes, with the failed UIDs that failed each time."""
    best = max(outcomes, key=lambda outcome: outcome.counts.completed or 0)
    if len(outcomes) == 1:
        return best
    lists = [set(outcome.failed_sop_instance_uids) for outcome in outcomes]
    failed = tuple(
        uid for uid in best.failed_sop_instance_uids if all(uid in each for each in lists)
    )
    if all(lists) and not failed:  # each instance came once
        return RetrieveOutcome(0x0000)
    return dataclasses.replace(best, failed_sop_instance_uids=failed)

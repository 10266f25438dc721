"""Storage commitment as SCU: the request, and the report on the same association or a new one.

PS3.4 J.3.3: the archive may answer at once, or call back later; then it proposes to be the SCP of
an association that it opens to the address it has registered for us.
"""

from __future__ import annotations

import contextlib
import queue
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

from mkiso.core.commitment import (
    COMMITMENT_INSTANCE,
    REQUEST_ACTION,
    Commitment,
    Reference,
    commitment_of,
    commitment_request,
)
from mkiso.core.contexts import (
    ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ACCEPTED,
    STORAGE_COMMITMENT,
    TRANSFER_SYNTAXES_NOT_SUPPORTED,
    VERIFICATION,
    ContextDecision,
    RequestedContext,
)
from mkiso.core.data_sets import decode_data_set
from mkiso.core.dimse_status import Service
from mkiso.core.job import Node, ReceiverAddress
from mkiso.errors import MkisoError, TemporaryError
from mkiso.network import dimse
from mkiso.network.normalized import TRANSFER_SYNTAXES, normalized_session
from mkiso.network.senders import peer_allowed
from mkiso.network.tls import server_context
from mkiso.network.transport import AcceptPolicy, Association, Listener, Message, Rejection
from mkiso.network.upper_layer import REJECT_CALLED_AE_TITLE

#: References in one request.
_MOST_REFERENCES = 2000
#: How long the association of the request stands for an answer on it.
_SAME_ASSOCIATION_SECONDS = 5.0
_TICK_SECONDS = 0.25
_IDLE_SECONDS = 60.0
_SUCCESS, _UNRECOGNISED_OPERATION = 0x0000, 0x0211

Reports = queue.SimpleQueue[Commitment]


class CommitmentListener:
    """Takes reports on associations that the archive opens; a context manager."""

    def __init__(self, address: ReceiverAddress, node: Node) -> None:
        """Bind our address for reports of `node`. Raises as `Listener` does."""
        self.reports: Reports = queue.SimpleQueue()
        self._ae_title = address.ae_title
        self._listener = Listener(
            address.bind,
            address.port,
            handle=self._serve,
            accept=AcceptPolicy(peer_allowed(node), self._rejection, _decide),
            tls=server_context(address.tls),
        )

    def __enter__(self) -> CommitmentListener:  # noqa: PYI034 - typing.Self is of Python 3.11
        """Accept associations from now on."""
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Free the port."""
        self._listener.stop()

    def _rejection(self, _calling: str, called: str, _ip: str) -> Rejection | None:
        return None if called == self._ae_title else REJECT_CALLED_AE_TITLE

    def _serve(self, association: Association) -> None:
        while (message := association.receive(_IDLE_SECONDS)) is not None:
            take_report(association, message, self.reports)


def _decide(requested: Sequence[RequestedContext]) -> tuple[ContextDecision, ...]:
    return tuple(_decision(context) for context in requested)


def _decision(context: RequestedContext) -> ContextDecision:
    if context.abstract_syntax not in (STORAGE_COMMITMENT, VERIFICATION):
        return ContextDecision(context.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED)
    for syntax in TRANSFER_SYNTAXES:
        if syntax in context.transfer_syntaxes:
            roles = context.scu_role, context.scp_role
            return ContextDecision(context.context_id, ACCEPTED, syntax, *roles)
    return ContextDecision(context.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED)


def take_report(association: Association, message: Message, reports: Reports) -> None:
    """Answer a message of the archive; a report is put into `reports`."""
    command = message.command
    field = command["CommandField"]
    is_report = field == dimse.N_EVENT_REPORT_RQ and message.data is not None
    if is_report and message.data is not None:
        reports.put(commitment_of(decode_data_set(message.data, message.context.transfer_syntax)))
    known = is_report or field == dimse.C_ECHO_RQ
    more = {"EventTypeID": command.get("EventTypeID")} if is_report else {}
    status = _SUCCESS if known else _UNRECOGNISED_OPERATION
    response = dimse.response_to(command, status, **more)
    association.send(message.context.context_id, response)


def request_commitment(
    node: Node,
    references: Sequence[Reference],
    *,
    calling_ae_title: str,
    listener: CommitmentListener | None,
    wait_seconds: float,
    log: Callable[[str], None],
    require_running: Callable[[], None] = lambda: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Commitment:
    """Ask `node` to commit itself to keep instances, and return its answer, all parts joined.

    Without a `listener` only an answer on the same association is heard. Raises TemporaryError when
    none comes within `wait_seconds`, and as `normalized_session` and `request` do.
    """
    committed: list[str] = []
    failed: dict[str, str] = {}
    for start in range(0, len(references), _MOST_REFERENCES):
        part = references[start : start + _MOST_REFERENCES]
        transaction = f"2.25.{uuid.uuid4().int}"
        answer = _Transaction(transaction, listener, log, require_running, monotonic).run(
            node, part, calling_ae_title, wait_seconds
        )
        committed += answer.committed
        failed.update(answer.failed)
    return Commitment("", tuple(committed), failed)


class _Transaction:
    """One request and the wait for its report."""

    def __init__(
        self,
        uid: str,
        listener: CommitmentListener | None,
        log: Callable[[str], None],
        require_running: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._uid = uid
        self._log = log
        self._require_running = require_running
        self._monotonic = monotonic
        self._reports: Reports = queue.SimpleQueue() if listener is None else listener.reports

    def run(
        self, node: Node, references: Sequence[Reference], calling_ae_title: str, seconds: float
    ) -> Commitment:
        """Ask and wait."""
        end = self._monotonic() + seconds
        with normalized_session(
            node,
            STORAGE_COMMITMENT,
            "storage commitment",
            calling_ae_title=calling_ae_title,
            require_running=self._require_running,
        ) as session:
            association = session.association

            def take(message: Message) -> None:
                take_report(association, message, self._reports)

            session.request(
                Service.ACTION,
                COMMITMENT_INSTANCE,
                commitment_request(self._uid, references),
                other_message=take,
                ActionTypeID=REQUEST_ACTION,
            )
            self._log(f"N-ACTION: commitment for {len(references)} instances asked for")
            for _ in self._until(min(end, self._monotonic() + _SAME_ASSOCIATION_SECONDS)):
                answer = self._heard()
                if answer is not None:
                    return answer
                with contextlib.suppress(MkisoError):  # it hangs up: it will call back
                    message = association.receive() if association.readable(0) else None
                    if message is not None:
                        take(message)
        for _ in self._until(end):
            answer = self._heard()
            if answer is not None:
                return answer
        raise TemporaryError(
            f"{node.name} did not report on the storage commitment within {seconds:g} s; if it "
            f"calls back, it must have {calling_ae_title} registered with this machine's address "
            "and our port."
        )

    def _until(self, end: float) -> Iterator[None]:
        while self._monotonic() < end:
            self._require_running()
            yield

    def _heard(self) -> Commitment | None:
        """Return the report on this transaction, if there is one; wait a moment for it."""
        with contextlib.suppress(queue.Empty):
            report = self._reports.get(timeout=_TICK_SECONDS)
            if report.transaction_uid == self._uid:
                return report
            self._log("N-EVENT-REPORT on another transaction, not taken")
        return None

"""What the archive does on one association: every service as SCP, to whom it is allowed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from mkiso.archive import operation as status
from mkiso.archive.access import AccessRules
from mkiso.archive.attributes import Level
from mkiso.archive.commitment import CommitmentService
from mkiso.archive.contexts import FIND_MODELS, GET_MODELS, MOVE_MODELS
from mkiso.archive.incoming import Incoming, Storage
from mkiso.archive.index import Index, StoredInstance
from mkiso.archive.operation import Operation, Tally
from mkiso.archive.performed_steps import PerformedSteps
from mkiso.archive.query import (
    Find,
    Identifier,
    IdentifierError,
    read_identifier,
    retrieve_conditions,
)
from mkiso.archive.sending import Destination, Originator, Sender, send_instance
from mkiso.archive.worklist import Worklist
from mkiso.core.data_sets import decode_data_set
from mkiso.core.query import MODALITY_WORKLIST_FIND
from mkiso.errors import ProtocolError
from mkiso.network import dimse
from mkiso.network.dimse import Command
from mkiso.network.transport import AcceptedContext, Association, DataSink, Deadlines

#: Which service of the access rules a request belongs to; minus: a worklist query.
_SERVICE_OF = {
    dimse.C_FIND_RQ: "find",
    -dimse.C_FIND_RQ: "worklist",
    dimse.C_MOVE_RQ: "move",
    dimse.C_GET_RQ: "get",
    dimse.C_STORE_RQ: "store",
    dimse.N_ACTION_RQ: "commit",
    dimse.N_CREATE_RQ: "mpps",
    dimse.N_SET_RQ: "mpps",
}
#: A cancel that came too late, and the answer to our report on a commitment.
_UNANSWERED = (dimse.C_CANCEL_RQ, dimse.N_EVENT_REPORT_RSP)
#: How long a requestor may be silent between two requests.
_IDLE_SECONDS = 600.0
#: After how many C-FIND answers to look for a C-CANCEL.
_ANSWERS_BETWEEN_CHECKS = 20


class Services:
    """The services over one index. `serve` is called in the thread of each association."""

    def __init__(
        self,
        index: Index,
        storage: Storage,
        *,
        destinations: Mapping[str, Destination],
        deadlines: Deadlines,
        require_running: Callable[[], None],
        access: AccessRules | None = None,
        worklist: Worklist | None = None,
        steps: PerformedSteps | None = None,
    ) -> None:
        """`deadlines` are those of the associations to move destinations.

        Without `worklist` or `steps` there is none.
        """
        self._access = access or AccessRules()
        self._worklist = worklist
        self._steps = steps
        self._commitment = CommitmentService(index, destinations, deadlines, require_running)
        self._index = index
        self._storage = storage
        self._destinations = destinations
        self._deadlines = deadlines
        self._require_running = require_running

    @property
    def _actions(self) -> dict[int, Callable[[Operation], None]]:
        """What is done for a request, by its kind."""
        actions: dict[int, Callable[[Operation], None]] = {
            dimse.C_FIND_RQ: self._find,
            dimse.C_MOVE_RQ: self._move,
            dimse.C_GET_RQ: self._get,
            dimse.N_ACTION_RQ: self._commitment.answer,
        }
        if self._worklist is not None:
            actions[-dimse.C_FIND_RQ] = self._find_work
        if self._steps is not None:
            actions[dimse.N_CREATE_RQ] = actions[dimse.N_SET_RQ] = self._steps.answer
        return actions

    def serve(self, association: Association) -> None:
        """Answer requests until the requestor releases. Raises when it breaks the protocol."""
        incoming: list[Incoming] = []

        def sink_for(context: AcceptedContext, command: Command) -> DataSink | None:
            if command["CommandField"] != dimse.C_STORE_RQ or not self._allows(
                association, dimse.C_STORE_RQ
            ):
                return None
            incoming.append(self._storage.begin(command, context.transfer_syntax))
            return incoming[-1]

        try:
            while True:
                message = association.receive(_IDLE_SECONDS, sink_for)
                if message is None:
                    return
                operation = Operation(association, message, self._require_running)
                try:
                    self._answer(operation, incoming)
                except sqlite3.Error:  # the index: its disk is full or gone
                    operation.respond(status.UNABLE_TO_PROCESS)
        finally:
            for unfinished in incoming:
                unfinished.discard()

    def _answer(self, operation: Operation, incoming: list[Incoming]) -> None:
        command_field = operation.request.command["CommandField"]
        kind = self._kind(operation)
        if not self._allows(operation.association, kind):
            operation.respond(status.NOT_AUTHORISED)
        elif command_field == dimse.C_STORE_RQ:
            arrived = incoming.pop() if incoming else None
            operation.respond(status.UNABLE_TO_PROCESS if arrived is None else arrived.finish())
        elif command_field == dimse.C_ECHO_RQ:
            operation.respond(status.SUCCESS)
        elif kind in self._actions:
            self._actions[kind](operation)
        elif command_field not in _UNANSWERED:
            operation.respond(status.UNRECOGNISED_OPERATION)

    def _kind(self, operation: Operation) -> int:
        """Return the command field, of a worklist query another one than of other queries."""
        field = int(operation.request.command["CommandField"])
        is_work = operation.request.context.abstract_syntax == MODALITY_WORKLIST_FIND
        return -field if is_work else field

    def _allows(self, association: Association, kind: int) -> bool:
        service = _SERVICE_OF.get(kind)
        return service is None or self._access.allows(
            service, association.calling_ae_title, association.peer_address
        )

    def _find_work(self, operation: Operation) -> None:
        message = operation.request
        syntax = message.context.transfer_syntax
        try:
            query = decode_data_set(message.data or b"", syntax)
        except ProtocolError:
            operation.refuse(status.IDENTIFIER_DOES_NOT_MATCH, "The identifier is no data set.")
            return
        assert self._worklist is not None  # noqa: S101 - else nobody gets here
        try:
            for number, answer in enumerate(self._worklist.answers(query, syntax)):
                if number % _ANSWERS_BETWEEN_CHECKS == 0 and not operation.check():
                    operation.respond(status.CANCELLED)
                    return
                operation.respond(status.PENDING, answer)
        except OSError:  # the folder is gone
            operation.respond(status.UNABLE_TO_PROCESS)
            return
        operation.respond(status.SUCCESS)

    def _find(self, operation: Operation) -> None:
        context = operation.request.context
        try:
            identifier = _identifier(operation, FIND_MODELS)
        except IdentifierError as error:
            operation.refuse(status.IDENTIFIER_DOES_NOT_MATCH, str(error))
            return
        pending = status.PENDING_UNSUPPORTED_KEYS if identifier.unsupported else status.PENDING
        ours = operation.association.called_ae_title
        answers = Find(identifier, ours).answers(self._index, context.transfer_syntax)
        for number, answer in enumerate(answers):
            if number % _ANSWERS_BETWEEN_CHECKS == 0 and not operation.check():
                operation.respond(status.CANCELLED)
                return
            operation.respond(pending, answer)
        operation.respond(status.SUCCESS)

    def _move(self, operation: Operation) -> None:
        request = operation.request.command
        destination = self._destinations.get(request.get("MoveDestination", ""))
        if destination is None:
            operation.refuse(status.MOVE_DESTINATION_UNKNOWN, "Move destination unknown.")
            return
        instances = self._asked_for(operation, MOVE_MODELS)
        if instances is None:
            return
        sender = Sender(
            destination,
            instances,
            calling_ae_title=operation.association.called_ae_title,
            originator=Originator(
                operation.association.calling_ae_title, request.get("MessageID", 0)
            ),
            deadlines=self._deadlines,
        )
        tally = Tally(operation, len(instances))
        with sender:
            for instance in sender.instances:
                if not operation.check():
                    break
                tally.count(instance, sender.send(instance))
        tally.finish()

    def _get(self, operation: Operation) -> None:
        instances = self._asked_for(operation, GET_MODELS)
        if instances is None:
            return
        tally = Tally(operation, len(instances))
        for instance in instances:
            if not operation.check():
                break
            sent = send_instance(operation.association, instance, other_message=operation.take)
            tally.count(instance, sent)
        tally.finish()

    def _asked_for(
        self, operation: Operation, models: Mapping[str, Level]
    ) -> list[StoredInstance] | None:
        """Return the instances of a retrieval; None when the request was refused."""
        try:
            conditions = retrieve_conditions(_identifier(operation, models))
        except IdentifierError as error:
            operation.refuse(status.IDENTIFIER_DOES_NOT_MATCH, str(error))
            return None
        return self._index.stored(conditions)


def _identifier(operation: Operation, models: Mapping[str, Level]) -> Identifier:
    """Read the identifier of a request. Raises IdentifierError."""
    context = operation.request.context
    top = models.get(context.abstract_syntax)
    if top is None:
        raise IdentifierError("The presentation context is one of another service.")
    return read_identifier(operation.request.data, context.transfer_syntax, top)

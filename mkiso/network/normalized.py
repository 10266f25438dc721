"""N-CREATE, N-SET and N-ACTION as SCU: one request on one association (PS3.7 10.1)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from mkiso.core.contexts import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from mkiso.core.data_sets import decode_data_set, encode_data_set
from mkiso.core.dimse_status import Outcome, Service, describe, error_for, meaning_of
from mkiso.core.job import Node
from mkiso.errors import ProtocolError
from mkiso.network import dimse
from mkiso.network.dimse import Command
from mkiso.network.query_retrieve import deadlines_for
from mkiso.network.tls import client_context
from mkiso.network.transport import (
    AcceptedContext,
    Association,
    AssociationLostError,
    Message,
    PeerStalledError,
    ProposedContext,
    connect,
)

TRANSFER_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
_TICK_SECONDS = 0.25
_ASSOCIATION_SECONDS = 30.0

#: Command field of the request and of its response.
_FIELDS = {
    Service.ACTION: (dimse.N_ACTION_RQ, dimse.N_ACTION_RSP),
    Service.CREATE: (dimse.N_CREATE_RQ, dimse.N_CREATE_RSP),
    Service.SET: (dimse.N_SET_RQ, dimse.N_SET_RSP),
}


@dataclass(frozen=True, slots=True)
class NormalizedSession:
    """An association for one normalized SOP class."""

    node: Node
    association: Association
    context: AcceptedContext
    require_running: Callable[[], None]

    def request(
        self,
        service: Service,
        sop_instance_uid: str,
        data_set: Dataset,
        *,
        other_message: Callable[[Message], None] | None = None,
        **more: int,
    ) -> Dataset | None:
        """Send a request, wait for its response and return the data set of it, if any.

        `other_message` is given what comes before the response. Raises as `error_for` says for a
        status, TemporaryError when the node is silent, ProtocolError.
        """
        message_id = self.association.next_message_id()
        kind = "Affected" if service is Service.CREATE else "Requested"
        command: Command = {
            "CommandField": _FIELDS[service][0],
            "MessageID": message_id,
            f"{kind}SOPClassUID": self.context.abstract_syntax,
            f"{kind}SOPInstanceUID": sop_instance_uid,
            **more,
        }
        data = encode_data_set(data_set, self.context.transfer_syntax)
        self.association.send(self.context.context_id, command, data)
        message = self._response(service, message_id, other_message)
        self._require_success(service, message)
        if message.data is None:
            return None
        return decode_data_set(message.data, message.context.transfer_syntax)

    def _response(
        self, service: Service, message_id: int, other: Callable[[Message], None] | None
    ) -> Message:
        monotonic_seconds = self.node.find_timeout_seconds
        while True:
            for _ in range(max(1, int(monotonic_seconds / _TICK_SECONDS))):
                if self.association.readable(_TICK_SECONDS):
                    break
                self.require_running()
            else:
                raise PeerStalledError(
                    f"{self.node.name} did not answer the {service.value} within "
                    f"{monotonic_seconds:g} s; try again later."
                )
            message = self.association.receive()
            if message is None:
                raise AssociationLostError(
                    f"{self.node.name} released the association in the {service.value}."
                )
            command = message.command
            if command["CommandField"] == _FIELDS[service][1]:
                if command.get("MessageIDBeingRespondedTo") != message_id:
                    raise ProtocolError(f"{self.node.name} answered another {service.value}.")
                return message
            if other is None:
                raise ProtocolError(
                    f"{self.node.name} sent something else than the {service.value} response."
                )
            other(message)

    def _require_success(self, service: Service, message: Message) -> None:
        status = message.command.get("Status")
        if status is None:
            raise ProtocolError(f"{self.node.name} answered the {service.value} without a status.")
        if meaning_of(service, status).outcome in (Outcome.SUCCESS, Outcome.WARNING):
            return
        calling = self.association.calling_ae_title
        error = error_for(service, status, peer=self.node.name, calling_ae_title=calling)
        raise error or ProtocolError(
            f"{self.node.name} answered the {service.value} with status "
            f"{describe(service, status)}; its log has the reason."
        )


@contextlib.contextmanager
def normalized_session(
    node: Node,
    sop_class_uid: str,
    name: str,
    *,
    calling_ae_title: str,
    require_running: Callable[[], None] = lambda: None,
) -> Iterator[NormalizedSession]:
    """Give a session for a class, released at the end of the block.

    Raises as `connect` does, and ProtocolError when the node does not offer the class (`name`).
    """
    association = connect(
        node.host,
        node.port,
        calling_ae_title=calling_ae_title,
        called_ae_title=node.ae_title,
        contexts=[ProposedContext(sop_class_uid, TRANSFER_SYNTAXES)],
        deadlines=deadlines_for(node, _ASSOCIATION_SECONDS, node.find_timeout_seconds),
        maximum_length=node.maximum_length,
        tls=client_context(node.tls),
    )
    with association:
        context = association.context_for(sop_class_uid)
        if context is None:
            raise ProtocolError(
                f"{node.name} does not offer {name} to {calling_ae_title}; allow it there, or do "
                "without."
            )
        yield NormalizedSession(node, association, context, require_running)

"""What C-FIND, C-MOVE and C-GET have in common: their association, and the form of a response."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mkiso.core.contexts import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from mkiso.core.dimse_status import Service
from mkiso.core.job import Node
from mkiso.core.query import (
    MODALITY_WORKLIST_FIND,
    PATIENT_ROOT_FIND,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from mkiso.errors import ProtocolError
from mkiso.network import dimse
from mkiso.network.tls import client_context
from mkiso.network.transport import (
    AcceptedContext,
    Association,
    Deadlines,
    Message,
    ProposedContext,
    connect,
)

#: Some archives take requests in Implicit VR Little Endian only (GE), so both are offered.
_TRANSFER_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)

_ASSOCIATION_SECONDS = 30.0
_LEAST_SECONDS = 0.1

#: PS3.4 C.6.2: the Study Root model's class and response of each service.
STUDY_ROOT = {
    Service.FIND: (STUDY_ROOT_FIND, dimse.C_FIND_RSP),
    Service.MOVE: (STUDY_ROOT_MOVE, dimse.C_MOVE_RSP),
    Service.GET: (STUDY_ROOT_GET, dimse.C_GET_RSP),
}


def deadlines_for(node: Node, remaining_seconds: float, pdu_seconds: float = 60.0) -> Deadlines:
    """Return the deadlines towards a node, none beyond what remains of the job's time."""
    remaining = max(remaining_seconds, _LEAST_SECONDS)
    return Deadlines(
        connect_seconds=min(node.connect_timeout_seconds, remaining),
        association_seconds=min(_ASSOCIATION_SECONDS, remaining),
        pdu_seconds=min(pdu_seconds, remaining),
    )


def associate(
    node: Node,
    service: Service,
    *,
    calling_ae_title: str,
    deadlines: Deadlines,
    storage_contexts: Sequence[ProposedContext] = (),
    sop_class_uid: str = "",
    require_running: Callable[[], None] = lambda: None,
) -> tuple[Association, AcceptedContext]:
    """Open an association for one service of the Study Root model; return it with its context.

    `sop_class_uid` is that of another model, which the service is done with just so.

    Raises as `connect` does (`require_running` is its), and ProtocolError when the archive refuses
    that context.
    """
    sop_class_uid = sop_class_uid or STUDY_ROOT[service][0]
    association = connect(
        node.host,
        node.port,
        calling_ae_title=calling_ae_title,
        called_ae_title=node.ae_title,
        contexts=(ProposedContext(sop_class_uid, _TRANSFER_SYNTAXES), *storage_contexts),
        deadlines=deadlines,
        maximum_length=node.maximum_length,
        tls=client_context(node.tls),
        require_running=require_running,
    )
    context = association.context_for(sop_class_uid)
    if context is None:
        association.release()
        association.close()
        raise ProtocolError(
            f"{node.name} does not offer {_model_name(sop_class_uid)} {service.value} to "
            f"{calling_ae_title}; allow it there."
        )
    return association, context


def _model_name(sop_class_uid: str) -> str:
    return {PATIENT_ROOT_FIND: "Patient Root", MODALITY_WORKLIST_FIND: "modality worklist"}.get(
        sop_class_uid, "Study Root"
    )


def require_status(message: Message, service: Service, message_id: int, node: Node) -> int:
    """Return the status of a response to our request; raises ProtocolError for anything else."""
    command = message.command
    status = command.get("Status")
    if (
        command["CommandField"] != STUDY_ROOT[service][1]
        or command.get("MessageIDBeingRespondedTo") != message_id
        or status is None
    ):
        raise ProtocolError(f"{node.name} sent something else than a {service.value} response.")
    return int(status)

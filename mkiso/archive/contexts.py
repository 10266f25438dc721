"""Which presentation contexts the archive accepts, and the information model of each service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from mkiso.archive.attributes import Level
from mkiso.core.contexts import (
    ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ACCEPTED,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT,
    TRANSFER_SYNTAXES_NOT_SUPPORTED,
    VERIFICATION,
    ContextDecision,
    RequestedContext,
    choose_transfer_syntax,
    is_storage_class,
)

#: The highest level of each information model (PS3.4 C.6): SOP classes of FIND, MOVE and GET.
FIND_MODELS = {
    "1.2.840.10008.5.1.4.1.2.1.1": Level.PATIENT,  # Patient Root - FIND
    "1.2.840.10008.5.1.4.1.2.2.1": Level.STUDY,  # Study Root - FIND
}
#: Orthanc moves whole patients in the Study Root, which has none; their ID must be there.
MOVE_MODELS = {
    "1.2.840.10008.5.1.4.1.2.1.2": Level.PATIENT,  # Patient Root - MOVE
    "1.2.840.10008.5.1.4.1.2.2.2": Level.PATIENT,  # Study Root - MOVE
}
GET_MODELS = {
    "1.2.840.10008.5.1.4.1.2.1.3": Level.PATIENT,  # Patient Root - GET
    "1.2.840.10008.5.1.4.1.2.2.3": Level.PATIENT,  # Study Root - GET
}
_SERVICES = {VERIFICATION, STORAGE_COMMITMENT, *FIND_MODELS, *MOVE_MODELS, *GET_MODELS}
_PLAIN = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)

#: For each SOP class, how many instances the archive holds in which transfer syntax.
Holdings = Mapping[str, Mapping[str, int]]


def decide(
    requested: Sequence[RequestedContext],
    holdings: Callable[[], Holdings],
    optional: Collection[str] = (),
) -> tuple[ContextDecision, ...]:
    """Answer the contexts of an association: our services, and every class that can be stored.

    For a C-GET (the requestor takes the SCP role) the syntax is the one most instances of the
    class are stored in, since they are sent as they are.
    """
    held = holdings() if any(context.scp_role for context in requested) else {}
    services = _SERVICES.union(optional)
    return tuple(_decide(context, held, services) for context in requested)


def _decide(
    context: RequestedContext, held: Holdings, services: Collection[str]
) -> ContextDecision:
    syntax = context.abstract_syntax
    if syntax in services:
        chosen = next((plain for plain in _PLAIN if plain in context.transfer_syntaxes), None)
    elif is_storage_class(syntax):
        stored = held.get(syntax, {})
        offered = [s for s in context.transfer_syntaxes if s in stored]
        chosen = choose_transfer_syntax(context.transfer_syntaxes)
        if offered:
            chosen = max(offered, key=lambda s: stored[s])
    else:
        return ContextDecision(context.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED)
    if chosen is None:
        return ContextDecision(context.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED)
    return ContextDecision(context.context_id, ACCEPTED, chosen, context.scu_role, context.scp_role)

"""A-ASSOCIATE PDUs (PS3.8 9.3.2 to 9.3.4), written and read here.

Why not by pynetdicom (3.0.4), which is what the tests compare with: reading, it gives an
association up for one unknown sub-item or one UID of 65 characters, warns on stderr for a private
UID with a leading zero, and takes 60 ms for 128 contexts with 30 syntaxes; to write, it has to be
imported with all of pydicom and numpy behind it, which is a tenth of a job's time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mkiso.core.contexts import ACCEPTED, ContextDecision, RequestedContext, is_uid
from mkiso.core.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mkiso.errors import ProtocolError
from mkiso.network.upper_layer import (
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    A_ASSOCIATE_RQ,
    PDU_HEADER,
    ProposedContext,
    Rejection,
)

#: PS3.7 A.2.1, the only one there is
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

# Item types, PS3.8 9.3.2 and 9.3.3, PS3.7 D.3.3
_APPLICATION_CONTEXT = 0x10
_CONTEXT_RQ = 0x20
_CONTEXT_AC = 0x21
_ABSTRACT_SYNTAX = 0x30
_TRANSFER_SYNTAX = 0x40
_USER_INFORMATION = 0x50
_MAXIMUM_LENGTH = 0x51
_IMPLEMENTATION_CLASS_UID = 0x52
_ROLE_SELECTION = 0x54
_IMPLEMENTATION_VERSION_NAME = 0x55

_ITEM = struct.Struct(">BxH")
_FIXED_BYTES = 68  # of an A-ASSOCIATE-RQ or -AC before its items


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """What an A-ASSOCIATE-RQ asks for. `maximum_length` 0 means: no limit."""

    calling_ae_title: str
    called_ae_title: str
    application_context: str
    protocol_version: int
    contexts: tuple[RequestedContext, ...]
    maximum_length: int


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """The answer to one proposed context in an A-ASSOCIATE-AC."""

    context_id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """What an A-ASSOCIATE-AC grants; `roles` by SOP class: (scu, scp) of the requestor."""

    contexts: tuple[ContextAnswer, ...]
    roles: dict[str, tuple[bool, bool]]
    maximum_length: int


def encode_request(
    calling_ae_title: str,
    called_ae_title: str,
    contexts: Sequence[tuple[int, ProposedContext]],
    maximum_length: int,
) -> bytes:
    """Return an A-ASSOCIATE-RQ; every UID in `contexts` must be one (`is_uid`)."""
    items = []
    roles: dict[str, tuple[bool, bool]] = {}
    for context_id, context in contexts:
        names = [_item(_ABSTRACT_SYNTAX, context.abstract_syntax.encode("ascii"))]
        names += (_item(_TRANSFER_SYNTAX, s.encode("ascii")) for s in context.transfer_syntaxes)
        items.append(_item(_CONTEXT_RQ, bytes((context_id, 0, 0, 0)) + b"".join(names)))
        if context.scp_role or not context.scu_role:
            scu, scp = roles.get(context.abstract_syntax, (False, False))
            roles[context.abstract_syntax] = (scu or context.scu_role, scp or context.scp_role)
    items.append(_user_information(maximum_length, roles))
    return _associate_pdu(A_ASSOCIATE_RQ, called_ae_title, calling_ae_title, items)


def encode_accept(
    request: AssociateRequest, decisions: Sequence[ContextDecision], maximum_length: int
) -> bytes:
    """Return the A-ASSOCIATE-AC to `request`; a role item for each class that asked for one."""
    items = []
    by_id = {context.context_id: context for context in request.contexts}
    roles: dict[str, tuple[bool, bool]] = {}
    for decision in decisions:
        # a rejected context has a transfer syntax item, too, which is not significant
        syntax = _item(_TRANSFER_SYNTAX, decision.transfer_syntax.encode("ascii", "replace"))
        head = bytes((decision.context_id, 0, decision.result, 0))
        items.append(_item(_CONTEXT_AC, head + syntax))
        asked = by_id[decision.context_id]
        if decision.result == ACCEPTED and (asked.scp_role or not asked.scu_role):
            roles[asked.abstract_syntax] = (decision.scu_role, decision.scp_role)
    items.append(_user_information(maximum_length, roles))
    # both titles as they came, PS3.8 table 9-17
    return _associate_pdu(A_ASSOCIATE_AC, request.called_ae_title, request.calling_ae_title, items)


def encode_rejection(rejection: Rejection) -> bytes:
    """Return an A-ASSOCIATE-RJ."""
    body = bytes((0, rejection.result, rejection.source, rejection.reason))
    return PDU_HEADER.pack(A_ASSOCIATE_RJ, len(body)) + body


def decode_request(body: bytes) -> AssociateRequest:
    """Read the body (after the 6 bytes of PDU header) of an A-ASSOCIATE-RQ.

    Raises ProtocolError when it is malformed, has an even or repeated context ID, or more than the
    128 contexts that there are IDs for. Unknown items are skipped, as PS3.8 9.3.1 wants it.
    """
    fixed, items = _split(body, "A-ASSOCIATE-RQ")
    application_context, maximum_length = "", 0
    proposed: dict[int, tuple[str, tuple[str, ...]]] = {}
    roles: dict[str, tuple[bool, bool]] = {}
    for item_type, value in items:
        if item_type == _APPLICATION_CONTEXT:
            application_context = _text(value)
        elif item_type == _CONTEXT_RQ:
            context_id, abstract_syntax, transfer_syntaxes = _requested_context(value)
            if context_id in proposed or context_id % 2 == 0:
                raise ProtocolError("The peer proposed presentation contexts with unusable IDs.")
            proposed[context_id] = abstract_syntax, transfer_syntaxes
        elif item_type == _USER_INFORMATION:
            maximum_length, roles = _read_user_information(value)
    contexts = tuple(
        RequestedContext(context_id, abstract, transfer, *roles.get(abstract, (True, False)))
        for context_id, (abstract, transfer) in proposed.items()
    )
    return AssociateRequest(
        calling_ae_title=_text(fixed[20:36]),
        called_ae_title=_text(fixed[4:20]),
        application_context=application_context,
        protocol_version=int.from_bytes(fixed[:2], "big"),
        contexts=contexts,
        maximum_length=maximum_length,
    )


def decode_accept(body: bytes) -> AssociateAccept:
    """Read the body of an A-ASSOCIATE-AC. Raises ProtocolError when it is malformed."""
    _, items = _split(body, "A-ASSOCIATE-AC")
    maximum_length = 0
    answers: dict[int, ContextAnswer] = {}
    roles: dict[str, tuple[bool, bool]] = {}
    for item_type, value in items:
        if item_type == _CONTEXT_AC:
            if len(value) < 4:
                raise ProtocolError("The peer sent a presentation context that is cut short.")
            syntaxes = [_text(v) for t, v in _items(value[4:]) if t == _TRANSFER_SYNTAX]
            answer = ContextAnswer(value[0], value[2], syntaxes[0] if syntaxes else "")
            if answer.context_id in answers:
                raise ProtocolError("The peer answered one presentation context twice.")
            answers[answer.context_id] = answer
        elif item_type == _USER_INFORMATION:
            maximum_length, roles = _read_user_information(value)
    return AssociateAccept(tuple(answers.values()), roles, maximum_length)


def decode_rejection(body: bytes) -> Rejection:
    """Read the body of an A-ASSOCIATE-RJ."""
    if len(body) != 4:
        raise ProtocolError("The peer sent a malformed A-ASSOCIATE-RJ.")
    return Rejection(body[1], body[2], body[3])


def _split(body: bytes, name: str) -> tuple[bytes, Iterator[tuple[int, bytes]]]:
    if len(body) < _FIXED_BYTES:
        raise ProtocolError(f"The peer sent an {name} that is cut short.")
    return body[:_FIXED_BYTES], _items(body[_FIXED_BYTES:])


def _items(raw: bytes) -> Iterator[tuple[int, bytes]]:
    offset, end = 0, len(raw)
    while offset < end:
        if end - offset < _ITEM.size:
            raise ProtocolError("The peer sent an association PDU that ends inside an item.")
        item_type, length = _ITEM.unpack_from(raw, offset)
        offset += _ITEM.size
        if length > end - offset:
            raise ProtocolError("The peer sent an item that is longer than its association PDU.")
        yield item_type, raw[offset : offset + length]
        offset += length


def _requested_context(value: bytes) -> tuple[int, str, tuple[str, ...]]:
    if len(value) < 4:
        raise ProtocolError("The peer sent a presentation context that is cut short.")
    abstract_syntax = ""
    transfer_syntaxes = []
    for item_type, name in _items(value[4:]):
        if item_type == _ABSTRACT_SYNTAX:
            abstract_syntax = _text(name)
        elif item_type == _TRANSFER_SYNTAX:
            transfer_syntaxes.append(_text(name))
    return value[0], abstract_syntax, tuple(transfer_syntaxes)


def _read_user_information(value: bytes) -> tuple[int, dict[str, tuple[bool, bool]]]:
    maximum_length = 0
    roles: dict[str, tuple[bool, bool]] = {}
    for item_type, body in _items(value):
        if item_type == _MAXIMUM_LENGTH and len(body) == 4:
            maximum_length = int.from_bytes(body, "big")
        elif item_type == _ROLE_SELECTION and len(body) >= 4:
            length = int.from_bytes(body[:2], "big")
            if length != len(body) - 4:
                raise ProtocolError("The peer sent a malformed role selection item.")
            roles[_text(body[2:-2])] = (body[-2] == 1, body[-1] == 1)
    return maximum_length, roles


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip("\0 ")


def _associate_pdu(pdu_type: int, called: str, calling: str, items: Sequence[bytes]) -> bytes:
    """Return an A-ASSOCIATE-RQ or -AC of protocol version 1 in the one application context."""
    titles = b"".join(
        title.encode("ascii", "replace").ljust(16)[:16] for title in (called, calling)
    )
    application = _item(_APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode("ascii"))
    body = b"\0\1\0\0" + titles + bytes(32) + application + b"".join(items)
    return PDU_HEADER.pack(pdu_type, len(body)) + body


def _item(item_type: int, value: bytes) -> bytes:
    return _ITEM.pack(item_type, len(value)) + value


def _user_information(maximum_length: int, roles: dict[str, tuple[bool, bool]]) -> bytes:
    items = [
        _item(_MAXIMUM_LENGTH, maximum_length.to_bytes(4, "big")),
        _item(_IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode("ascii")),
        _item(_IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode("ascii")),
    ]
    for sop_class_uid, (scu, scp) in roles.items():
        if is_uid(sop_class_uid):
            uid = sop_class_uid.encode("ascii")
            value = len(uid).to_bytes(2, "big") + uid + bytes((scu, scp))
            items.append(_item(_ROLE_SELECTION, value))
    return _item(_USER_INFORMATION, b"".join(items))

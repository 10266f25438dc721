"""A-ASSOCIATE PDUs against pynetdicom, which shares the reading of the standard and no code."""

import contextlib
import subprocess
import sys

import pytest
import raw_peer as raw
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from raw_peer import CT, EXPLICIT, IMPLICIT

from mkiso.core.contexts import ContextDecision, RequestedContext
from mkiso.core.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mkiso.errors import ProtocolError
from mkiso.network.negotiation import (
    decode_accept,
    decode_rejection,
    decode_request,
    encode_accept,
    encode_rejection,
    encode_request,
)
from mkiso.network.upper_layer import ProposedContext, Rejection

#: UIDs as the standard wants them; pynetdicom encodes no others.
UIDS = st.from_regex(r"[12](\.(0|[1-9][0-9]{0,8})){1,5}", fullmatch=True)

REQUEST = encode_request(
    "ME",
    "YOU",
    [
        (1, ProposedContext(CT, (EXPLICIT, IMPLICIT))),
        (5, ProposedContext("1.2.3", (IMPLICIT,), scu_role=False, scp_role=True)),
    ],
    131072,
)


def test_our_request_is_read_as_meant_by_pynetdicom():
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(REQUEST)
    assert (pdu.calling_ae_title, pdu.called_ae_title) == ("ME", "YOU")
    assert [
        (c.context_id, c.abstract_syntax, c.transfer_syntax) for c in pdu.presentation_context
    ] == [
        (1, CT, [EXPLICIT, IMPLICIT]),
        (5, "1.2.3", [IMPLICIT]),
    ]
    user = pdu.user_information
    assert user.maximum_length == 131072
    assert user.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert user.implementation_version_name == IMPLEMENTATION_VERSION_NAME
    (role,) = user.role_selection.values()
    assert (role.uid, role.scu, role.scp) == ("1.2.3", 0, 1)


def test_our_request_is_read_as_meant_by_us():
    request = decode_request(REQUEST[6:])
    assert (request.calling_ae_title, request.called_ae_title) == ("ME", "YOU")
    assert request.contexts == (
        RequestedContext(1, CT, (EXPLICIT, IMPLICIT)),
        RequestedContext(5, "1.2.3", (IMPLICIT,), scu_role=False, scp_role=True),
    )
    assert (request.maximum_length, request.protocol_version) == (131072, 1)


def test_our_answer_is_read_as_meant_by_pynetdicom_and_by_us():
    decisions = [ContextDecision(1, 0, EXPLICIT), ContextDecision(5, 0, IMPLICIT, False, True)]
    encoded = encode_accept(decode_request(REQUEST[6:]), decisions, 65536)
    pdu = A_ASSOCIATE_AC()
    pdu.decode(encoded)
    assert [(c.context_id, c.result, c.transfer_syntax) for c in pdu.presentation_context] == [
        (1, 0, EXPLICIT),
        (5, 0, IMPLICIT),
    ]
    answer = decode_accept(encoded[6:])
    assert [(c.context_id, c.result, c.transfer_syntax) for c in answer.contexts] == [
        (1, 0, EXPLICIT),
        (5, 0, IMPLICIT),
    ]
    assert (answer.roles, answer.maximum_length) == ({"1.2.3": (False, True)}, 65536)


def test_a_rejection_is_read_as_it_was_written():
    encoded = encode_rejection(Rejection(2, 3, 2))
    assert encoded == bytes((3, 0, 0, 0, 0, 4, 0, 2, 3, 2))
    assert decode_rejection(encoded[6:]) == Rejection(2, 3, 2)


def test_a_role_of_a_class_whose_uid_is_odd_is_not_answered():
    request = decode_request(
        raw.associate_rq([(1, "x", IMPLICIT)], more_user_items=raw.role("x", 0, 1))[6:]
    )
    assert request.contexts[0].scp_role
    answer = decode_accept(encode_accept(request, [ContextDecision(1, 0)], 0)[6:])
    assert answer.roles == {}


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_uid_with_a_leading_zero_can_be_proposed_and_accepted():
    encoded = encode_request("ME", "YOU", [(1, ProposedContext("1.02.3", ("1.02.4",)))], 0)
    (context,) = decode_request(encoded[6:]).contexts
    assert (context.abstract_syntax, context.transfer_syntaxes) == ("1.02.3", ("1.02.4",))


def test_an_association_is_negotiated_without_importing_pydicom():
    program = (
        "import sys; from mkiso.network import negotiation as n, upper_layer as u\n"
        "n.encode_request('ME', 'YOU', [(1, u.ProposedContext('1.2.3', ('1.2.4',)))], 0)\n"
        "sys.exit(bool({'pydicom', 'pynetdicom', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@given(
    st.lists(
        st.tuples(UIDS, st.lists(UIDS, min_size=1, max_size=4), st.booleans(), st.booleans()),
        max_size=8,
    ),
    st.integers(0, 2**32 - 1),
)
def test_our_request_has_the_bytes_of_pynetdicoms(proposed, maximum_length):
    contexts = [
        (2 * n + 1, ProposedContext(abstract, tuple(syntaxes), scu, scp))
        for n, (abstract, syntaxes, scu, scp) in enumerate(proposed)
    ]
    encoded = encode_request("ME", "YOU", contexts, maximum_length)
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(encoded)
    assert pdu.encode() == encoded


@given(st.integers(0, len(REQUEST) - 7), st.binary(min_size=1, max_size=4))
def test_a_damaged_request_is_a_request_or_a_breach_of_the_protocol(at, damage):
    body = bytearray(REQUEST[6:])
    body[at : at + len(damage)] = damage
    for content in (bytes(body), bytes(body[:at])):
        try:
            request = decode_request(content)
        except ProtocolError:
            continue
        assert len(request.contexts) <= 128


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_breach_of_the_protocol(body):
    with contextlib.suppress(ProtocolError):
        decode_accept(body)

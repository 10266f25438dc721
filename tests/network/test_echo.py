"""C-ECHO as SCU."""

import subprocess
import time

import pytest
import raw_peer as raw
from raw_peer import IMPLICIT, VERIFICATION, RawAcceptor

from mkiso.core.contexts import decide_storage_contexts
from mkiso.core.job import Node
from mkiso.errors import ProtocolError, TemporaryError
from mkiso.network import dimse
from mkiso.network.echo import echo
from mkiso.network.transport import (
    AcceptPolicy,
    AssociationRejectedError,
    Deadlines,
    Listener,
    PeerStalledError,
)
from mkiso.network.upper_layer import REJECT_CALLING_AE_TITLE


def node(port):
    return Node("abpacs", "ABPACS", "127.0.0.1", port)


def response(status, *, message_id=1, field=0x8030):
    elements = {
        0x0002: raw.uid_bytes(VERIFICATION),
        0x0100: raw.us(field),
        0x0120: raw.us(message_id),
        0x0800: raw.us(0x0101),
        0x0900: raw.us(status),
    }
    return raw.p_data(raw.pdv(1, 3, raw.command_set(elements)))


def answering(answer, result=0):
    def script(peer):
        peer.read_pdu()
        peer.send(raw.associate_ac((1, result, IMPLICIT)))
        peer.read_pdu()
        peer.send(answer)
        peer.read_last_pdu()

    return RawAcceptor(script)


def test_a_node_that_answers_is_there():
    def handle(association):
        while (message := association.receive(5)) is not None:
            association.send(message.context.context_id, dimse.response_to(message.command, 0))

    policy = AcceptPolicy(lambda _: True, lambda *_: None, decide_storage_contexts)
    listener = Listener("127.0.0.1", 0, handle=handle, accept=policy)
    listener.start()
    echo(node(listener.port), calling_ae_title="CDRECORD")
    assert listener.stop()


@pytest.mark.parametrize(
    "answer", [response(0x0110), response(0, message_id=2), response(0, field=0x8020)]
)
def test_a_failure_or_another_response_is_told(answer):
    with answering(answer) as acceptor, pytest.raises(ProtocolError, match="abpacs"):
        echo(node(acceptor.port), calling_ae_title="CDRECORD")


def test_a_node_without_the_service_is_told():
    with answering(b"", result=3) as acceptor, pytest.raises(ProtocolError, match="C-ECHO"):
        echo(node(acceptor.port), calling_ae_title="CDRECORD")


def test_a_node_that_releases_instead_is_told():
    with answering(raw.RELEASE_RQ_PDU) as acceptor, pytest.raises(TemporaryError, match="abpacs"):
        echo(node(acceptor.port), calling_ae_title="CDRECORD")


def test_a_node_that_hangs_in_the_echo_is_said_in_plain_words():
    def hang(peer):
        peer.read_pdu()
        peer.send(raw.associate_ac((1, 0, IMPLICIT)))
        peer.read_last_pdu()

    with RawAcceptor(hang) as acceptor, pytest.raises(PeerStalledError) as caught:
        echo(node(acceptor.port), calling_ae_title="ME", deadlines=Deadlines(idle_seconds=0.3))
    assert "does not answer the C-ECHO: it hangs" in caught.value.message


def test_a_node_that_does_not_know_us_is_told():
    policy = AcceptPolicy(
        lambda _: True, lambda *_: REJECT_CALLING_AE_TITLE, decide_storage_contexts
    )
    listener = Listener("127.0.0.1", 0, handle=lambda _: None, accept=policy)
    listener.start()
    with pytest.raises(AssociationRejectedError, match="CDRECORD"):
        echo(node(listener.port), calling_ae_title="CDRECORD")
    listener.stop()


@pytest.mark.peers
def test_storescp_of_dcmtk_answers(need_program, free_port, tmp_path):
    need_program("storescp")
    command = ["storescp", "-od", str(tmp_path), str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as scp:
        try:
            for attempt in range(100):
                try:
                    echo(node(free_port), calling_ae_title="CDRECORD")
                    break
                except TemporaryError:
                    assert attempt < 99
                    time.sleep(0.05)
        finally:
            scp.terminate()

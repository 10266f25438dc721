"""Associations as requestor, and what both sides do: deadlines, aborts, framing."""

import contextlib
import io
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest
import raw_peer as raw
from raw_peer import CT, EXPLICIT, IMPLICIT, VERIFICATION, RawAcceptor

from mkiso.core.contexts import ContextDecision
from mkiso.errors import ConfigError, ProtocolError, TemporaryError
from mkiso.network import dimse
from mkiso.network.transport import (
    AcceptPolicy,
    AssociationLostError,
    AssociationRejectedError,
    Deadlines,
    Listener,
    PeerStalledError,
    ProposedContext,
    connect,
)

SHORT = Deadlines(
    connect_seconds=1.5,
    association_seconds=1.5,
    request_seconds=1.5,
    pdu_seconds=1.5,
    idle_seconds=1.5,
    release_seconds=1.5,
)
CONTEXTS = (ProposedContext(VERIFICATION, (IMPLICIT,)), ProposedContext(CT, (EXPLICIT, IMPLICIT)))
ECHO = {"CommandField": dimse.C_ECHO_RQ, "MessageID": 1, "AffectedSOPClassUID": VERIFICATION}


def associate(port, deadlines=SHORT, contexts=CONTEXTS, **more):
    return connect(
        "127.0.0.1",
        port,
        calling_ae_title="ME",
        called_ae_title="YOU",
        contexts=contexts,
        deadlines=deadlines,
        **more,
    )


def accept_first(peer, *more_bytes, **more):
    """Answer the A-ASSOCIATE-RQ: both contexts accepted."""
    kind, _ = peer.read_pdu()
    assert kind == raw.ASSOCIATE_RQ
    peer.send(raw.associate_ac((1, 0, IMPLICIT), (3, 0, EXPLICIT), **more), *more_bytes)


def against(script):
    return RawAcceptor(script)


def wait_for_end(peer):
    with contextlib.suppress(OSError, EOFError):
        while True:
            peer.read(1)


@contextlib.contextmanager
def listening(handle, *, deadlines=SHORT, negotiate=None, **more):
    """A real listener whose associations are served by `handle`."""

    def accept_all(requested):
        return [
            ContextDecision(c.context_id, 0, c.transfer_syntaxes[0], c.scu_role, c.scp_role)
            for c in requested
        ]

    policy = AcceptPolicy(lambda _ip: True, lambda *_: None, negotiate or accept_all)
    failures = []
    listener = Listener(
        "127.0.0.1",
        0,
        handle=handle,
        accept=policy,
        deadlines=deadlines,
        failed=failures.append,
        **more,
    )
    listener.start()
    try:
        yield listener
    finally:
        assert listener.stop(5)
    assert failures == []


def answer_all(association):
    while (message := association.receive(5)) is not None:
        response = dimse.response_to(message.command, 0)
        association.send(message.context.context_id, response, message.data)


# --- opening


def test_an_association_is_negotiated_used_and_released():
    with listening(answer_all) as listener, associate(listener.port) as association:
        assert association.context_for(CT).transfer_syntax == EXPLICIT
        assert association.context_for(CT, IMPLICIT) is None
        assert association.peer_address == "127.0.0.1"
        association.send(1, ECHO)
        message = association.receive()
        assert message.command["Status"] == 0
        assert message.command["MessageIDBeingRespondedTo"] == 1
        assert message.data is None
        association.release()
        assert not association.is_open
        with pytest.raises(AssociationLostError):
            association.send(1, ECHO)


def test_roles_are_negotiated_for_c_get():
    seen = []

    def negotiate(requested):
        seen.extend(requested)
        return [
            ContextDecision(c.context_id, 0, c.transfer_syntaxes[0], False, c.scp_role)
            for c in requested
        ]

    contexts = [ProposedContext(CT, (EXPLICIT,), scu_role=False, scp_role=True), CONTEXTS[0]]
    with (
        listening(lambda association: association.receive(5), negotiate=negotiate) as listener,
        associate(listener.port, contexts=contexts) as association,
    ):
        assert [(c.scu_role, c.scp_role) for c in seen] == [(False, True), (True, False)]
        context = association.context_for(CT)
        assert (context.scu_role, context.scp_role) == (False, True)
        # what was not asked for with a role item keeps the default roles
        context = association.context_for(VERIFICATION)
        assert (context.scu_role, context.scp_role) == (True, False)


def test_contexts_that_are_refused_or_not_answered_are_listed():
    def script(peer):
        peer.read_pdu()
        peer.send(raw.associate_ac((1, 3, "")))
        wait_for_end(peer)

    with against(script) as acceptor:
        association = associate(acceptor.port)
        assert dict(association.contexts) == {}
        assert association.rejected == ((VERIFICATION, 3), (CT, 3))
        association.close()


def test_a_context_that_cannot_be_proposed_is_listed_as_rejected():
    contexts = [ProposedContext("../x", (EXPLICIT,)), ProposedContext(CT, (EXPLICIT,))]
    with (
        listening(answer_all) as listener,
        associate(listener.port, contexts=contexts) as association,
    ):
        assert association.rejected == (("../x", 3),)
        assert list(association.contexts) == [3]


def test_nobody_listening_is_temporary():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TemporaryError, match="nothing listens there; check that it runs"):
            associate(unused.getsockname()[1])


def test_a_black_hole_ends_at_the_connect_deadline():
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(8):  # the queue is full after a few, and the next SYN is not answered
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        began = time.monotonic()
        with pytest.raises(TemporaryError, match=r"no answer within 1\.5 s|deadline"):
            associate(full.getsockname()[1])
        assert time.monotonic() - began < 15


class StoppedError(Exception):
    """What `require_running` raises."""


def stopped_soon(seconds=0.3):
    """Return a `require_running` that raises after so many seconds."""
    end = time.monotonic() + seconds

    def require_running():
        if time.monotonic() >= end:
            raise StoppedError

    return require_running


@contextlib.contextmanager
def ends_at_once():
    began = time.monotonic()
    with pytest.raises(StoppedError):
        yield
    assert time.monotonic() - began < 9  # connecting has 10 s, the negotiation 30 s


def test_a_job_is_stopped_while_it_connects():
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        with ends_at_once():
            associate(full.getsockname()[1], Deadlines(), require_running=stopped_soon())


def test_a_job_is_stopped_while_the_name_is_looked_up(monkeypatch):
    looked_up = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: looked_up.wait(20) and [])
    with ends_at_once():
        associate(104, Deadlines(), require_running=stopped_soon())
    looked_up.set()


def test_a_job_is_stopped_while_the_association_is_negotiated():
    ended = threading.Event()

    def script(peer):
        peer.read_pdu()
        wait_for_end(peer)
        ended.set()

    with against(script) as acceptor:
        with ends_at_once():
            associate(acceptor.port, Deadlines(), require_running=stopped_soon())
        assert ended.wait(20)  # nothing of us is left there


def test_an_association_that_stands_is_watched_by_whoever_waits_on_it():
    def script(peer):
        accept_first(peer)
        wait_for_end(peer)

    stopped = threading.Event()

    def require_running():
        if stopped.is_set():
            raise StoppedError

    with against(script) as acceptor:
        association = associate(acceptor.port, require_running=require_running)
        stopped.set()
        with pytest.raises(PeerStalledError):
            association.receive(0.1)
        association.close()


def test_a_port_that_does_not_speak_dicom_is_said_so():
    def hello(peer):
        peer.read_pdu()
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        wait_for_end(peer)

    with against(hello) as acceptor, pytest.raises(ProtocolError) as caught:
        associate(acceptor.port)
    assert "does not speak DICOM" in caught.value.message
    assert f"Check the port: another program may have {acceptor.port}." in caught.value.message

    with against(wait_for_end) as acceptor, pytest.raises(PeerStalledError) as caught:
        associate(acceptor.port)
    assert f"YOU at 127.0.0.1:{acceptor.port} takes the connection" in caught.value.message
    assert "another program has port" in caught.value.message


def test_a_host_name_that_is_none_is_a_matter_of_configuration():
    with pytest.raises(ConfigError, match="host name"):
        connect("a" * 70, 104, calling_ae_title="ME", called_ae_title="YOU", contexts=CONTEXTS)


@pytest.mark.parametrize("port", [0, -1, 65536 + 104])
def test_a_port_that_is_none_is_a_matter_of_configuration(port):
    with pytest.raises(ConfigError, match="port number"):
        associate(port)


@pytest.mark.parametrize("title", ["", "   ", "A" * 17, "ÄÖ"])
def test_an_ae_title_that_is_none_is_a_matter_of_configuration(title):
    with pytest.raises(ConfigError, match="AE title"):
        connect("127.0.0.1", 1, calling_ae_title=title, called_ae_title="YOU", contexts=CONTEXTS)


def test_a_permanent_rejection_names_both_ae_titles():
    def script(peer):
        peer.read_pdu()
        peer.send(raw.pdu(raw.ASSOCIATE_RJ, bytes((0, 1, 1, 3))))

    with against(script) as acceptor, pytest.raises(AssociationRejectedError) as caught:
        associate(acceptor.port)
    assert "YOU at 127.0.0.1" in str(caught.value)
    assert "ME: calling AE title not recognized" in str(caught.value)
    assert caught.value.code == 78


def test_a_rejection_for_now_is_temporary():
    def script(peer):
        peer.read_pdu()
        peer.send(raw.pdu(raw.ASSOCIATE_RJ, bytes((0, 2, 3, 2))))

    with against(script) as acceptor, pytest.raises(TemporaryError, match="local limit"):
        associate(acceptor.port)


ACCEPTED = raw.associate_ac((1, 0, IMPLICIT))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", PeerStalledError),
        (b"\2\0\0", PeerStalledError),
        (ACCEPTED[:-1], PeerStalledError),
        (raw.ABORT_PDU, AssociationLostError),
        (b"\2\0\xff\xff\xff\xff", ProtocolError),
        (raw.pdu(raw.ASSOCIATE_AC, b"short"), ProtocolError),
        (raw.pdu(raw.ASSOCIATE_AC, bytes(68) + b"\x21\0\0\1\1"), ProtocolError),
        (raw.pdu(raw.ASSOCIATE_RJ, bytes(3)), ProtocolError),
        (raw.associate_ac((1, 0, "1.2.3")), ProtocolError),
        (raw.associate_ac((1, 0, IMPLICIT), (1, 0, IMPLICIT)), ProtocolError),
        (raw.RELEASE_RQ_PDU, ProtocolError),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolError),
    ],
)
def test_an_answer_that_is_none_ends_the_attempt(answer, error):
    def script(peer):
        peer.read_pdu()
        peer.send(answer)
        wait_for_end(peer)

    began = time.monotonic()
    with against(script) as acceptor, pytest.raises(error, match="YOU at 127") as caught:
        associate(acceptor.port)
    assert type(caught.value) is error
    assert time.monotonic() - began < 15


def test_an_answer_that_drips_ends_at_the_deadline():
    def script(peer):
        peer.read_pdu()
        for byte in ACCEPTED:
            peer.send(bytes((byte,)))
            time.sleep(0.05)

    began = time.monotonic()
    with against(script) as acceptor, pytest.raises(PeerStalledError):
        associate(acceptor.port)
    assert time.monotonic() - began < 15


def test_a_peer_that_closes_at_once_is_lost():
    with against(lambda peer: None) as acceptor, pytest.raises(AssociationLostError):
        associate(acceptor.port)


# --- receiving


def test_a_peer_that_is_silent_can_be_asked_again():
    release = threading.Event()

    def script(peer):
        accept_first(peer)
        release.wait(10)
        peer.send(raw.p_data(raw.pdv(1, 3, raw.ECHO_COMMAND)))
        wait_for_end(peer)

    with against(script) as acceptor, associate(acceptor.port) as association:
        assert not association.readable(0.05)
        with pytest.raises(PeerStalledError):
            association.receive(0.05)
        assert association.is_open
        release.set()
        assert association.readable(5)
        assert association.receive().command["CommandField"] == dimse.C_ECHO_RQ
        association.abort()


@pytest.mark.parametrize("answer", [b"\4\0\0", raw.p_data(raw.pdv(1, 1, b"12")), b"drip"])
def test_a_peer_that_stalls_inside_a_message_ends_the_association(answer):
    message = raw.p_data(raw.pdv(1, 3, raw.ECHO_COMMAND))

    def script(peer):
        accept_first(peer)
        if answer == b"drip":
            for byte in message:
                peer.send(bytes((byte,)))
                time.sleep(0.05)
        peer.send(answer)
        wait_for_end(peer)

    with against(script) as acceptor:
        association = associate(acceptor.port)
        began = time.monotonic()
        with pytest.raises(PeerStalledError):
            association.receive()
        assert time.monotonic() - began < 15
        assert not association.is_open
        association.close()


def test_a_message_in_memory_that_drips_in_whole_pdus_ends_at_the_deadline():
    def script(peer):
        accept_first(peer)
        peer.send(raw.p_data(raw.pdv(1, 3, raw.store_command(CT, "1.2"))))
        for _ in range(100):
            peer.send(raw.p_data(raw.pdv(1, 0, b"12")))
            time.sleep(0.05)

    with against(script) as acceptor, associate(acceptor.port) as association:
        began = time.monotonic()
        with pytest.raises(PeerStalledError):
            association.receive()
        assert time.monotonic() - began < 15


def test_a_data_set_in_memory_is_capped():
    def script(peer):
        accept_first(peer)
        peer.send(raw.p_data(raw.pdv(1, 3, raw.store_command(CT, "1.2"))))
        for _ in range(20_000):
            peer.send(raw.p_data(raw.pdv(1, 0, bytes(100_000))))

    with against(script) as acceptor:
        association = associate(acceptor.port, Deadlines())
        with pytest.raises(ProtocolError, match="16777216"):
            association.receive()
        association.close()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"".join((raw.pdv(1, 3, raw.store_command(CT, "1.2")), raw.pdv(1, 2, b"0123456789")))],
        [
            raw.pdv(1, 3, raw.store_command(CT, "1.2")),
            raw.pdv(1, 0, b""),
            raw.pdv(1, 2, b"0123456789"),
        ],
        [raw.pdv(1, 3, raw.store_command(CT, "1.2"))]
        + [raw.pdv(1, 0, bytes((48 + n,))) for n in range(10)]
        + [raw.pdv(1, 2, b"")],
        [raw.pdv(1, 1, bytes((byte,))) for byte in raw.store_command(CT, "1.2")[:-1]]
        + [raw.pdv(1, 3, raw.store_command(CT, "1.2")[-1:])]
        + [raw.pdv(1, 0, b"01234") + raw.pdv(1, 2, b"56789")],
    ],
    ids=["one PDU", "empty fragment", "one byte a PDU", "command in bytes"],
)
@pytest.mark.parametrize("to_sink", [True, False])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_a_message_is_the_same_however_it_is_cut(pieces, to_sink, step):
    stream = b"".join(raw.pdu(4, piece) for piece in pieces)
    stream += raw.p_data(raw.pdv(1, 3, raw.ECHO_COMMAND), raw.pdv(1, 3, raw.ECHO_COMMAND))

    def script(peer):
        accept_first(peer)
        for offset in range(0, len(stream), step):
            peer.send(stream[offset : offset + step])
        peer.send(raw.RELEASE_RQ_PDU)
        assert peer.read_pdu() == (raw.RELEASE_RP, bytes(4))

    found = bytearray()

    class Sink:
        def write(self, fragment):
            found.extend(fragment)

    with against(script) as acceptor:
        association = associate(acceptor.port, Deadlines())
        message = association.receive(sink_for=(lambda *_: Sink()) if to_sink else None)
        assert message.command["AffectedSOPInstanceUID"] == "1.2"
        assert (bytes(found), message.data) == (
            (b"0123456789", None) if to_sink else (b"", b"0123456789")
        )
        for _ in range(2):  # two messages in one PDU
            assert association.receive().command["CommandField"] == dimse.C_ECHO_RQ
        assert association.receive() is None
        association.close()


def test_abort_wakes_a_thread_that_receives():
    def script(peer):
        accept_first(peer)
        kind, _ = peer.read_pdu()
        assert kind == raw.ABORT

    with against(script) as acceptor:
        association = associate(acceptor.port, Deadlines())
        threading.Timer(0.1, association.abort).start()
        began = time.monotonic()
        with pytest.raises(AssociationLostError, match="aborted here"):
            association.receive(60)
        assert time.monotonic() - began < 15
        association.close()


def test_abort_wakes_a_thread_that_waits_for_something_readable():
    with against(lambda peer: (accept_first(peer), wait_for_end(peer))) as acceptor:
        association = associate(acceptor.port, Deadlines())
        threading.Timer(0.1, association.abort).start()
        began = time.monotonic()
        assert association.readable(60)
        assert time.monotonic() - began < 15
        with pytest.raises(AssociationLostError):
            association.receive()
        association.close()


# --- sending


def test_a_peer_that_stops_reading_is_given_up():
    done = threading.Event()

    def script(peer):
        accept_first(peer)
        done.wait(20)

    with against(script) as acceptor:
        association = associate(acceptor.port)
        began = time.monotonic()
        with pytest.raises(PeerStalledError, match="read"):
            association.send(3, store_command(), io.BytesIO(bytes(50_000_000)))
        assert time.monotonic() - began < 15
        assert not association.is_open
        association.close()
        done.set()


def test_abort_wakes_a_thread_that_sends():
    done = threading.Event()

    def script(peer):
        accept_first(peer)
        done.wait(20)

    with against(script) as acceptor:
        association = associate(acceptor.port, Deadlines())
        threading.Timer(0.3, association.abort).start()
        with pytest.raises(AssociationLostError, match="aborted here"):
            association.send(3, store_command(), io.BytesIO(bytes(50_000_000)))
        association.close()
        done.set()


def store_command():
    return {
        "CommandField": dimse.C_STORE_RQ,
        "MessageID": 1,
        "Priority": 0,
        "AffectedSOPClassUID": CT,
        "AffectedSOPInstanceUID": "1.2.3",
    }


@pytest.mark.parametrize("max_length", [0, 6, 7, 20, 16384, 1 << 20, 0xFFFFFFFF])
@pytest.mark.parametrize("size", [0, 1, 13, 40_000])
@pytest.mark.parametrize("as_file", [True, False])
def test_what_is_sent_keeps_to_the_peers_maximum_length(max_length, size, as_file):
    if max_length == 7:
        size = min(size, 100)
    data = bytes(n % 251 for n in range(size))
    allowed = max_length if 7 <= max_length <= 131072 else 131072

    def script(peer):
        accept_first(peer, max_length=max_length)
        received, last = {1: b"", 0: b""}, {1: 0, 0: 0}
        while not last[0]:
            kind, body = peer.read_pdu()
            assert kind == raw.P_DATA
            assert len(body) <= allowed
            length, context_id, control = struct.unpack_from(">LBB", body)
            assert (length, context_id) == (len(body) - 4, 3)
            assert last[1] or control & 1
            received[control & 1] += body[6:]
            last[control & 1] = control & 2
        assert received[0] == data
        assert raw.read_command(received[1])[0x0800] != raw.us(0x0101)
        wait_for_end(peer)

    with against(script) as acceptor:
        association = associate(acceptor.port, Deadlines())
        association.send(3, store_command(), io.BytesIO(data) if as_file else data)
        association.close()


def test_a_file_that_cannot_be_read_ends_the_association():
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 50_000:
                raise OSError(5, "I/O error")
            return super().read(size)

    with against(lambda peer: (accept_first(peer), wait_for_end(peer))) as acceptor:
        association = associate(acceptor.port, Deadlines())
        with pytest.raises(OSError, match="I/O error"):
            association.send(3, store_command(), Broken(bytes(500_000)))
        assert not association.is_open
        association.close()


# --- releasing


def test_a_release_skips_what_still_comes_and_answers_a_release_that_crosses():
    def script(peer):
        accept_first(peer)
        peer.send(raw.p_data(raw.pdv(1, 3, raw.ECHO_COMMAND)), raw.RELEASE_RQ_PDU)
        assert peer.read_pdu() == (raw.RELEASE_RQ, bytes(4))
        assert peer.read_pdu() == (raw.RELEASE_RP, bytes(4))
        peer.send(raw.RELEASE_RP_PDU)

    with against(script) as acceptor:
        associate(acceptor.port, Deadlines()).release()


@pytest.mark.parametrize("answer", [b"", b"\6\0", raw.ABORT_PDU, b"\4\0\xff\xff\xff\xff"])
def test_a_release_that_is_not_answered_ends_at_the_deadline(answer):
    def script(peer):
        accept_first(peer)
        peer.read_pdu()
        peer.send(answer)
        wait_for_end(peer)

    with against(script) as acceptor:
        association = associate(acceptor.port)
        began = time.monotonic()
        association.release()
        association.release()
        assert time.monotonic() - began < 15
        assert not association.is_open


def test_a_block_that_raises_aborts():
    def script(peer):
        accept_first(peer)
        assert peer.read_last_pdu() == raw.ABORT

    with (
        against(script) as acceptor,
        pytest.raises(ZeroDivisionError),
        associate(acceptor.port, Deadlines()),
    ):
        raise ZeroDivisionError


# --- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory, need_program):
    """(own certificate and key, file of another authority)."""
    need_program("openssl")
    folder = tmp_path_factory.mktemp("tls")
    for name in ("ours", "other"):
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout",
                str(folder / f"{name}.key"),
                "-out",
                str(folder / f"{name}.pem"),
            ],
            check=True,
            capture_output=True,
        )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "ours.pem", folder / "ours.key")
    return server, folder / "ours.pem", folder / "other.pem"


def test_tls_carries_an_association_while_silent_clients_hang_in_the_handshake(certificates):
    server, ours, _ = certificates
    client = ssl.create_default_context(cafile=ours)
    data = bytes(range(256)) * 4000
    with (
        listening(answer_all, tls=server, deadlines=Deadlines()) as listener,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(5):
            stack.enter_context(socket.create_connection(("127.0.0.1", listener.port)))
        with associate(listener.port, Deadlines(), tls=client) as association:
            association.send(3, store_command(), data)
            assert association.receive().data == data
            association.release()


def test_readable_under_tls_means_a_message_and_not_a_record_of_tls(certificates):
    server, ours, _ = certificates
    client = ssl.create_default_context(cafile=ours)
    answer = threading.Event()

    def handle(association):
        answer.wait(10)
        association.send(1, ECHO)
        association.receive(5)

    with (
        listening(handle, tls=server, deadlines=Deadlines()) as listener,
        associate(listener.port, Deadlines(), tls=client) as association,
    ):
        assert not association.readable(0.1)  # tickets came with the handshake
        answer.set()
        assert association.readable(5)
        assert association.receive().command["CommandField"] == dimse.C_ECHO_RQ


def test_a_wrong_certificate_is_a_matter_of_configuration(certificates):
    server, _, other = certificates
    client = ssl.create_default_context(cafile=other)
    with (
        listening(answer_all, tls=server) as listener,
        pytest.raises(ConfigError, match="certificate of YOU"),
    ):
        associate(listener.port, tls=client)


def test_a_server_without_tls_is_a_matter_of_configuration(certificates):
    client = ssl.create_default_context(cafile=certificates[1])
    with listening(answer_all) as listener, pytest.raises(ConfigError, match="TLS"):
        associate(listener.port, tls=client)


def test_a_silent_server_ends_the_handshake_at_the_deadline(certificates):
    client = ssl.create_default_context(cafile=certificates[1])
    with against(wait_for_end) as acceptor, pytest.raises(PeerStalledError):
        associate(acceptor.port, tls=client)

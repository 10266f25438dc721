"""Binding and ending of the acceptor's port; the associations themselves are in test_transport."""

import errno
import os
import socket
import threading
import time

import pytest
import raw_peer as raw
from raw_peer import CT, EXPLICIT, RawPeer
from scripted_peer import wait_for

from mkiso.core.contexts import decide_storage_contexts
from mkiso.errors import ConfigError, PermissionDeniedError, TemporaryError
from mkiso.network.listener import Listener, _bind_error, plain_address
from mkiso.network.transport import AcceptPolicy, Deadlines

EVERYBODY = AcceptPolicy(lambda _ip: True, lambda *_: None, decide_storage_contexts)


def make(host="127.0.0.1", port=0, handle=lambda a: a.receive(5), **more):
    return Listener(host, port, handle=handle, accept=EVERYBODY, **more)


def test_a_port_that_another_program_has_is_temporary_and_says_how_to_find_it():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for host in ("127.0.0.1", ""):
            with pytest.raises(TemporaryError, match=f"Port {port} .*ss -ltnp"):
                make(host, port)


def test_a_port_that_is_taken_between_bind_and_start_is_temporary():
    listener = make()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", listener.port))
        other.listen()
        with pytest.raises(TemporaryError, match="used by another program"):
            listener.start()
        listener.stop()


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 70 + ".invalid"])
def test_an_address_that_is_not_ours_is_a_matter_of_configuration(host):
    with pytest.raises(ConfigError):
        make(host)


def test_a_port_number_that_is_none_is_a_matter_of_configuration():
    with pytest.raises(ConfigError):
        make(port=70_000)


def test_a_port_that_is_not_allowed_is_a_matter_of_permission():
    if os.geteuid() == 0:  # root may open any port: only the wording can be tested
        error = _bind_error(PermissionError(errno.EACCES, "Permission denied"), "", 104)
    else:
        with pytest.raises(PermissionDeniedError) as caught:
            make(port=1)
        error = caught.value
    assert error.code == 77


def test_all_addresses_are_ipv4_and_ipv6_where_there_is_ipv6():
    seen = []
    listener = make("", handle=lambda a: seen.append(a.peer_address))
    listener.start()
    hosts = ["127.0.0.1"]
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
            hosts.append("::1")
        except OSError:
            pass
    for host in hosts:
        with RawPeer(listener.port, host=host) as peer:
            peer.associate()
            peer.read_last_pdu()
    assert listener.stop()
    assert seen == hosts


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("::ffff:192.168.1.2", "192.168.1.2"),
        ("fe80::1%eth0", "fe80::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("::ffff:0:1", "::ffff:0:1"),
    ],
)
def test_addresses_are_compared_in_their_plain_form(address, plain):
    assert plain_address(address) == plain


def test_stop_without_start_frees_the_port():
    listener = make()
    port = listener.port
    assert listener.stop()
    assert listener.stop()
    again = make(port=port)
    again.stop()


def test_stop_aborts_an_association_that_waits():
    listener = make(deadlines=Deadlines(), handle=lambda a: a.receive(60))
    listener.start()
    with RawPeer(listener.port) as peer:
        peer.associate((1, CT, EXPLICIT))
        began = time.monotonic()
        assert listener.stop(10)
        assert time.monotonic() - began < 15  # the handler waits for a minute
        assert peer.read_last_pdu() == raw.ABORT
    assert listener.connections_open == 0


def test_stop_says_when_a_thread_does_not_end():
    released = threading.Event()
    listener = make(handle=lambda _a: released.wait(30))
    listener.start()
    with RawPeer(listener.port) as peer:
        peer.associate((1, CT, EXPLICIT))
        assert not listener.stop(0.1)
    released.set()
    wait_for(lambda: listener.connections_open == 0)


def test_what_a_handler_raises_is_handed_on_unless_it_is_the_peers_fault():
    failures, peers = [], []

    def handle(association):
        association.receive(5)
        raise ZeroDivisionError

    listener = make(
        handle=handle, failed=failures.append, peer_failed=lambda ip, e: peers.append((ip, type(e)))
    )
    listener.start()
    with RawPeer(listener.port) as peer:
        peer.associate((1, CT, EXPLICIT))
        peer.send(raw.RELEASE_RQ_PDU)
        peer.read_last_pdu()
    with RawPeer(listener.port) as peer:
        peer.send(b"\1\0\xff\xff\xff\xff")
        peer.read_last_pdu()
    listener.stop()
    assert [type(f) for f in failures] == [ZeroDivisionError]
    assert [(ip, kind.__name__) for ip, kind in peers] == [("127.0.0.1", "ProtocolError")]

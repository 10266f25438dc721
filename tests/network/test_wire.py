"""What wakes a reader that knows how much is to come: SO_RCVLOWAT, with peers that send less."""

import contextlib
import socket
import struct
import threading
import time

import pytest

from mkiso.network.transport import AssociationLostError, PeerStalledError
from mkiso.network.wire import Wire

_ANNOUNCED = 500_000
_LONG = 60.0


@pytest.fixture
def pair():
    """A wire, and the socket at the other end of its TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    wire = Wire(ours)
    yield wire, peer
    wire.close()
    with contextlib.suppress(OSError):
        peer.close()


def read(wire, size, deadline):
    """Read `size` bytes as a PDU is read: of the rest it is known that it comes."""
    view = memoryview(bytearray(size))
    done = 0
    while done < size:
        done += wire.receive_into(view[done:], deadline, "the rest of a PDU", size - done)
    return bytes(view)


def begun(wire, peer):
    """Let the wire wait for many bytes at once, after some that came."""
    peer.sendall(bytes(1000))
    return read(wire, 1000, time.monotonic() + _LONG)


@pytest.mark.fault("F24")
@pytest.mark.parametrize("sent", [0, 1, 30_000, 65_535, 200_000])
def test_a_peer_that_ends_its_side_early_is_noticed_at_once(pair, sent):
    wire, peer = pair
    begun(wire, peer)
    threading.Timer(0.2, lambda: (peer.sendall(bytes(sent)), peer.shutdown(socket.SHUT_WR))).start()
    with pytest.raises(AssociationLostError):
        read(wire, _ANNOUNCED, time.monotonic() + _LONG)
    assert wire.bytes_received == 1000 + sent


@pytest.mark.fault("F24")
def test_a_peer_that_is_reset_is_noticed_at_once(pair):
    wire, peer = pair
    begun(wire, peer)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    threading.Timer(0.2, lambda: (peer.sendall(bytes(30_000)), peer.close())).start()
    with pytest.raises(AssociationLostError):
        read(wire, _ANNOUNCED, time.monotonic() + _LONG)


@pytest.mark.fault("F25")
@pytest.mark.parametrize("sent", [1, 30_000])
def test_a_peer_that_falls_silent_is_given_up_at_the_deadline(pair, sent):
    wire, peer = pair
    begun(wire, peer)
    peer.sendall(bytes(sent))
    with pytest.raises(PeerStalledError):
        read(wire, _ANNOUNCED, time.monotonic() + 0.5)


@pytest.mark.parametrize("piece", [700, 20_000, 65_536])
def test_pieces_of_any_size_are_put_together(pair, piece):
    wire, peer = pair
    content = bytes(n % 251 for n in range(_ANNOUNCED))

    def send():
        for start in range(0, _ANNOUNCED, piece):
            peer.sendall(content[start : start + piece])

    sender = threading.Thread(target=send)
    sender.start()
    assert read(wire, _ANNOUNCED, time.monotonic() + _LONG) == content
    sender.join()


def test_after_a_long_read_one_byte_wakes_again(pair):
    wire, peer = pair
    threading.Thread(target=peer.sendall, args=(bytes(_ANNOUNCED),)).start()
    read(wire, _ANNOUNCED, time.monotonic() + _LONG)
    threading.Timer(0.2, peer.sendall, args=(b"x",)).start()
    assert wire.readable(_LONG)
    wire.need(1, time.monotonic() + _LONG, "one byte")


def test_a_peer_with_little_room_on_our_side_does_not_lock_up(pair):
    """The low-water mark is larger than the socket's buffer: the full buffer wakes the reader."""
    wire, peer = pair
    wire._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    sender = threading.Thread(target=peer.sendall, args=(bytes(_ANNOUNCED),))
    sender.start()
    assert len(read(wire, _ANNOUNCED, time.monotonic() + _LONG)) == _ANNOUNCED
    sender.join()

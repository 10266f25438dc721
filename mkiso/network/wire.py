"""A connected socket with a read buffer and with deadlines that hold inside a PDU.

The socket is non-blocking and waited for with poll(): one system call when bytes are there, and
every wait ends at a point of the monotonic clock instead of starting anew with each byte that
drips in.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from mkiso.errors import MkisoError, ProtocolError
from mkiso.network.upper_layer import (
    A_ABORT,
    ABORT_UNEXPECTED_PDU,
    PDU_HEADER,
    PDU_TYPES,
    AssociationLostError,
    PeerStalledError,
    TlsHandshakeError,
)

_VERIFICATION = ssl.SSLCertVerificationError
#: The first byte of a TLS record (RFC 8446 5.1) where a PDU type was expected.
_TLS_HANDSHAKE = 0x16
#: Before the association stands a connection costs no more than this.
SMALL_BUFFER_BYTES = 16 * 1024
#: One system call for many small PDUs. Kernel buffers are copied from while they are in the cache.
BUFFER_BYTES = 256 * 1024
#: How soon a wait that somebody may stop is stopped.
TICK_SECONDS = 0.25
#: How long an A-ABORT or A-ASSOCIATE-RJ gets to reach the peer before the socket is closed.
LAST_WORDS_SECONDS = 0.2

# Dead peers are noticed within about two minutes even where no deadline runs.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


def prepare_socket(sock: socket.socket) -> None:
    """Set the options of a connection: no Nagle, keep-alive, non-blocking."""
    sock.settimeout(0)
    with contextlib.suppress(OSError):  # not a TCP socket (tests), or the peer is gone already
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


#: What a waiting reader lets come together where it knows that it comes.
_WAKE_BYTES = 65536


class Wire:
    """One connection. Reading and writing may happen in two threads, each in one."""

    def __init__(
        self, sock: socket.socket, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take over `sock`, connected; `close` ends it."""
        prepare_socket(sock)
        self._sock = sock
        self._recv_into: Callable[[memoryview], int] = sock.recv_into
        self._send: Callable[[memoryview | bytes], int] = sock.send
        self._monotonic = monotonic
        self._wake_bytes = 1
        self._reading = select.poll()
        self._reading.register(sock.fileno(), select.POLLIN)
        self._writing = select.poll()
        self._writing.register(sock.fileno(), select.POLLOUT)
        self.interrupted = False
        self.require_running: Callable[[], None] | None = None  # raises to end a wait
        self.bytes_received = 0
        self.bytes_sent = 0
        self.last_activity = monotonic()
        self.buffer = bytearray(SMALL_BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.start = 0  # of the unread bytes in the buffer
        self.end = 0

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return isinstance(self._sock, ssl.SSLSocket)

    @property
    def encryption(self) -> str:
        """Protocol and cipher, such as `TLSv1.3, TLS_AES_256_GCM_SHA384`; "" for a plain line."""
        cipher = self._sock.cipher() if isinstance(self._sock, ssl.SSLSocket) else None
        return f"{cipher[1]}, {cipher[0]}" if cipher else ""

    @property
    def peer_certificate(self) -> Mapping[str, Any] | None:
        """What the peer showed and was verified, as `ssl` gives it; None without."""
        return self._sock.getpeercert() if isinstance(self._sock, ssl.SSLSocket) else None

    def enlarge(self, size_bytes: int = BUFFER_BYTES) -> None:
        """Change to a buffer of `size_bytes`, keeping what is unread."""
        unread = bytes(self.view[self.start : self.end])
        self.buffer = bytearray(max(size_bytes, len(unread)))
        self.view = memoryview(self.buffer)
        self.view[: len(unread)] = unread
        self.start, self.end = 0, len(unread)

    def fill(self, deadline: float, waiting_for: str, expected_bytes: int = 1) -> None:
        """Read at least one byte more behind what is unread (which must be less than the buffer).

        `expected_bytes` are certain to come: then it may wait for many at once.

        Raises AssociationLostError at the end of the stream, PeerStalledError at the deadline,
        with `waiting_for` as what was waited for.
        """
        if self.start:
            unread = self.end - self.start
            if unread:
                self.buffer[:unread] = self.buffer[self.start : self.end]
            self.start, self.end = 0, unread
        self.end += self.receive_into(self.view[self.end :], deadline, waiting_for, expected_bytes)

    def need(self, size_bytes: int, deadline: float, waiting_for: str) -> None:
        """Read until `size_bytes` are unread in one piece; less than the buffer, of course."""
        while self.end - self.start < size_bytes:
            self.fill(deadline, waiting_for)

    def receive_into(
        self, view: memoryview, deadline: float, waiting_for: str, expected_bytes: int = 1
    ) -> int:
        """Read what is there, at least one byte; like `fill` but past the buffer."""
        while True:
            poller = self._reading
            try:
                count = self._recv_into(view)
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            except ssl.SSLWantWriteError:
                poller = self._writing
            except (OSError, ValueError) as error:  # ValueError: closed meanwhile
                raise self._lost(error) from error
            else:
                if count == 0 or self.interrupted:
                    raise self._lost(None)
                self.bytes_received += count
                self.last_activity = self._monotonic()
                return count
            self._wake_at(expected_bytes)
            self._wait(poller, deadline, waiting_for)

    def send(self, data: bytes | bytearray | memoryview, deadline: float) -> None:
        """Send all of `data`. Raises as `fill` does when the peer does not read or is gone."""
        view = memoryview(data)
        while view:
            poller = self._writing
            try:
                count = self._send(view)
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            except ssl.SSLWantReadError:
                poller = self._reading
            except (OSError, ValueError) as error:
                raise self._lost(error) from error
            else:
                view = view[count:]
                self.bytes_sent += count
                continue
            self._wait(poller, deadline, "it to read what is sent")
        self.last_activity = self._monotonic()

    def handshake(
        self, context: ssl.SSLContext, server_hostname: str | None, deadline: float
    ) -> None:
        """Do the TLS handshake, as client of `server_hostname` if given. Raises ssl.SSLError."""
        sock = context.wrap_socket(
            self._sock,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=True,
        )
        self._sock = sock
        turn = threading.Lock()  # OpenSSL's state is not for a reader and a writer at once

        def recv_into(view: memoryview) -> int:
            with turn:
                return sock.recv_into(view)

        def send(view: memoryview | bytes) -> int:
            with turn:
                return sock.send(view)

        self._recv_into, self._send = recv_into, send
        while (poller := self._handshake_step(sock)) is not None:
            self._wait(poller, deadline, "the TLS handshake")

    def _handshake_step(self, sock: ssl.SSLSocket) -> select.poll | None:
        """Go on with the handshake; return what to wait for, None when it is done."""
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            return self._reading
        except ssl.SSLWantWriteError:
            return self._writing
        except ssl.SSLError:
            raise
        except (OSError, ValueError) as error:
            raise self._lost(error) from error
        return None

    def readable(self, timeout_seconds: float) -> bool:
        """Wait until there is something to read, the end of the stream included."""
        if self.end > self.start:
            return True
        if not self.is_tls:
            self._wake_at(1)
            return bool(self._reading.poll(max(0, int(timeout_seconds * 1000))))
        # What wakes poll may be a record of TLS's own (tickets, keys): only a read can tell
        try:
            self.fill(self._monotonic() + timeout_seconds, "something to read")
        except PeerStalledError:
            return False
        except AssociationLostError:
            return True  # the next read meets it again
        return True

    def peer_address(self) -> tuple[str, int]:
        """Return the IP address and the port of the peer, or nothing where there is none."""
        try:
            address = self._sock.getpeername()
        except OSError:
            return "", 0
        return str(address[0]), int(address[1])

    def send_now(self, data: bytes) -> None:
        """Send what goes without waiting; no error: for the last words on a connection."""
        with contextlib.suppress(OSError, ValueError):
            self._send(data)

    def abort(self, source_and_reason: tuple[int, int]) -> None:
        """Send an A-ABORT (PS3.8 9.3.8) without waiting."""
        self.send_now(PDU_HEADER.pack(A_ABORT, 4) + bytes((0, 0, *source_and_reason)))

    def drain(self, seconds: float) -> None:
        """End our side and throw away what comes: our last words must not get lost in a reset."""
        deadline = self._monotonic() + seconds
        # The plain socket's methods: what comes is not read, and TLS may have failed
        with contextlib.suppress(OSError, ValueError, AssociationLostError, PeerStalledError):
            socket.socket.shutdown(self._sock, socket.SHUT_WR)
            while self._monotonic() < deadline:
                self._wait(self._reading, deadline, "the end")
                if not socket.socket.recv_into(self._sock, self.view):
                    return

    def finish(self, deadline: float) -> bool:
        """End our side in good order; True when the peer then ended its own before the deadline.

        What the peer still says is not read. False: it broke off, or let the deadline pass.
        """
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                with contextlib.suppress(ssl.SSLError):
                    self._sock.unwrap()  # says goodbye (close_notify); the answer is read below
            socket.socket.shutdown(self._sock, socket.SHUT_WR)
            while True:
                self._wait(self._reading, deadline, "the end")
                if not socket.socket.recv_into(self._sock, self.view):
                    return True
        except (OSError, ValueError, AssociationLostError, PeerStalledError):
            return False

    def tls_alert(self, seconds: float) -> str:
        """Return what the peer says against us when it ends a TLS connection, "" for nothing.

        With TLS 1.3 a server looks at our certificate after the handshake has ended for us.
        """
        if not self.is_tls:
            return ""
        try:
            self.receive_into(self.view, self._monotonic() + seconds, "an alert")
        except MkisoError as error:
            return tls_words(error.__cause__)
        return ""

    def interrupt(self) -> None:
        """Wake whoever reads or writes here, from any thread; they see a lost association."""
        self.interrupted = True
        with contextlib.suppress(OSError):
            # The plain socket's method: SSLSocket.shutdown would drop the TLS state under a reader
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; nobody may be reading or writing."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def _wake_at(self, expected_bytes: int) -> None:
        """Be woken by so many bytes, at most; each wake-up costs as much as copying 64 KiB.

        Not with TLS, whose records are small. The end of the stream wakes whatever is set.
        """
        count = _WAKE_BYTES if expected_bytes >= _WAKE_BYTES and not self.is_tls else 1
        if count != self._wake_bytes:
            with contextlib.suppress(OSError):  # a system without it wakes us for each segment
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
            self._wake_bytes = count

    def _wait(self, poller: select.poll, deadline: float, waiting_for: str) -> None:
        while (remaining := deadline - self._monotonic()) > 0:
            slice_seconds = remaining
            if self.require_running is not None:
                self.require_running()
                slice_seconds = min(remaining, TICK_SECONDS)
            if poller.poll(int(slice_seconds * 1000) + 1):
                return
        if self.interrupted:
            raise self._lost(None)
        raise PeerStalledError(f"The peer let the deadline pass while we waited for {waiting_for}.")

    def _lost(self, error: Exception | None) -> AssociationLostError:
        if self.interrupted:
            return AssociationLostError("The association was aborted here.")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else ""
        reason = f"TLS: {tls_words(error)}" if isinstance(error, ssl.SSLError) else reason
        return AssociationLostError(
            f"The peer closed the connection{f' ({reason})' if reason else ''}."
        )


def tls_words(error: BaseException | None) -> str:
    """Return the reason of a TLS error in small letters: `alert unknown ca`; "" for another."""
    if not isinstance(error, ssl.SSLError):
        return ""
    words = (error.reason or "broken off").lower().replace("_", " ")
    words = f"{words}: {error.verify_message}" if isinstance(error, _VERIFICATION) else words
    return re.sub(r"^(tlsv1|tlsv13|sslv3) ", "", words)


def read_pdu(
    wire: Wire, deadline: float, maximum_length: int, expected: tuple[int, ...]
) -> tuple[int, bytes]:
    """Read one whole association PDU (not P-DATA-TF): its type and its body.

    The length is checked before anything is read, and memory grows only with what really came.
    Raises ProtocolError for another type than `expected`, an A-ABORT, or a length beyond the limit.
    """
    wire.need(PDU_HEADER.size, deadline, "an association PDU")
    pdu_type, length = PDU_HEADER.unpack_from(wire.buffer, wire.start)
    if pdu_type == A_ABORT:
        raise AssociationLostError("The peer aborted the association.")
    if pdu_type == _TLS_HANDSHAKE and pdu_type not in expected:
        raise TlsHandshakeError("The peer begins with TLS, and TLS is not switched on here.")
    if pdu_type not in expected or length > maximum_length:
        wire.abort(ABORT_UNEXPECTED_PDU)
        wire.drain(LAST_WORDS_SECONDS)
        if pdu_type not in PDU_TYPES:
            raise ProtocolError("What answers does not speak DICOM.")
        raise ProtocolError(f"The peer sent a PDU of type {pdu_type:02X}H and {length} bytes.")
    wire.start += PDU_HEADER.size
    body = bytearray()
    while len(body) < length:
        if wire.end == wire.start:
            wire.fill(deadline, "the rest of an association PDU")
        taken = min(length - len(body), wire.end - wire.start)
        body += wire.view[wire.start : wire.start + taken]
        wire.start += taken
    return pdu_type, bytes(body)

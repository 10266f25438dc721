"""The acceptor's side: a listening socket and one thread for each association."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from mkiso.core.accessions import printable
from mkiso.core.contexts import ACCEPTED
from mkiso.errors import (
    ConfigError,
    MkisoError,
    PermissionDeniedError,
    ProtocolError,
    TemporaryError,
)
from mkiso.network import negotiation
from mkiso.network.association import Association
from mkiso.network.negotiation import AssociateRequest
from mkiso.network.tls import ServerContext, certificate_names
from mkiso.network.upper_layer import (
    A_ASSOCIATE_RQ,
    ABORT_UNEXPECTED_PDU,
    MAXIMUM_ASSOCIATE_LENGTH,
    MAXIMUM_LENGTH,
    REJECT_APPLICATION_CONTEXT,
    REJECT_LOCAL_LIMIT,
    REJECT_PROTOCOL_VERSION,
    AcceptedContext,
    AcceptPolicy,
    Deadlines,
    Rejection,
    TlsHandshakeError,
)
from mkiso.network.wire import LAST_WORDS_SECONDS, Wire, read_pdu, tls_words

#: Connections that have not sent their A-ASSOCIATE-RQ yet; more are dropped at once.
MAXIMUM_SILENT = 256
_BACKLOG = 128


class Listener:
    """A bound port; from `start` on, one daemon thread serves each association.

    The port is bound when this is made and nobody can connect before `start`. An association is
    given to `handle`, and closed when `handle` returns; a peer's fault (MkisoError) ends there, any
    other exception goes to `failed`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        handle: Callable[[Association], None],
        accept: AcceptPolicy,
        deadlines: Deadlines | None = None,
        maximum_associations: int = 64,
        maximum_length: int = MAXIMUM_LENGTH,
        tls: ssl.SSLContext | None = None,
        failed: Callable[[Exception], None] | None = None,
        peer_failed: Callable[[str, MkisoError], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind `host` ("" is all addresses, IPv6 and IPv4) and `port` (0 is any free one).

        Raises TemporaryError when the port is taken, PermissionDeniedError when it may not be
        used, ConfigError when the address is not one of this machine.
        """
        self._handle = handle
        self._policy = accept
        self._deadlines = deadlines or Deadlines()
        self._maximum_associations = maximum_associations
        self._maximum_length = maximum_length
        self._tls = tls
        self._failed = failed
        self._peer_failed = peer_failed
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._wires: dict[threading.Thread, Wire] = {}
        self._associations: dict[threading.Thread, Association] = {}
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._socket = _bind(host, port)
        self._wake, self._waker = socket.socketpair()

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self._socket.getsockname()[1])

    @property
    def associations_open(self) -> int:
        """How many associations stand at the moment."""
        return len(self._associations)

    @property
    def connections_open(self) -> int:
        """How many connections there are, those without an association included."""
        return len(self._wires)

    def start(self) -> None:
        """Listen and accept. Raises TemporaryError when another program listens there meanwhile."""
        try:
            self._socket.listen(_BACKLOG)
        except OSError as error:
            raise _bind_error(error, "", self.port) from error
        self._thread = threading.Thread(target=self._accept_all, name="listener", daemon=True)
        self._thread.start()

    def stop(self, grace_seconds: float = 2.0) -> bool:
        """Stop accepting, free the port, abort what is left; False: a thread outlived the grace."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._waker.send(b"x")
        deadline = self._monotonic() + grace_seconds
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - self._monotonic()))
        self._socket.close()
        with self._lock:
            threads = dict(self._wires)
            associations = list(self._associations.values())
        for association in associations:
            association.abort()
        for wire in threads.values():
            wire.interrupt()
        me = threading.current_thread()
        for thread in threads:
            if thread is not me:
                thread.join(max(0.0, deadline - self._monotonic()))
        if self._thread is None or not self._thread.is_alive():
            self._wake.close()
            self._waker.close()
        return not any(thread.is_alive() for thread in threads if thread is not me)

    # --- the accepting thread

    def _accept_all(self) -> None:
        self._socket.settimeout(0)
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while not self._stopping:
            poller.poll()
            if self._stopping:
                return
            try:
                sock, address = self._socket.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                # No file handle left (EMFILE): the connection waits in the queue; poll would spin
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    time.sleep(0.1)
                continue
            self._admit(sock, plain_address(str(address[0])), int(address[1]))

    def _admit(self, sock: socket.socket, ip: str, port: int) -> None:
        silent = len(self._wires) - len(self._associations)
        if not self._policy.peer_allowed(ip) or silent >= MAXIMUM_SILENT:
            sock.close()
            return
        wire = Wire(sock, monotonic=self._monotonic)
        thread = threading.Thread(
            target=self._serve, args=(wire, ip, port), name=f"association {ip}", daemon=True
        )
        with self._lock:
            self._wires[thread] = wire
        try:
            thread.start()
        except RuntimeError:  # no more threads to be had
            with self._lock:
                self._wires.pop(thread)
            wire.close()

    # --- the thread of one association

    def _serve(self, wire: Wire, ip: str, port: int) -> None:
        thread = threading.current_thread()
        try:
            association = self._establish(wire, ip, port)
            if association is not None:
                self._handle(association)
        except MkisoError as error:
            if self._peer_failed is not None:
                self._peer_failed(ip, error)
        except Exception as error:
            if self._failed is None:
                raise
            self._failed(error)
        finally:
            with self._lock:
                self._wires.pop(thread)
                ended = self._associations.pop(thread, None)
            if ended is not None:
                ended.close()
            wire.close()

    def _establish(self, wire: Wire, ip: str, port: int) -> Association | None:
        deadline = self._monotonic() + self._deadlines.request_seconds
        if self._tls is not None:
            try:
                wire.handshake(self._tls, None, deadline)
            except ssl.SSLError as error:
                wire.drain(LAST_WORDS_SECONDS)
                raise TlsHandshakeError(
                    f"The TLS handshake with {ip} failed: {tls_words(error)}."
                ) from error
            self._require_named(wire, ip)
        _, body = read_pdu(wire, deadline, MAXIMUM_ASSOCIATE_LENGTH, (A_ASSOCIATE_RQ,))
        try:
            request = negotiation.decode_request(body)
        except ProtocolError:
            wire.abort(ABORT_UNEXPECTED_PDU)
            wire.drain(LAST_WORDS_SECONDS)
            raise
        with self._lock:
            rejection = self._rejection(request, ip)
            association = None
            if rejection is None:
                association, answer = self._accept(wire, request, ip, port)
                self._associations[threading.current_thread()] = association
            else:
                answer = negotiation.encode_rejection(rejection)
        wire.send(answer, deadline)
        if association is None:
            wire.drain(1.0)  # the requestor closes (PS3.8 9.2.3, Sta13)
        return association

    def _require_named(self, wire: Wire, ip: str) -> None:
        """Raise TlsHandshakeError for a certificate that has none of the names asked for."""
        certificate = wire.peer_certificate
        if isinstance(self._tls, ServerContext) and not self._tls.admits(certificate):
            names = ", ".join(sorted(certificate_names(certificate))) or "none"
            raise TlsHandshakeError(
                f"The certificate of {ip} is for {printable(names)}, which tls_names does not list."
            )

    def _rejection(self, request: AssociateRequest, ip: str) -> Rejection | None:
        if not request.protocol_version & 1:
            return REJECT_PROTOCOL_VERSION
        if request.application_context != negotiation.APPLICATION_CONTEXT:
            return REJECT_APPLICATION_CONTEXT
        rejection = self._policy.ae_titles_allowed(
            request.calling_ae_title, request.called_ae_title, ip
        )
        if rejection is None and len(self._associations) >= self._maximum_associations:
            return REJECT_LOCAL_LIMIT
        return rejection

    def _accept(
        self, wire: Wire, request: AssociateRequest, ip: str, port: int
    ) -> tuple[Association, bytes]:
        decisions = self._policy.negotiate(request.contexts)
        asked = {context.context_id: context for context in request.contexts}
        contexts = {
            d.context_id: AcceptedContext(
                d.context_id,
                asked[d.context_id].abstract_syntax,
                d.transfer_syntax,
                d.scu_role,
                d.scp_role,
            )
            for d in decisions
            if d.result == ACCEPTED
        }
        association = Association(
            wire,
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            peer_address=ip,
            peer_port=port,
            contexts=contexts,
            rejected=tuple(
                (asked[d.context_id].abstract_syntax, d.result)
                for d in decisions
                if d.result != ACCEPTED
            ),
            maximum_length=self._maximum_length,
            peer_maximum_length=request.maximum_length,
            deadlines=self._deadlines,
            monotonic=self._monotonic,
        )
        return association, negotiation.encode_accept(request, decisions, self._maximum_length)


def plain_address(address: str) -> str:
    """Return an IPv4 address that came in on an IPv6 socket as IPv4, and drop an IPv6 zone."""
    address = address.partition("%")[0]
    return address[7:] if address.lower().startswith("::ffff:") and "." in address else address


def _bind(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:  # the resolver would take it modulo 65536
        raise ConfigError(f"{port} is not a port number.")
    try:
        return _bound_socket(host, port)
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"The address to bind, {host}, is not known here.") from error
    except OSError as error:
        raise _bind_error(error, host, port) from error


def _bound_socket(host: str, port: int) -> socket.socket:
    candidates: list[tuple[int, Any]]
    if host:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        candidates = [(found[0][0], found[0][4])]
    else:
        candidates = [(socket.AF_INET6, ("::", port, 0, 0)), (socket.AF_INET, ("0.0.0.0", port))]
    for family, address in candidates:
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            if (family, address) == candidates[-1]:
                raise
            continue  # no IPv6 on this machine
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if not host and family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            # SO_RCVBUF stays alone: Linux grows the buffer of a connection up to tcp_rmem (6 MB),
            # and setting it stops that at rmem_max (208 KiB)
            sock.bind(address)
        except OSError as error:
            sock.close()
            no_ipv6 = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            if no_ipv6 and (family, address) != candidates[-1]:
                continue
            raise
        return sock
    raise OSError(errno.EADDRNOTAVAIL, "no address to bind")


def _bind_error(error: OSError, host: str, port: int) -> MkisoError:
    if error.errno == errno.EADDRINUSE:
        return TemporaryError(
            f"Port {port} is used by another program; `ss -ltnp 'sport = :{port}'` shows which one:"
            " end it, or take another port."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionDeniedError(
            f"Port {port} may not be opened by this user; take a port above 1023, or allow it."
        )
    return ConfigError(
        f"The receiver cannot be bound to {host or 'all addresses'}, port {port}: "
        f"{error.strerror}; give an address of this machine with --receiver AET@BIND:PORT."
    )

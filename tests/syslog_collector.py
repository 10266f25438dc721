"""A real syslog collector over TCP or TLS: reads frames to the end, then closes."""

import contextlib
import re
import socket
import ssl
import threading

_HEADER = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<moment>\S+) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) "
    rb"(?P<process>[!-~]{1,128}) (?P<id>[!-~]{1,32}) - \xef\xbb\xbf(?P<content>.*)",
    re.DOTALL,
)


class Collector:
    """`messages` are what came, taken apart; `reads` False: it accepts and never reads."""

    def __init__(self, context=None, *, reads=True, port=0):
        self._context = context
        self._reads = reads
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self.messages = []
        self.faults = []
        self._open = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)
        for sock in self._open:
            sock.close()

    @property
    def contents(self):
        return [m["content"].decode() for m in self.messages]

    def _accept(self):
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            if not self._reads:
                self._open.append(sock)
                continue
            sock.settimeout(10)
            try:
                with sock:
                    self._serve(sock)
            except (OSError, AssertionError) as fault:
                self.faults.append(fault)

    def _serve(self, sock):
        if self._context is not None:
            with self._context.wrap_socket(sock, server_side=True) as secured:
                self._take(_read_to_goodbye(secured))
        else:
            self._take(_read_all(sock))

    def _take(self, stream):
        while stream:
            length, _, stream = stream.partition(b" ")
            assert re.fullmatch(rb"[1-9][0-9]*", length), length[:20]
            message, stream = stream[: int(length)], stream[int(length) :]
            assert len(message) == int(length)
            header = _HEADER.fullmatch(message)
            assert header, message[:80]
            self.messages.append(header.groupdict())


def _read_all(sock):
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def _read_to_goodbye(sock):
    """Under TLS the sender says goodbye (RFC 5425 4.4): an end without it is an error here."""
    sock.suppress_ragged_eofs = False
    return _read_all(sock)


def tls_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.load_verify_locations(certificate.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context

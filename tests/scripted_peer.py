"""Peers on loopback that do what a test tells them: real associations, and raw sockets."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

from mkiso.core.contexts import (
    ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ACCEPTED,
    TRANSFER_SYNTAXES_NOT_SUPPORTED,
    ContextDecision,
)
from mkiso.core.identifier import encode_identifier
from mkiso.core.job import Node
from mkiso.errors import MkisoError
from mkiso.network import dimse
from mkiso.network.transport import AcceptPolicy, Deadlines, Listener

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
VRS = {0x00080016: "UI", 0x00080018: "UI", 0x0020000D: "UI", 0x0020000E: "UI", 0x00080058: "UI"}


@dataclass
class ScriptedPeer:
    """Serves each association with `script(peer, association)`; keeps what it was sent."""

    script: object
    refuse: frozenset = frozenset()  # abstract syntaxes that are not accepted
    syntaxes: tuple = (EXPLICIT, IMPLICIT)  # those that are; None: whatever comes first
    reject: object = None  # a Rejection for every association
    ae_title: str = "ABPACS"
    commands: list = field(default_factory=list)
    identifiers: list = field(default_factory=list)
    associations: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        policy = AcceptPolicy(lambda ip: True, lambda *_: self.reject, self._negotiate)
        self._listener = Listener(
            "127.0.0.1", 0, handle=self._serve, accept=policy, deadlines=Deadlines()
        )
        self._listener.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self._listener.stop(5)

    def node(self, **more):
        values = {"retries": 0, "find_timeout_seconds": 5.0, **more}
        return Node("abpacs", self.ae_title, "127.0.0.1", self._listener.port, **values)

    def _negotiate(self, requested):
        return [self._decide(context) for context in requested]

    def _decide(self, context):
        if context.abstract_syntax in self.refuse:
            return ContextDecision(context.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED)
        known = self.syntaxes or context.transfer_syntaxes
        chosen = next((s for s in context.transfer_syntaxes if s in known), None)
        if chosen is None:
            return ContextDecision(context.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED)
        return ContextDecision(
            context.context_id, ACCEPTED, chosen, context.scu_role, context.scp_role
        )

    def _serve(self, association):
        self.associations += 1
        with contextlib.suppress(MkisoError):
            self.script(self, association)

    def requests(self, association):
        """Yield each message, recorded, until the release."""
        while (message := association.receive(idle_seconds=60)) is not None:
            self.commands.append(message.command)
            self.identifiers.append(message.data)
            yield message

    def hang(self):
        """Do nothing until the test is over."""
        self.stopping.wait(60)


def respond(association, message, status, data=None, **more):
    """Answer a request."""
    response = dimse.response_to(message.command, status, **more)
    association.send(message.context.context_id, response, data)


def identifier(syntax=EXPLICIT, /, **values):
    """Encode an answer: tags as keywords, `t0020000D="1.2"`."""
    keys = sorted((int(name[1:], 16), value) for name, value in values.items())
    encoded = ((tag, VRS.get(tag, "LO"), value.encode()) for tag, value in keys)
    return encode_identifier(encoded, syntax)


def answer(*answers, status=0x0000):
    """Return a script that gives these answers to every C-FIND."""

    def script(peer, association):
        for message in peer.requests(association):
            for values in answers:
                data = identifier(message.context.transfer_syntax, **values)
                respond(association, message, 0xFF00, data)
            respond(association, message, status)

    return script


@contextlib.contextmanager
def raw_peer(behave):
    """Give the port of a listener that runs `behave(socket)` for each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(target=run, args=(connection,), daemon=True)
                threads.append(thread)
                thread.start()

    def run(connection):
        with connection, contextlib.suppress(OSError):
            behave(connection)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(20)
        for thread in threads:
            thread.join(20)


def wait_for(condition, seconds=30.0):
    """Wait until `condition()` holds; fail otherwise."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")

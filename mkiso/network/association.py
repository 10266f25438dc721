"""One established association, as requestor or as acceptor: messages in, messages out, the end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import BinaryIO

from mkiso.errors import MkisoError, ProtocolError
from mkiso.network.dimse import Command
from mkiso.network.message_reader import MessageReader, SinkFor
from mkiso.network.message_writer import MessageWriter
from mkiso.network.upper_layer import (
    ABORT_BY_USER,
    ABORT_INVALID_PARAMETER,
    MAXIMUM_DATA_SET_BYTES,
    RELEASE_RP_PDU,
    RELEASE_RQ_PDU,
    AcceptedContext,
    AssociationLostError,
    Deadlines,
    Message,
)
from mkiso.network.wire import LAST_WORDS_SECONDS, Wire


class Association:
    """One association. `receive` in one thread, `send` in one thread, `abort` from any.

    As a context manager it is released at the end of the block, and aborted when the block raises.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        calling_ae_title: str,
        called_ae_title: str,
        peer_address: str,
        peer_port: int,
        contexts: Mapping[int, AcceptedContext],
        rejected: tuple[tuple[str, int], ...],
        maximum_length: int,
        peer_maximum_length: int,
        deadlines: Deadlines,
        max_data_set_bytes: int = MAXIMUM_DATA_SET_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over a `wire` on which the association was just established."""
        wire.enlarge()
        self.calling_ae_title = calling_ae_title
        self.called_ae_title = called_ae_title
        self.peer_address = peer_address
        self.peer_port = peer_port
        self.contexts: Mapping[int, AcceptedContext] = MappingProxyType(dict(contexts))
        self.rejected = rejected  # (abstract syntax, result) of each context not accepted
        self.deadlines = deadlines
        self.encryption = wire.encryption  # protocol and cipher, "" for a plain line
        self._wire = wire
        self._monotonic = monotonic
        self._message_ids = itertools.cycle(range(1, 65536))
        self._reader = MessageReader(
            wire,
            self.contexts,
            maximum_length=maximum_length,
            pdu_seconds=deadlines.pdu_seconds,
            max_data_set_bytes=max_data_set_bytes,
            monotonic=monotonic,
        )
        self._writer = MessageWriter(
            wire,
            peer_maximum_length=peer_maximum_length,
            pdu_seconds=deadlines.pdu_seconds,
            monotonic=monotonic,
        )
        self._receiving = threading.Lock()
        self._sending = threading.Lock()
        self._open = True

    @property
    def bytes_received(self) -> int:
        """Bytes that came on this connection."""
        return self._wire.bytes_received

    @property
    def bytes_sent(self) -> int:
        """Bytes that went out on this connection."""
        return self._wire.bytes_sent

    @property
    def last_activity(self) -> float:
        """When the last bytes came or went, on the monotonic clock."""
        return self._wire.last_activity

    @property
    def is_open(self) -> bool:
        """False once the association was released, aborted or lost."""
        return self._open

    def context_for(
        self, abstract_syntax: str, transfer_syntax: str | None = None
    ) -> AcceptedContext | None:
        """Return the first accepted context of that class (and syntax, if given)."""
        for context in self.contexts.values():
            if context.abstract_syntax == abstract_syntax and (
                transfer_syntax is None or context.transfer_syntax == transfer_syntax
            ):
                return context
        return None

    def next_message_id(self) -> int:
        """Return a Message ID from 1 to 65535 that was not used lately."""
        return next(self._message_ids)

    def readable(self, timeout_seconds: float) -> bool:
        """Wait until the peer sent something (or is gone); `receive` then has something to do."""
        with self._receiving:  # so that nobody frees the file handle meanwhile
            return not self._open or self._reader.has_unread or self._wire.readable(timeout_seconds)

    def receive(
        self, idle_seconds: float | None = None, sink_for: SinkFor | None = None
    ) -> Message | None:
        """Return the next whole message; None when the peer released (that is answered already).

        `sink_for` is asked once the command set of a message with a data set is complete. When it
        returns a sink, the data set streams into it; otherwise it is collected, up to
        `max_data_set_bytes`. A PDU whose first byte came must be complete within `pdu_seconds`, and
        so must a whole message that is collected in memory; a data set that streams may take any
        time as long as no two PDUs are more than `idle_seconds` apart.

        Raises PeerStalledError, AssociationLostError and ProtocolError. The association is aborted
        and closed then, but for one case: no byte came within `idle_seconds` of a call. That
        PeerStalledError leaves everything as it is, and `receive` may be called again.
        """
        idle = self.deadlines.idle_seconds if idle_seconds is None else idle_seconds
        with self._receiving:
            self._require_open()
            self._await_first_byte(idle)
            try:
                message = self._reader.read(idle, sink_for)
            except ProtocolError:
                self._finish(ABORT_INVALID_PARAMETER, last_words_seconds=LAST_WORDS_SECONDS)
                raise
            except BaseException:
                self._finish(ABORT_BY_USER)
                raise
            if message is None:
                with self._sending:
                    self._wire.send_now(RELEASE_RP_PDU)
                self._finish(None)
            return message

    def _await_first_byte(self, idle: float) -> None:
        if self._reader.has_unread:
            return
        try:
            self._wire.fill(self._monotonic() + idle, f"the next message ({idle:g} s)")
        except AssociationLostError:
            self._finish(None)
            raise

    def send(self, context_id: int, command: Command, data: bytes | BinaryIO | None = None) -> None:
        """Send one message; `data` is a whole data set, or a file read from where it stands.

        The Command Data Set Type is set here. Raises AssociationLostError or PeerStalledError, and
        what reading the file raises; the association has ended then.
        """
        with self._sending:
            self._require_open()
            try:
                self._writer.write(context_id, command, data)
            except BaseException:
                self._open = False
                self._wire.interrupt()
                raise

    def release(self) -> None:
        """End the association in good order; where the peer does not play along, abort it."""
        deadline = self._monotonic() + self.deadlines.release_seconds
        with self._receiving, self._sending:
            if not self._open:
                return
            try:
                self._wire.send(RELEASE_RQ_PDU, deadline)
                self._reader.await_release_answer(deadline)
            except MkisoError:
                self._wire.abort(ABORT_BY_USER)
            self._open = False
            self._wire.close()

    def abort(self) -> None:
        """Abort and close, from any thread, without waiting; a blocked call there raises."""
        self._open = False
        self._wire.interrupted = True  # first: the peer may close as soon as it reads our abort
        sending = self._sending.acquire(blocking=False)
        receiving = self._receiving.acquire(blocking=False)
        # Not into a message that is being sent, nor into TLS state that another thread is using
        if sending and (receiving or not self._wire.is_tls):
            self._wire.abort(ABORT_BY_USER)
        self._wire.interrupt()
        if sending and receiving:
            self._wire.close()
        if sending:
            self._sending.release()
        if receiving:
            self._receiving.release()

    def close(self) -> None:
        """Abort if the association still stands, and free the socket."""
        if self._open:
            self.abort()
        with self._receiving, self._sending:
            self._wire.close()

    def _finish(
        self, abort_reason: tuple[int, int] | None, *, last_words_seconds: float = 0.0
    ) -> None:
        """End the connection from inside `receive`."""
        self._open = False
        if abort_reason is not None and not self._wire.interrupted:
            self._wire.abort(abort_reason)
            if last_words_seconds:
                self._wire.drain(last_words_seconds)
        if self._sending.acquire(blocking=False):
            self._wire.close()
            self._sending.release()
        else:
            self._wire.interrupt()  # wakes the sender in another thread; `close` does the rest

    def _require_open(self) -> None:
        if not self._open:
            raise AssociationLostError("The association has ended.")

    def __enter__(self) -> Association:  # noqa: PYI034 - typing.Self came with Python 3.11
        """Give the association itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release at the end of a with block, abort when it raises."""
        if kind is None:
            self.release()
        self.close()

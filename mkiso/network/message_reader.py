"""P-DATA-TF PDUs in, DIMSE messages out (PS3.8 9.3.5 and Annex E).

PDUs are taken apart as their bytes arrive: a fragment of a data set goes to its sink straight from
the read buffer, so that the memory of an association is fixed whatever the size of an object.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Mapping

from mkiso.errors import ProtocolError
from mkiso.network import dimse
from mkiso.network.dimse import Command
from mkiso.network.upper_layer import (
    A_ABORT,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    MAXIMUM_DATA_SET_BYTES,
    P_DATA_TF,
    PDU_HEADER,
    PDV_HEADER,
    RELEASE_RP_PDU,
    AcceptedContext,
    AssociationLostError,
    DataSink,
    Message,
    PeerStalledError,
)
from mkiso.network.wire import Wire

SinkFor = Callable[[AcceptedContext, Command], "DataSink | None"]

#: What a PDU may exceed the length we offered by: some peers do not count all headers.
LENGTH_SLACK = 1024

# Message control header, PS3.8 Annex E.2
_IS_COMMAND = 1
_IS_LAST = 2

#: The headers of a P-DATA-TF and of its first PDV.
_ONE_PDV = struct.Struct(">BxLLBB")


class MessageReader:
    """Reads the messages of one association. No method is for two threads at once."""

    def __init__(
        self,
        wire: Wire,
        contexts: Mapping[int, AcceptedContext],
        *,
        maximum_length: int,
        pdu_seconds: float,
        max_data_set_bytes: int = MAXIMUM_DATA_SET_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read from `wire`, taking only messages on `contexts` and PDUs up to `maximum_length`."""
        self._wire = wire
        self._contexts = contexts
        self._maximum_length = maximum_length + LENGTH_SLACK
        self._pdu_seconds = pdu_seconds
        self._max_data_set_bytes = max_data_set_bytes
        self._monotonic = monotonic
        self._pdu_left = 0  # bytes of the current P-DATA-TF not read yet
        self._deadline = 0.0  # for the PDU that is being read
        self._message_deadline = math.inf  # for the message, while it is collected in memory

    @property
    def has_unread(self) -> bool:
        """Whether bytes that were received wait to be read."""
        return self._pdu_left > 0 or self._wire.end > self._wire.start

    def read(self, idle: float, sink_for: SinkFor | None) -> Message | None:
        """Return the next message, None when an A-RELEASE-RQ came (to be answered by the caller).

        Raises ProtocolError, AssociationLostError (A-ABORT, end of the stream), PeerStalledError.
        """
        self._message_deadline = self._monotonic() + self._pdu_seconds
        raw = bytearray()
        context: AcceptedContext | None = None
        last = 0
        while not last:
            pdv = self._next_pdv(idle)
            if pdv is None:
                if context is not None:
                    raise ProtocolError("The peer released the association inside a message.")
                return None
            length, context_id, control = pdv
            if not control & _IS_COMMAND:
                raise ProtocolError("The peer sent a data set without a command.")
            context = self._context(context_id, context)
            if len(raw) + length > dimse.MAXIMUM_COMMAND_BYTES:
                raise ProtocolError("The peer sent a command set of more than 64 KiB.")
            self._read_fragment(length, raw.extend)
            last = control & _IS_LAST
        return self._with_data_set(context, dimse.decode_command(raw), idle, sink_for)

    def _with_data_set(
        self,
        context: AcceptedContext | None,
        command: Command,
        idle: float,
        sink_for: SinkFor | None,
    ) -> Message:
        assert context is not None  # noqa: S101 - for the type checker: one fragment was read
        if command["CommandDataSetType"] == dimse.NO_DATA_SET:
            return Message(context, command, None)
        sink = sink_for(context, command) if sink_for is not None else None
        if sink is not None:
            self._message_deadline = math.inf
            self._read_data_set(context, idle, sink.write, math.inf)
            return Message(context, command, None)
        data = bytearray()
        self._read_data_set(context, idle, data.extend, self._max_data_set_bytes)
        return Message(context, command, bytes(data))

    def _read_data_set(
        self,
        context: AcceptedContext,
        idle: float,
        write: Callable[[memoryview], object],
        limit: float,
    ) -> None:
        size = 0
        while not (limit == math.inf and self._stream(context.context_id, write)):
            pdv = self._next_pdv(idle)
            if pdv is None:
                raise ProtocolError("The peer released the association inside a data set.")
            length, context_id, control = pdv
            if control & _IS_COMMAND:
                raise ProtocolError("The peer sent a command before the end of a data set.")
            self._context(context_id, context)
            size += length
            if size > limit:
                raise ProtocolError(f"The peer sent a data set of more than {limit} bytes.")
            self._read_fragment(length, write)
            if control & _IS_LAST:
                return

    def _stream(self, context_id: int, write: Callable[[memoryview], object]) -> bool:
        """Read ahead what is as nearly all peers send it: P-DATA-TFs with one PDV of a data set.

        Does nothing that the careful way would not do, in a third of the time: with PDUs of 16 KiB
        that is what an instance costs. Stops at whatever is not so simple; True: at the last PDV.
        """
        wire = self._wire
        while self._pdu_left == 0 and wire.end - wire.start >= _ONE_PDV.size:
            pdu_type, pdu_length, length, context, control = _ONE_PDV.unpack_from(
                wire.buffer, wire.start
            )
            if (
                pdu_type != P_DATA_TF
                or length + 4 != pdu_length
                or not PDV_HEADER.size <= pdu_length <= self._maximum_length
                or context != context_id
                or control & _IS_COMMAND
            ):
                return False
            wire.start += _ONE_PDV.size
            length -= 2
            if length <= wire.end - wire.start:
                write(wire.view[wire.start : wire.start + length])
                wire.start += length
            else:
                self._deadline = self._monotonic() + self._pdu_seconds
                self._pdu_left = length
                self._read_fragment(length, write)
            if control & _IS_LAST:
                return True
        return False

    def _context(self, context_id: int, expected: AcceptedContext | None) -> AcceptedContext:
        context = self._contexts.get(context_id)
        if context is None:
            raise ProtocolError(f"The peer used presentation context {context_id}, not accepted.")
        if expected is not None and context is not expected:
            raise ProtocolError("The peer changed the presentation context inside a message.")
        return context

    def _read_fragment(self, length: int, write: Callable[[memoryview], object]) -> None:
        wire = self._wire
        self._pdu_left -= length
        while length:
            available = wire.end - wire.start
            if available == 0:
                wire.fill(self._deadline, "the rest of a PDU", length)
                available = wire.end
            take = min(available, length)
            write(wire.view[wire.start : wire.start + take])
            wire.start += take
            length -= take

    def _next_pdv(self, idle: float) -> tuple[int, int, int] | None:
        """Return fragment length, context ID and control byte; None at the peer's release."""
        if self._pdu_left == 0 and not self._next_p_data(idle):
            return None
        wire = self._wire
        if self._pdu_left < PDV_HEADER.size:
            raise ProtocolError("The peer sent a P-DATA-TF that ends inside a PDV.")
        wire.need(PDV_HEADER.size, self._deadline, "the rest of a PDU")
        length, context_id, control = PDV_HEADER.unpack_from(wire.buffer, wire.start)
        wire.start += PDV_HEADER.size
        self._pdu_left -= PDV_HEADER.size
        if length < 2 or length - 2 > self._pdu_left:
            raise ProtocolError(f"The peer sent a PDV of {length} bytes: not what its PDU holds.")
        return length - 2, context_id, control

    def _next_p_data(self, idle: float) -> bool:
        """Read the header of the next PDU; False when it was the peer's A-RELEASE-RQ."""
        wire = self._wire
        if wire.end == wire.start:
            deadline = min(self._monotonic() + idle, self._message_deadline)
            wire.fill(deadline, f"the next part of a message ({idle:g} s)")
        now = self._monotonic()
        if now > self._message_deadline:  # a stream of tiny PDUs never blocks
            raise PeerStalledError("The peer took too long to send one message.")
        self._deadline = min(now + self._pdu_seconds, self._message_deadline)
        wire.need(PDU_HEADER.size, self._deadline, "the rest of a PDU")
        pdu_type, length = PDU_HEADER.unpack_from(wire.buffer, wire.start)
        if pdu_type != P_DATA_TF:
            return self._other_pdu(pdu_type, length)
        if not PDV_HEADER.size <= length <= self._maximum_length:
            raise ProtocolError(
                f"The peer sent a P-DATA-TF of {length} bytes; "
                f"{PDV_HEADER.size} to {self._maximum_length} are possible here."
            )
        wire.start += PDU_HEADER.size
        self._pdu_left = length
        return True

    def _other_pdu(self, pdu_type: int, length: int) -> bool:
        if pdu_type not in (A_RELEASE_RQ, A_ABORT) or length != 4:
            raise ProtocolError(f"The peer sent an unexpected PDU of type {pdu_type:02X}H.")
        wire = self._wire
        wire.need(PDU_HEADER.size + length, self._deadline, "the rest of a PDU")
        if pdu_type == A_ABORT:
            source, reason = wire.buffer[wire.start + 8], wire.buffer[wire.start + 9]
            raise AssociationLostError(
                f"The peer aborted the association (source {source}, reason {reason})."
            )
        wire.start += PDU_HEADER.size + length
        return False

    def await_release_answer(self, deadline: float) -> None:
        """Skip what else comes, answer a release that crossed ours (PS3.8 9.2, Sta7 to Sta11)."""
        wire = self._wire
        skip = self._pdu_left
        while True:
            while skip:
                if wire.end == wire.start:
                    wire.fill(deadline, "the answer to our release")
                taken = min(skip, wire.end - wire.start)
                wire.start += taken
                skip -= taken
            if self._monotonic() > deadline:
                raise PeerStalledError("The peer did not answer our release in time.")
            wire.need(PDU_HEADER.size, deadline, "the answer to our release")
            pdu_type, skip = PDU_HEADER.unpack_from(wire.buffer, wire.start)
            wire.start += PDU_HEADER.size
            if pdu_type == A_RELEASE_RP:
                return
            if pdu_type == A_RELEASE_RQ:
                wire.send(RELEASE_RP_PDU, deadline)
            elif pdu_type != P_DATA_TF or skip > self._maximum_length:
                raise AssociationLostError("The peer did not answer our release.")

"""DIMSE messages in, P-DATA-TF PDUs out (PS3.8 9.3.5 and Annex E)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import BinaryIO

from mkiso.network import dimse
from mkiso.network.dimse import Command
from mkiso.network.upper_layer import P_DATA_TF, PDU_HEADER, PDV_HEADER
from mkiso.network.wire import Wire

#: Length of the P-DATA-TF we send to a peer without a limit, or with one that is not worth having.
OWN_MAXIMUM_SENT = 131072

_HEADERS = PDU_HEADER.size + PDV_HEADER.size
# Message control header, PS3.8 Annex E.2
_COMMAND = 1
_DATA_SET = 0
_LAST = 2


class MessageWriter:
    """Writes the messages of one association. No method is for two threads at once."""

    def __init__(
        self,
        wire: Wire,
        *,
        peer_maximum_length: int,
        pdu_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to `wire` in PDUs up to the peer's maximum length, each within `pdu_seconds`."""
        self._wire = wire
        self._pdu_seconds = pdu_seconds
        self._monotonic = monotonic
        self._fragment_bytes = fragment_bytes(peer_maximum_length)
        # Small PDUs go several to a system call
        self._per_send = max(1, OWN_MAXIMUM_SENT // (self._fragment_bytes + _HEADERS))
        self._buffer = bytearray()

    def write(self, context_id: int, command: Command, data: bytes | BinaryIO | None) -> None:
        """Send one message; its Command Data Set Type is set here.

        `data` is a whole data set, or a file that is read from where it stands to its end. Raises
        AssociationLostError, PeerStalledError, and what reading the file raises (then the message
        is incomplete and the association of no use).
        """
        kind = dimse.NO_DATA_SET if data is None else dimse.DATA_SET
        raw = dimse.encode_command({**command, "CommandDataSetType": kind})
        pdus = self._pdus_of(raw, context_id, _COMMAND)
        if isinstance(data, bytes):
            pdus += self._pdus_of(data, context_id, _DATA_SET)
        view = memoryview(pdus)
        for offset in range(0, len(view), OWN_MAXIMUM_SENT):
            self._send(view[offset : offset + OWN_MAXIMUM_SENT])
        if data is not None and not isinstance(data, bytes):
            self._write_file(data, context_id)

    def _send(self, view: memoryview) -> None:
        self._wire.send(view, self._monotonic() + self._pdu_seconds)

    def _pdus_of(self, raw: bytes, context_id: int, control: int) -> bytes:
        """Return one P-DATA-TF a fragment, the last one marked; an empty one for no bytes."""
        size = self._fragment_bytes
        parts = []
        for offset in range(0, max(len(raw), 1), size):
            fragment = raw[offset : offset + size]
            last = _LAST if offset + size >= len(raw) else 0
            parts.append(PDU_HEADER.pack(P_DATA_TF, len(fragment) + PDV_HEADER.size))
            parts.append(PDV_HEADER.pack(len(fragment) + 2, context_id, control | last))
            parts.append(fragment)
        return b"".join(parts)

    def _write_file(self, source: BinaryIO, context_id: int) -> None:
        step = self._fragment_bytes + _HEADERS
        if not self._buffer:
            self._buffer = bytearray(step * self._per_send)
        buffer, view, used = self._buffer, memoryview(self._buffer), 0
        following = source.read(self._fragment_bytes)
        last = 0
        while not last:
            fragment, following = following, source.read(self._fragment_bytes)
            length = len(fragment)
            last = 0 if following else _LAST
            PDU_HEADER.pack_into(buffer, used, P_DATA_TF, length + PDV_HEADER.size)
            PDV_HEADER.pack_into(
                buffer, used + PDU_HEADER.size, length + 2, context_id, _DATA_SET | last
            )
            used += _HEADERS
            view[used : used + length] = fragment
            used += length
            if last or used + step > len(buffer):
                self._send(view[:used])
                used = 0


def fragment_bytes(peer_maximum_length: int) -> int:
    """Return the bytes of a message that go in a P-DATA-TF; 0 is "no limit", under 7 none fit."""
    if peer_maximum_length <= PDV_HEADER.size:
        peer_maximum_length = OWN_MAXIMUM_SENT
    return min(peer_maximum_length, OWN_MAXIMUM_SENT) - PDV_HEADER.size

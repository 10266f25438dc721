"""A request that takes many steps: whether the requestor cancelled it, and its responses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mkiso.archive.index import StoredInstance
from mkiso.archive.sending import Sent
from mkiso.core.identifier import encode_identifier
from mkiso.errors import ProtocolError, TemporaryError
from mkiso.network import dimse
from mkiso.network.transport import Association, AssociationLostError, Message

# Status codes, PS3.4 Tables C.4-1 to C.4-3, PS3.7 Annex C
SUCCESS = 0x0000
PENDING = 0xFF00
PENDING_UNSUPPORTED_KEYS = 0xFF01
CANCELLED = 0xFE00
SUB_OPERATIONS_FAILED = 0xB000
UNABLE_TO_PERFORM_SUB_OPERATIONS = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
IDENTIFIER_DOES_NOT_MATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000
NOT_AUTHORISED = 0x0124
UNRECOGNISED_OPERATION = 0x0211

_FAILED_SOP_INSTANCE_UID_LIST = 0x00080058
#: The longest value of a UI element with a length of 16 bits (PS3.5 7.1.2).
_LONGEST_LIST = 65534
#: Counts of sub-operations are US (PS3.7 9.1.4).
_HIGHEST_COUNT = 65535
_BETWEEN_PENDING_SECONDS = 0.1


@dataclass(slots=True)
class Operation:
    """One C-FIND, C-MOVE or C-GET under way."""

    association: Association
    request: Message
    require_running: Callable[[], None]
    cancelled: bool = False

    def check(self) -> bool:
        """Return whether to go on; False after a C-CANCEL.

        Raises AssociationLostError when the requestor is gone, and when the archive stops.
        """
        self.require_running()
        while self.association.readable(0):
            message = self.association.receive()
            if message is None:
                raise AssociationLostError("The requestor released within its request.")
            self.take(message)
        return not self.cancelled

    def take(self, message: Message) -> None:
        """Take a message that came while the operation was under way: only a C-CANCEL may."""
        command = message.command
        if command["CommandField"] != dimse.C_CANCEL_RQ:
            raise ProtocolError("The requestor began another operation before the end of this.")
        if command.get("MessageIDBeingRespondedTo") == self.request.command.get("MessageID"):
            self.cancelled = True

    def respond(self, status: int, data: bytes | None = None, **more: Any) -> None:
        """Send a response."""
        command = dimse.response_to(self.request.command, status, **more)
        self.association.send(self.request.context.context_id, command, data)

    def refuse(self, status: int, comment: str) -> None:
        """Send a final response with a reason (of which 64 characters fit)."""
        self.respond(status, ErrorComment=comment[:64])


@dataclass(slots=True)
class Tally:
    """The sub-operations of a C-MOVE or C-GET, counted (PS3.4 C.4.2.1.6)."""

    operation: Operation
    remaining: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)
    _next_pending: float = 0.0

    def count(self, instance: StoredInstance, sent: Sent) -> None:
        """Count one, and tell the requestor how far it is, ten times a second at most."""
        self.remaining -= 1
        if sent is Sent.FAILED:
            self.failed.append(instance.sop_instance_uid)
        elif sent is Sent.WARNING:
            self.warning += 1
        else:
            self.completed += 1
        now = time.monotonic()
        if self.remaining and now >= self._next_pending:
            self._next_pending = now + _BETWEEN_PENDING_SECONDS
            self.operation.respond(PENDING, **self._counts(remaining=True))

    def finish(self) -> None:
        """Send the final response."""
        cancelled = self.operation.cancelled and self.remaining > 0
        if cancelled:
            status = CANCELLED
        elif self.failed and not self.completed and not self.warning:
            status = UNABLE_TO_PERFORM_SUB_OPERATIONS
        else:
            status = SUB_OPERATIONS_FAILED if self.failed or self.warning else SUCCESS
        self.operation.respond(status, self._failed_list(), **self._counts(remaining=cancelled))

    def _counts(self, *, remaining: bool) -> dict[str, Any]:
        counts = {
            "NumberOfCompletedSuboperations": self.completed,
            "NumberOfFailedSuboperations": len(self.failed),
            "NumberOfWarningSuboperations": self.warning,
        }
        if remaining:  # a final response has it only after a cancel
            counts["NumberOfRemainingSuboperations"] = self.remaining
        return {keyword: min(count, _HIGHEST_COUNT) for keyword, count in counts.items()}

    def _failed_list(self) -> bytes | None:
        """Return the identifier with the failed UIDs: as many as one element can hold."""
        if not self.failed:
            return None
        text = "\\".join(self.failed)
        if len(text) > _LONGEST_LIST:
            text = text[:_LONGEST_LIST].rpartition("\\")[0]
        syntax = self.operation.request.context.transfer_syntax
        return encode_identifier([(_FAILED_SOP_INSTANCE_UID_LIST, "UI", text.encode())], syntax)


class ArchiveStoppedError(TemporaryError):
    """The archive stops: what is under way ends."""

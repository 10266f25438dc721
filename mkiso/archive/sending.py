"""Sends stored instances as C-STORE sub-operations: the files' own bytes, one after the other."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

from mkiso.archive.index import StoredInstance
from mkiso.archive.reencoding import PLAIN_SYNTAXES, reencoded
from mkiso.archive.stored_file import NotDicomError, read_stored_file
from mkiso.core.byte_source import HeaderError
from mkiso.core.dimse_status import Outcome, Service, meaning_of
from mkiso.core.job import Tls
from mkiso.errors import MkisoError, ProtocolError
from mkiso.network import dimse
from mkiso.network.dimse import Command
from mkiso.network.tls import client_context
from mkiso.network.transport import (
    AcceptedContext,
    Association,
    AssociationLostError,
    Deadlines,
    Message,
    ProposedContext,
    connect,
)

#: Contexts of one association (PS3.8 9.3.2.2).
_MAXIMUM_CONTEXTS = 128
#: A destination that breaks so many associations one after the other gets no further one.
_MAXIMUM_LOST = 3


class Sent(enum.Enum):
    """How a sub-operation ended."""

    COMPLETED = "completed"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Destination:
    """A node that instances can be sent to."""

    ae_title: str
    host: str
    port: int
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Originator:
    """The C-MOVE that sub-operations belong to (PS3.7 9.1.1.1)."""

    ae_title: str
    message_id: int


class Sender:
    """Sends instances to a destination over as few associations as their contexts allow.

    As a context manager it releases the last one. Send in the order of `instances`.
    """

    def __init__(
        self,
        destination: Destination,
        instances: Sequence[StoredInstance],
        *,
        calling_ae_title: str,
        originator: Originator,
        deadlines: Deadlines,
    ) -> None:
        """Plan the associations; the first is opened when the first instance is sent."""
        self._destination = destination
        self._calling_ae_title = calling_ae_title
        self._originator = originator
        self._deadlines = deadlines
        pairs = dict.fromkeys((i.sop_class_uid, i.transfer_syntax_uid) for i in instances)
        self._group = {pair: n // _MAXIMUM_CONTEXTS for n, pair in enumerate(pairs)}
        self._association: Association | None = None
        self._current = -1  # the group that the association is for
        self._lost = 0
        #: All instances, those for one association together.
        self.instances = sorted(instances, key=self._group_of)

    def send(self, instance: StoredInstance) -> Sent:
        """Send one instance; everything that goes wrong makes it a failed one."""
        association = self._association_for(self._group_of(instance))
        if association is None:
            return Sent.FAILED
        try:
            sent = send_instance(association, instance, originator=self._originator)
        except (MkisoError, OSError):
            self._lost += 1
            self._association = None
            association.close()
            return Sent.FAILED
        self._lost = 0
        return sent

    def _group_of(self, instance: StoredInstance) -> int:
        return self._group[instance.sop_class_uid, instance.transfer_syntax_uid]

    def _association_for(self, group: int) -> Association | None:
        if self._association is not None and self._current == group:
            return self._association
        self.release()
        if self._lost >= _MAXIMUM_LOST:
            return None
        try:
            self._association = connect(
                self._destination.host,
                self._destination.port,
                calling_ae_title=self._calling_ae_title,
                called_ae_title=self._destination.ae_title,
                contexts=self._contexts(group),
                deadlines=self._deadlines,
                tls=client_context(self._destination.tls),
            )
        except MkisoError:  # not there, or it does not want us: nor will it for the others
            self._lost = _MAXIMUM_LOST
        self._current = group
        return self._association

    def _contexts(self, group: int) -> list[ProposedContext]:
        """Return a context for each class and syntax; where there is room, plain ones besides.

        PS3.5 10.1 wants Implicit VR Little Endian offered for what is not compressed.
        """
        pairs = [pair for pair, number in self._group.items() if number == group]
        plain = dict.fromkeys(
            (sop_class_uid, other)
            for sop_class_uid, syntax in pairs
            if syntax in PLAIN_SYNTAXES
            for other in PLAIN_SYNTAXES
        )
        wanted = [*pairs, *(pair for pair in plain if pair not in pairs)]
        return [ProposedContext(c, (s,)) for c, s in wanted[:_MAXIMUM_CONTEXTS]]

    def release(self) -> None:
        """End the association in good order, if there is one."""
        if self._association is not None:
            self._association.release()
            self._association.close()
            self._association = None

    def __enter__(self) -> Sender:  # noqa: PYI034 - typing.Self is of Python 3.11
        """Give the sender itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the association, abort it after an exception."""
        if kind is None:
            self.release()
        elif self._association is not None:
            self._association.close()


def send_instance(
    association: Association,
    instance: StoredInstance,
    *,
    originator: Originator | None = None,
    other_message: Callable[[Message], None] | None = None,
) -> Sent:
    """Send one instance on an association and wait for its response.

    `other_message` is given what comes instead of the response (a C-CANCEL during a C-GET).
    Raises MkisoError or OSError when the association is of no use any more.
    """
    context = _context_for(association, instance)
    if context is None:
        return Sent.FAILED
    source = _open(instance, context)
    if source is None:
        return Sent.FAILED
    message_id = association.next_message_id()
    command: Command = {
        "CommandField": dimse.C_STORE_RQ,
        "MessageID": message_id,
        "AffectedSOPClassUID": instance.sop_class_uid,
        "AffectedSOPInstanceUID": instance.sop_instance_uid,
        "Priority": dimse.PRIORITY_MEDIUM,
    }
    if originator is not None:
        command["MoveOriginatorApplicationEntityTitle"] = originator.ae_title
        command["MoveOriginatorMessageID"] = originator.message_id
    if isinstance(source, bytes):
        association.send(context.context_id, command, source)
    else:
        with source:
            association.send(context.context_id, command, source)
    status = _response(association, message_id, other_message)
    outcome = meaning_of(Service.STORE, status).outcome
    if outcome is Outcome.SUCCESS:
        return Sent.COMPLETED
    return Sent.WARNING if outcome is Outcome.WARNING else Sent.FAILED


def _context_for(association: Association, instance: StoredInstance) -> AcceptedContext | None:
    """Return the context for an instance as it is stored, else one it can be re-encoded for."""
    stored, sop_class_uid = instance.transfer_syntax_uid, instance.sop_class_uid
    exact = association.context_for(sop_class_uid, stored)
    if exact is not None or stored not in PLAIN_SYNTAXES:
        return exact
    others = (association.context_for(sop_class_uid, syntax) for syntax in PLAIN_SYNTAXES)
    return next((context for context in others if context is not None), None)


def _open(instance: StoredInstance, context: AcceptedContext) -> BinaryIO | bytes | None:
    """Return the data set, a file that stands at its beginning; None when it is not to be had.

    A file that changed since it was indexed is sent only if it is still the same instance.
    """
    try:
        file = instance.path.open("rb", buffering=0)
    except OSError:
        return None
    try:
        offset = _data_set_offset(instance, os.fstat(file.fileno()))
        if context.transfer_syntax != instance.transfer_syntax_uid:
            file.close()
            return reencoded(instance.path, context.transfer_syntax)
        file.seek(offset)
    except (OSError, NotDicomError, HeaderError):
        file.close()
        return None
    return file


def _data_set_offset(instance: StoredInstance, status: os.stat_result) -> int:
    """Return where the data set begins; a changed file is read again.

    Raises NotDicomError when it is another instance now.
    """
    if (status.st_size, status.st_mtime_ns) == (instance.size_bytes, instance.mtime_ns):
        return instance.data_set_offset
    now = read_stored_file(instance.path)
    same = now.values["SOPInstanceUID"] == instance.sop_instance_uid
    if not same or now.transfer_syntax_uid != instance.transfer_syntax_uid:
        raise NotDicomError
    return now.data_set_offset


def _response(
    association: Association, message_id: int, other_message: Callable[[Message], None] | None
) -> int:
    while True:
        message = association.receive()
        if message is None:
            raise AssociationLostError("The destination released the association too early.")
        command = message.command
        if command["CommandField"] == dimse.C_STORE_RSP:
            if command.get("MessageIDBeingRespondedTo") != message_id or "Status" not in command:
                raise ProtocolError("The destination answered another C-STORE than the last.")
            return int(command["Status"])
        if other_message is None:
            raise ProtocolError("The destination sent something else than a C-STORE response.")
        other_message(message)

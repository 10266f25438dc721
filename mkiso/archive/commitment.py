"""Storage commitment as SCP (PS3.4 Annex J): what is on the disk is what the archive commits to."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset

from mkiso.archive import operation as status
from mkiso.archive.index import Condition, Index, StoredInstance
from mkiso.archive.operation import Operation
from mkiso.archive.sending import Destination
from mkiso.core.commitment import (
    CLASS_CONFLICT,
    COMMITMENT_INSTANCE,
    NO_SUCH_INSTANCE,
    REQUEST_ACTION,
    Reference,
    commitment_report,
    references_of,
)
from mkiso.core.contexts import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, is_uid
from mkiso.core.contexts import STORAGE_COMMITMENT as PUSH_MODEL
from mkiso.core.data_sets import decode_data_set, encode_data_set
from mkiso.errors import MkisoError, ProtocolError
from mkiso.network import dimse
from mkiso.network.tls import client_context
from mkiso.network.transport import Association, Deadlines, ProposedContext, connect

_NO_SUCH_ACTION = 0x0123
_INVALID_ARGUMENT = 0x0115
_CLASS_INSTANCE_CONFLICT = 0x0119
#: How often a report is tried on an association of its own, and how long to wait in between.
_ATTEMPTS, _PAUSE_SECONDS = 3, 5.0
_ANSWER_SECONDS = 30.0


@dataclass(slots=True)
class CommitmentService:
    """Answers N-ACTION, and reports on the same association or on a new one.

    Who is registered as a destination is called back; others hear it where they asked.
    """

    index: Index
    destinations: Mapping[str, Destination]
    deadlines: Deadlines
    require_running: Callable[[], None]

    def answer(self, operation: Operation) -> None:
        """Answer one request; raises what sending raises."""
        command = operation.request.command
        if command.get("ActionTypeID") != REQUEST_ACTION:
            operation.respond(_NO_SUCH_ACTION)
            return
        if command.get("RequestedSOPInstanceUID") != COMMITMENT_INSTANCE:
            operation.respond(_CLASS_INSTANCE_CONFLICT)
            return
        try:
            asked = decode_data_set(
                operation.request.data or b"", operation.request.context.transfer_syntax
            )
        except ProtocolError:
            operation.respond(_INVALID_ARGUMENT)
            return
        transaction = str(asked.get("TransactionUID") or "")
        references = references_of(asked)
        if not is_uid(transaction) or not references:
            operation.respond(_INVALID_ARGUMENT)
            return
        event = self._judged(transaction, references)
        operation.respond(
            status.SUCCESS,
            AffectedSOPClassUID=PUSH_MODEL,
            AffectedSOPInstanceUID=COMMITMENT_INSTANCE,
            ActionTypeID=REQUEST_ACTION,
        )
        caller = operation.association.calling_ae_title.strip()
        destination = self.destinations.get(caller)
        if destination is None:
            _send_report(operation.association, operation.request.context.context_id, event)
            return
        ours = operation.association.called_ae_title
        threading.Thread(
            target=self._call_back, args=(destination, ours, event), daemon=True, name="commitment"
        ).start()

    def _judged(self, transaction: str, references: tuple[Reference, ...]) -> tuple[int, Dataset]:
        """Look for each instance on the disk."""
        kept: list[Reference] = []
        failed: list[tuple[Reference, int]] = []
        for reference in references:
            sop_class_uid, sop_instance_uid = reference
            found = self.index.stored((Condition("SOPInstanceUID", (sop_instance_uid,)),))
            here = [one for one in found if _is_kept(one)]
            if not here:
                failed.append((reference, NO_SUCH_INSTANCE))
            elif all(one.sop_class_uid != sop_class_uid for one in here):
                failed.append((reference, CLASS_CONFLICT))
            else:
                kept.append(reference)
        return commitment_report(transaction, kept, failed)

    def _call_back(self, destination: Destination, ours: str, event: tuple[int, Dataset]) -> None:
        """Report on an association of our own, of which we are the SCP."""
        for _ in range(_ATTEMPTS):
            try:
                self.require_running()
                self._report_to(destination, ours, event)
            except MkisoError:  # noqa: PERF203 - a connection a loop, not a value
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _report_to(self, destination: Destination, ours: str, event: tuple[int, Dataset]) -> None:
        association = connect(
            destination.host,
            destination.port,
            calling_ae_title=ours,
            called_ae_title=destination.ae_title,
            contexts=[
                ProposedContext(
                    PUSH_MODEL,
                    (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN),
                    scu_role=False,
                    scp_role=True,
                )
            ],
            deadlines=self.deadlines,
            tls=client_context(destination.tls),
        )
        with association:
            context = association.context_for(PUSH_MODEL)
            if context is None:
                raise ProtocolError("The requestor of a commitment does not take its report.")
            _send_report(association, context.context_id, event)
            association.receive(_ANSWER_SECONDS)


def _is_kept(instance: StoredInstance) -> bool:
    """Return whether an instance is there, as long as it was; then the disk has it from now on.

    What was received is there already; what somebody copied into the folder may not be.
    """
    try:
        descriptor = os.open(instance.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
            return os.fstat(descriptor).st_size == instance.size_bytes
        finally:
            os.close(descriptor)
    except OSError:
        return False


def _send_report(association: Association, context_id: int, event: tuple[int, Dataset]) -> None:
    """Send an N-EVENT-REPORT; its answer is taken by whoever reads the association."""
    event_type, report = event
    command = {
        "CommandField": dimse.N_EVENT_REPORT_RQ,
        "MessageID": association.next_message_id(),
        "AffectedSOPClassUID": PUSH_MODEL,
        "AffectedSOPInstanceUID": COMMITMENT_INSTANCE,
        "EventTypeID": event_type,
    }
    syntax = association.contexts[context_id].transfer_syntax
    association.send(context_id, command, encode_data_set(report, syntax))

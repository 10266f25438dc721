"""What the responses of a C-MOVE or C-GET say about their sub-operations (PS3.4 C.4.2, C.4.3).

None of it proves anything: Orthanc reports all as completed before it sends the first instance,
dcmqrscp reports success for a study it does not have. It serves the log and the next attempt.
"""

from __future__ import annotations

from dataclasses import dataclass

from mkiso.core.contexts import is_uid
from mkiso.core.dimse_status import Service, describe
from mkiso.core.identifier import decode_identifier
from mkiso.errors import MkisoError, ProtocolError
from mkiso.network.dimse import Command
from mkiso.network.transport import Message

FAILED_SOP_INSTANCE_UID_LIST = 0x00080058


@dataclass(frozen=True, slots=True)
class SubOperations:
    """The counts of one response; None where the archive gives none."""

    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None


@dataclass(frozen=True, slots=True)
class RetrieveOutcome:
    """How a C-MOVE or C-GET ended. `status` is None when no final response came.

    `error` is why no final response came, or what the status is by itself; None for success, and
    for a status that only evidence explains (warnings, C000H).
    """

    status: int | None
    counts: SubOperations = SubOperations()
    failed_sop_instance_uids: tuple[str, ...] = ()
    error: MkisoError | None = None


def counts_of(command: Command) -> SubOperations:
    """Return the counts of a response."""
    return SubOperations(
        command.get("NumberOfRemainingSuboperations"),
        command.get("NumberOfCompletedSuboperations"),
        command.get("NumberOfFailedSuboperations"),
        command.get("NumberOfWarningSuboperations"),
    )


def failed_uids_of(message: Message) -> tuple[str, ...]:
    """Return the Failed SOP Instance UID List of a response; what is no UID is left out."""
    if not message.data:
        return ()
    wanted = frozenset({FAILED_SOP_INSTANCE_UID_LIST})
    try:
        found = decode_identifier(message.data, message.context.transfer_syntax, wanted)
    except ProtocolError:  # the list is only a hint: what is missing is counted on our disk
        return ()
    values = found.get(FAILED_SOP_INSTANCE_UID_LIST, b"").decode("latin-1").split("\\")
    return tuple(uid for uid in (value.strip(" \0") for value in values) if is_uid(uid))


def in_words(service: Service, outcome: RetrieveOutcome) -> str:
    """Return one line for the log: status and counts, no error comment (it may name a patient)."""
    counts = outcome.counts
    said = "no final response" if outcome.status is None else describe(service, outcome.status)
    return (
        f"{service.value}: {said}; remaining {counts.remaining}, completed {counts.completed}, "
        f"failed {counts.failed}, warning {counts.warning}, "
        f"{len(outcome.failed_sop_instance_uids)} failed UIDs listed"
    )

"""C-STORE as SCU: files go to a node as they are, each with its status (PS3.4 Annex B)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from mkiso.core.dimse_status import Outcome, Service, describe, meaning_of
from mkiso.core.job import Node
from mkiso.core.retry import RetryPolicy
from mkiso.core.store_contexts import FALLBACK_SYNTAXES, plan_contexts
from mkiso.errors import MkisoError, ProtocolError, TemporaryError
from mkiso.network import dimse
from mkiso.network.tls import client_context
from mkiso.network.transport import (
    AcceptedContext,
    Association,
    AssociationLostError,
    Deadlines,
    PeerStalledError,
    ProposedContext,
    connect,
)

#: How soon a stopped job is noticed, in seconds.
_TICK_SECONDS = 0.25
#: How long a node may take to read what is sent, and to answer, unless it has a stall time.
_ANSWER_SECONDS = 60.0
_ASSOCIATION_SECONDS = 30.0
#: After so many lost associations in a row without one answer, a round is given up.
_MOST_LOST = 3


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """One instance to send: its data set is `size_bytes` bytes of `path` from `offset` on."""

    path: Path
    offset: int
    size_bytes: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What became of one instance. `status` is None when the node never answered."""

    file: OutgoingFile
    status: int | None
    reason: str = ""  # why it was not taken, or the warning's meaning; no patient data

    @property
    def is_taken(self) -> bool:
        """Whether the node has it: success, or a warning (0111H: it had it before)."""
        return self.status is not None and self._outcome in (Outcome.SUCCESS, Outcome.WARNING)

    @property
    def is_warning(self) -> bool:
        """Whether the node took it with a warning."""
        return self.status is not None and self._outcome is Outcome.WARNING

    @property
    def _outcome(self) -> Outcome:
        return meaning_of(Service.STORE, self.status or 0).outcome


class _StoppedError(Exception):
    """The job has to end; its cause is what `require_running` raised."""


#: Makes the data set of a file in the given plain transfer syntax; raises MkisoError if it cannot.
Decode = Callable[[OutgoingFile, str], bytes]


@dataclass(frozen=True, slots=True)
class StoreSurroundings:
    """What sending needs besides node and files; all are called from several threads."""

    report: Callable[[StoreResult], None]  # once for each file, as soon as it is decided
    log: Callable[[str], None]
    decode: Decode | None = None  # None: no conversion for nodes that take plain syntaxes only
    require_running: Callable[[], None] = lambda: None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def send_files(
    node: Node,
    files: Sequence[OutgoingFile],
    *,
    calling_ae_title: str,
    surroundings: StoreSurroundings,
) -> None:
    """Send `files` to `node` on its `forward_associations` at once; each one's result is reported.

    What may pass (no room, a lost association, an unreachable node) is tried again as often as the
    node's retries say. Raises only what `require_running` raises; files are then not reported.
    """
    count = max(1, min(node.forward_associations, len(files)))
    senders = [_Sender(node, calling_ae_title, surroundings) for _ in range(count)]
    if count == 1:
        senders[0].send(files)
        return
    with ThreadPoolExecutor(count, thread_name_prefix="c-store") as pool:
        running = [pool.submit(sender.send, files[n::count]) for n, sender in enumerate(senders)]
    for each in running:
        each.result()


class _Sender:
    """Sends over one association at a time."""

    def __init__(self, node: Node, calling_ae_title: str, surroundings: StoreSurroundings) -> None:
        self._node = node
        self._calling_ae_title = calling_ae_title
        self._outside = surroundings
        seconds = node.stall_timeout_seconds or _ANSWER_SECONDS
        self._answer_seconds = seconds
        self._deadlines = Deadlines(
            connect_seconds=node.connect_timeout_seconds,
            association_seconds=min(_ASSOCIATION_SECONDS, seconds),
            pdu_seconds=seconds,
            idle_seconds=seconds,
        )
        self._association: Association | None = None
        self._again: list[StoreResult] = []  # of this round: not taken, may pass

    def send(self, files: Sequence[OutgoingFile]) -> None:
        """Send all, and again what may pass."""
        try:
            self._round(files)
            for seconds in RetryPolicy(self._node.retries).delays():
                if not self._again:
                    return
                self._wait(seconds)
                again, self._again = self._again, []
                self._round([result.file for result in again])
            for result in self._again:
                self._outside.report(result)
        except _StoppedError as stopped:
            raise stopped.__cause__ or stopped from None
        finally:
            self._close()

    def _round(self, files: Sequence[OutgoingFile]) -> None:
        """Send each file once, in as few associations as their contexts allow."""
        groups = plan_contexts((f.sop_class_uid, f.transfer_syntax_uid) for f in files)
        group_of = {pair: number for number, group in enumerate(groups) for pair in group}
        queues: list[list[OutgoingFile]] = [[] for _ in groups]
        for file in files:
            queues[group_of[file.sop_class_uid, file.transfer_syntax_uid]].append(file)
        for group, queue in zip(groups, queues, strict=True):
            self._send_group(group, queue)
            self._release()

    def _send_group(self, group: Sequence[tuple[str, str]], queue: Sequence[OutgoingFile]) -> None:
        lost = 0
        for number, file in enumerate(queue):
            self._require_running()
            try:
                result = self._send_one(self._connected(group), file)
            except TemporaryError as error:
                self._close()
                lost += 1
                self._again.append(StoreResult(file, None, str(error)))
                is_lost = isinstance(error, AssociationLostError)
                if not is_lost or lost >= _MOST_LOST:  # it is away, or it hangs
                    self._again += [StoreResult(f, None, str(error)) for f in queue[number + 1 :]]
                    return
            except MkisoError as error:
                self._close()
                for rest in queue[number:]:
                    self._outside.report(StoreResult(rest, None, str(error)))
                return
            else:
                lost = 0
                self._decide(result)

    def _decide(self, result: StoreResult) -> None:
        """Report what is final, keep what may pass."""
        if result.status is not None:
            outcome = meaning_of(Service.STORE, result.status).outcome
            if outcome is not Outcome.SUCCESS:
                uid, said = result.file.sop_instance_uid, describe(Service.STORE, result.status)
                self._outside.log(f"C-STORE {uid} to {self._node.name}: {said}")
            if outcome is Outcome.BUSY:
                self._again.append(result)
                return
        self._outside.report(result)

    def _send_one(self, association: Association, file: OutgoingFile) -> StoreResult:
        """Send one file; a result for what concerns this file alone, else an exception."""
        context = association.context_for(file.sop_class_uid, file.transfer_syntax_uid)
        try:
            if context is not None:
                with _DataSet(file) as source:
                    return self._store(association, context, file, cast("BinaryIO", source))
            context = self._fallback(association, file)
            if context is None or self._outside.decode is None:
                return StoreResult(file, None, self._not_accepted(association, file))
            data = self._outside.decode(file, context.transfer_syntax)
        except OSError as error:
            if not association.is_open:  # in the middle of the message
                self._close()
            return StoreResult(file, None, f"cannot be read: {error.strerror or error}")
        except MkisoError as error:
            if isinstance(error, (TemporaryError, ProtocolError)):
                raise
            return StoreResult(file, None, str(error))
        return self._store(association, context, file, data)

    def _store(
        self,
        association: Association,
        context: AcceptedContext,
        file: OutgoingFile,
        source: BinaryIO | bytes,
    ) -> StoreResult:
        message_id = association.next_message_id()
        command = {
            "CommandField": dimse.C_STORE_RQ,
            "MessageID": message_id,
            "AffectedSOPClassUID": file.sop_class_uid,
            "AffectedSOPInstanceUID": file.sop_instance_uid,
            "Priority": dimse.PRIORITY_MEDIUM,
        }
        association.send(context.context_id, command, source)
        end = self._outside.monotonic() + self._answer_seconds
        while not association.readable(_TICK_SECONDS):
            self._require_running()
            if self._outside.monotonic() >= end:
                raise PeerStalledError(
                    f"{self._node.name} did not answer a C-STORE in {self._answer_seconds:g} s."
                )
        message = association.receive()
        if message is None:
            raise AssociationLostError(f"{self._node.name} released the association in a C-STORE.")
        status = message.command.get("Status")
        if (
            message.command["CommandField"] != dimse.C_STORE_RSP
            or message.command.get("MessageIDBeingRespondedTo") != message_id
            or status is None
        ):
            raise ProtocolError(f"{self._node.name} sent something else than a C-STORE response.")
        taken = meaning_of(Service.STORE, status).outcome is Outcome.SUCCESS
        return StoreResult(file, status, "" if taken else describe(Service.STORE, status))

    def _connected(self, group: Sequence[tuple[str, str]]) -> Association:
        if self._association is None or not self._association.is_open:
            self._close()
            self._association = connect(
                self._node.host,
                self._node.port,
                calling_ae_title=self._calling_ae_title,
                called_ae_title=self._node.ae_title,
                contexts=[ProposedContext(c, (syntax,)) for c, syntax in group],
                deadlines=self._deadlines,
                maximum_length=self._node.maximum_length,
                tls=client_context(self._node.tls),
                require_running=self._require_running,
            )
            self._outside.log(
                f"C-STORE: associated with {self._node.name}, "
                f"{len(self._association.contexts)} of {len(group)} contexts accepted"
            )
        return self._association

    def _fallback(self, association: Association, file: OutgoingFile) -> AcceptedContext | None:
        """Return a context for the file's class in a plain syntax."""
        found = (association.context_for(file.sop_class_uid, s) for s in FALLBACK_SYNTAXES)
        return next((context for context in found if context is not None), None)

    def _not_accepted(self, association: Association, file: OutgoingFile) -> str:
        if association.context_for(file.sop_class_uid) is None:
            return f"{self._node.name} does not accept the SOP class {file.sop_class_uid}"
        return (
            f"{self._node.name} does not accept the transfer syntax {file.transfer_syntax_uid} "
            f"for the SOP class {file.sop_class_uid}"
        )

    def _wait(self, seconds: float) -> None:
        self._outside.log(
            f"C-STORE to {self._node.name}: {len(self._again)} instances again in {seconds:g} s "
            f"({self._again[0].reason})"
        )
        for _ in range(math.ceil(seconds / _TICK_SECONDS)):
            self._require_running()
            self._outside.sleep(_TICK_SECONDS)

    def _require_running(self) -> None:
        """Raise what ends the job, in a form that is no fault of the node."""
        try:
            self._outside.require_running()
        except Exception as reason:
            raise _StoppedError from reason

    def _release(self) -> None:
        if self._association is not None:
            self._association.release()
        self._close()

    def _close(self) -> None:
        if self._association is not None:
            self._association.close()
            self._association = None


class _DataSet:
    """The data set inside a file, from its beginning to its end and no further."""

    def __init__(self, file: OutgoingFile) -> None:
        self._file = file.path.open("rb", buffering=0)
        self._file.seek(file.offset)
        self._left = file.size_bytes

    def read(self, size: int) -> bytes:
        """Return the next bytes; raises OSError when the file is shorter than it was."""
        wanted = min(size, self._left)
        data = self._file.read(wanted)
        if len(data) != wanted:
            raise OSError(f"the file ends {self._left - len(data)} bytes too early")
        self._left -= wanted
        return data

    def __enter__(self) -> _DataSet:  # noqa: PYI034 - typing.Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

"""One association of a storage SCP: C-ECHO and C-STORE, and the status of each (PS3.4 Annex B)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mkiso.core.byte_source import HeaderError
from mkiso.core.contexts import VERIFICATION, is_uid
from mkiso.core.header import ParsedHeader
from mkiso.core.store_decision import (
    CANNOT_UNDERSTAND,
    NOT_ASKED_FOR,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    decide_by_uids,
)
from mkiso.errors import DiskError, MkisoError, ProtocolError
from mkiso.network import dimse
from mkiso.network.association import Association
from mkiso.network.background import Background
from mkiso.network.dimse import Command
from mkiso.network.reception import Reception, Refusal, harmless_ae_title, harmless_uid
from mkiso.network.upper_layer import AcceptedContext, Message, PeerStalledError

#: Progress is counted, and the hash of a long object caught up, every so many bytes.
_MARK_BYTES = 1 << 20
_CATCH_UP_BYTES = 8 << 20


class InstanceSink(Protocol):
    """Where one instance goes (`storage.instances.InstanceWriter`). All may raise OSError."""

    def write(self, fragment: memoryview, /) -> object:
        """Take the next bytes of the data set."""

    def finish(self) -> ParsedHeader:
        """Complete the file and read it; raises HeaderError when it is no whole data set."""

    def keep(self) -> object:
        """Give the file its name; what comes back is handed to `StorageJob.stored`."""

    def discard(self) -> None:
        """Remove the file, at any time and any number of times; never raises."""

    def catch_up(self) -> None:
        """Hash what is there so far, in any thread; of use also between `keep` and `stored`."""


@dataclass(frozen=True, slots=True)
class StorageJob:
    """What one job lets in and where it goes."""

    #: By IP address. False: dropped before a thread is made for it.
    peer_allowed: Callable[[str], bool]
    calling_ae_title_allowed: Callable[[str], bool]
    #: By Move Originator AE title and message ID, None where the command has none.
    move_originator_allowed: Callable[[str | None, int | None], bool]
    #: By SOP class, SOP instance and transfer syntax. May raise OSError.
    begin: Callable[[str, str, str], InstanceSink]
    #: By Study and Series Instance UID.
    wanted: Callable[[str, str], bool]
    #: Takes what `InstanceSink.keep` gave, in the one bookkeeping thread; True: it is a new one.
    stored: Callable[[object], bool]
    #: Prepares for the next `begin` while the peer prepares its next instance. May raise OSError.
    make_ready: Callable[[], None] = lambda: None
    #: Told `AET@ADDRESS` of who sent the instance that `stored` gets next, in that same thread.
    sent_by: Callable[[str], object] = lambda _sender: None


class StoreSession:
    """Serves one association until it ends."""

    def __init__(
        self,
        association: Association,
        job: StorageJob | None,
        reception: Reception,
        background: Background,
        *,
        log: Callable[[str], None],
        idle_seconds: float,
    ) -> None:
        """Serve `association` for `job`; the peer may be silent between messages that long."""
        self._association = association
        self._job = job
        self._reception = reception
        self._background = background
        self._log = log
        self._idle_seconds = idle_seconds
        self._current: _Store | None = None

    def serve(self) -> None:
        """Answer until the peer releases. Raises what `Association.receive` and `send` raise."""
        association = self._association
        self._make_ready()
        try:
            while True:
                if not association.readable(self._idle_seconds):
                    raise PeerStalledError(f"The peer was silent for {self._idle_seconds:g} s.")
                message = association.receive(sink_for=self._sink_for)
                if message is None:
                    return
                self._answer(message)
        finally:
            if self._current is not None:  # the association ended inside an object
                self._current.discard()

    def _sink_for(self, context: AcceptedContext, command: Command) -> _Store:
        self._current = _Store(self, context, command)
        return self._current

    def _answer(self, message: Message) -> None:
        command = message.command
        store, self._current = self._current, None
        field = command["CommandField"]
        if field == dimse.C_CANCEL_RQ:
            return
        if field & dimse.RESPONSE_BIT:
            raise ProtocolError("The peer sent a response to nothing.")
        if field == dimse.C_STORE_RQ:
            store = store or _Store(self, message.context, command)
            self._answer_store(message, store)
            return
        status = SUCCESS if field == dimse.C_ECHO_RQ else UNRECOGNIZED_OPERATION
        self._association.send(message.context.context_id, dimse.response_to(command, status))

    def _make_ready(self) -> None:
        if self._job is not None:
            with contextlib.suppress(OSError):  # the next `begin` meets it, and can answer
                self._job.make_ready()

    def _answer_store(self, message: Message, store: _Store) -> None:
        response = dimse.response_to(message.command, store.complete())
        try:
            self._association.send(message.context.context_id, response)
        finally:  # the instance is whole, whether the archive hears of it or not
            if store.kept is not None:
                uid = message.command["AffectedSOPInstanceUID"]
                self._background.do(self._handing_over(store.kept, uid), store.prepare)
        self._make_ready()

    # --- for the objects of this association

    def early_refusal(self, context: AcceptedContext, command: Command) -> tuple[int, str] | None:
        """Return status and reason when an object is refused whatever its data set says."""
        if command["CommandField"] != dimse.C_STORE_RQ:
            return UNRECOGNIZED_OPERATION, "not a C-STORE"
        originator = command.get("MoveOriginatorApplicationEntityTitle")
        message_id = command.get("MoveOriginatorMessageID")
        if self._job is None:
            return NOT_ASKED_FOR, "no active job"
        if not self._job.move_originator_allowed(originator, message_id):
            return NOT_ASKED_FOR, "of another C-MOVE"
        if isinstance(self._reception.failure, MkisoError):
            return OUT_OF_RESOURCES, "the job has failed already"
        if context.abstract_syntax == VERIFICATION:
            return SOP_CLASS_NOT_SUPPORTED, "no storage class"
        return self._malformed(command)

    def _malformed(self, command: Command) -> tuple[int, str] | None:
        for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID"):
            if not is_uid(command.get(keyword, "")):
                return CANNOT_UNDERSTAND, "no UID in the command"
        if command["CommandDataSetType"] == dimse.NO_DATA_SET:
            return CANNOT_UNDERSTAND, "no data set"
        return None

    def begin(self, context: AcceptedContext, command: Command) -> InstanceSink | None:
        """Open the sink of an object."""
        if self._job is None:
            return None
        return self._job.begin(
            command["AffectedSOPClassUID"],
            command["AffectedSOPInstanceUID"],
            context.transfer_syntax,
        )

    def wanted(self, header: ParsedHeader) -> bool:
        """Ask the job whether it wants that study and series."""
        return self._job is not None and self._job.wanted(
            header.study_instance_uid, header.series_instance_uid
        )

    def accepted(self) -> None:
        """Count an instance that is about to be answered with 0000H."""
        self._reception.accepted()

    def _handing_over(self, kept: object, sop_instance_uid: str) -> Callable[[], None]:
        """Return what gives an accepted instance to the job, for the bookkeeping thread."""
        job, association = self._job, self._association

        def settle() -> None:
            is_new = False
            try:
                self._log(f"C-STORE {sop_instance_uid}: 0000H")
                if job is not None:
                    title = harmless_ae_title(association.calling_ae_title)
                    job.sent_by(f"{title}@{association.peer_address}")
                    is_new = job.stored(kept)
            except OSError as error:
                raise disk_error(error) from error
            finally:
                self._reception.settled(is_new=is_new)

        return settle

    def received(self, size_bytes: int) -> None:
        """Count data set bytes."""
        self._reception.received(size_bytes)

    def catch_up(self, sink: InstanceSink) -> None:
        """Let the hash follow a long object."""
        self._background.do_if_idle(sink.catch_up)

    def fail(self, error: Exception) -> None:
        """Remember an error that the job has to end with."""
        self._reception.fail(error)

    def refuse(
        self, command: Command, status: int, reason: str, header: ParsedHeader | None
    ) -> None:
        """Record and log a refusal; `reason` holds no patient data."""
        if command["CommandField"] != dimse.C_STORE_RQ:
            return
        refusal = Refusal(
            reason,
            status,
            self._association.peer_address,
            harmless_ae_title(self._association.calling_ae_title),
            harmless_uid(command.get("AffectedSOPClassUID", "")),
            harmless_uid(command.get("AffectedSOPInstanceUID", "")),
            harmless_uid(header.study_instance_uid) if header else "",
            harmless_uid(header.series_instance_uid) if header else "",
            harmless_ae_title(command.get("MoveOriginatorApplicationEntityTitle", "")),
            command.get("MoveOriginatorMessageID"),
        )
        self._reception.refuse(refusal)
        self._log(
            f"C-STORE {refusal.sop_instance_uid} of {refusal.calling_ae_title} at "
            f"{refusal.peer_address}: {status:04X}H, {reason}"
        )


class _Store:
    """One C-STORE: takes its data set (a DataSink that never raises), then knows its status."""

    def __init__(self, session: StoreSession, context: AcceptedContext, command: Command) -> None:
        self.kept: object | None = None  # what the job is given when the status is 0000H
        self.prepare: Callable[[], None] | None = None  # may be done ahead of that
        self._session = session
        self._command = command
        self._sink: InstanceSink | None = None
        self._status = SUCCESS
        self._reason = ""
        self._header: ParsedHeader | None = None
        self._size = self._counted = self._caught_up = 0
        try:
            early = session.early_refusal(context, command)
            if early is None:
                self._sink = session.begin(context, command)
            else:
                self._status, self._reason = early
        except Exception as error:  # noqa: BLE001 - the peer is owed an answer
            self._give_up(error)

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes; those of a refused object are thrown away."""
        self._size += len(fragment)
        if self._sink is None:
            return
        try:
            self._sink.write(fragment)
        except Exception as error:  # noqa: BLE001 - the rest of the object is drained
            self._give_up(error)
            return
        if self._size - self._counted >= _MARK_BYTES:
            self._session.received(self._size - self._counted)
            self._counted = self._size
            if self._size - self._caught_up >= _CATCH_UP_BYTES:
                self._caught_up = self._size
                self._session.catch_up(self._sink)

    def complete(self) -> int:
        """Decide about the whole object; hand it over or throw it away. Return the status."""
        if self._sink is not None:
            self._session.received(self._size - self._counted)
            try:
                self._judge(self._sink)
            except Exception as error:  # noqa: BLE001 - the peer is owed an answer
                self._give_up(error)
        if self._status != SUCCESS:
            self.discard()
            self._session.refuse(self._command, self._status, self._reason, self._header)
        return self._status

    def _judge(self, sink: InstanceSink) -> None:
        class_uid = self._command["AffectedSOPClassUID"]
        instance_uid = self._command["AffectedSOPInstanceUID"]
        self._header = header = sink.finish()
        self._status = decide_by_uids(class_uid, instance_uid, header)
        if self._status != SUCCESS:
            self._reason = "the UIDs of command and data set do not agree, or are none"
        elif not self._session.wanted(header):
            self._status, self._reason = NOT_ASKED_FOR, "study or series not asked for"
        else:
            self.kept = sink.keep()
            self.prepare = sink.catch_up
            self._sink = None
            self._session.accepted()

    def discard(self) -> None:
        """Remove what was written."""
        if self._sink is not None:
            self._sink.discard()
            self._sink = None

    def _give_up(self, error: Exception) -> None:
        """Turn an error into a status; what is the disk's or our own fault fails the job, too."""
        self.discard()
        if isinstance(error, HeaderError):
            self._status, self._reason = CANNOT_UNDERSTAND, str(error)
            return
        if isinstance(error, OSError):
            self._status, self._reason = OUT_OF_RESOURCES, error.strerror or "I/O error"
            self._session.fail(disk_error(error))
            return
        if isinstance(error, MkisoError):
            self._status, self._reason = OUT_OF_RESOURCES, error.message
        else:
            self._status, self._reason = PROCESSING_FAILURE, f"a bug: {type(error).__name__}"
        self._session.fail(error)


def disk_error(error: OSError) -> DiskError:
    """Return `error` as what the job ends with."""
    return DiskError(
        f"Received instances cannot be stored: {error.strerror or error}; "
        "make room or repair the disk, then run the job again."
    )

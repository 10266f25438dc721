"""Send: instances to a node, each with its status, and on demand its commitment to keep them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkiso.core.audit_transfers import Transfer, Way
from mkiso.core.audited_studies import studies_of
from mkiso.core.context import Progress
from mkiso.core.display_text import counted
from mkiso.core.job import Node, ReceiverAddress
from mkiso.core.report import FailedInstance, ForwardReport
from mkiso.errors import CantCreateError, DataError, ForwardError, MkisoError, ProtocolError
from mkiso.later import later
from mkiso.network.echo import echo
from mkiso.network.store import OutgoingFile, StoreResult, StoreSurroundings, send_files
from mkiso.stages.forward import decoded_file
from mkiso.storage.workspace import private_folder
from mkiso.toolbox.sources import LACKING, Sources
from mkiso.toolbox.trail import utc_now
from mkiso.toolbox.world import World

if TYPE_CHECKING:
    from mkiso.core.commitment import Commitment
    from mkiso.network import commitment
else:  # pydicom takes longer to import than many a study to send
    (commitment,) = later("mkiso.network.commitment")

_CONFLICT = "two files with this UID and different contents"
_REPORT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Sending:
    """What is to be done: where from, whether to ask for commitment, where to write a report."""

    node: Node
    calling_ae_title: str
    paths: tuple[Path, ...]
    associations: int = 1
    report_file: Path | None = None
    resume: bool = False  # what the report file says was taken is not sent again
    commit: bool = False
    commit_seconds: float = 60.0
    receiver: ReceiverAddress = field(default_factory=ReceiverAddress)


@dataclass(slots=True)
class Sent:
    """What became of it; `error` is None when everything was taken (and committed)."""

    node: Node
    results: dict[str, StoreResult] = field(default_factory=dict)  # by SOP Instance UID
    not_sent: dict[str, int] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()
    taken_before: int = 0
    commitment: Commitment | None = None
    error: MkisoError | None = None

    @property
    def taken(self) -> int:
        """How many instances the node took in this run."""
        return sum(1 for result in self.results.values() if result.is_taken)

    def report(self) -> ForwardReport:
        """Return the part of the report about the node."""
        failed = [
            FailedInstance(uid, _said(result))
            for uid, result in self.results.items()
            if not result.is_taken
        ]
        failed += [FailedInstance(uid, _CONFLICT) for uid in self.conflicts]
        warned = sum(1 for result in self.results.values() if result.is_warning)
        return ForwardReport(self.node.name, self.taken, warned, tuple(failed))


def send_all(sending: Sending, world: World) -> Sent:
    """Send what is at the paths; the failure of instances is in the result.

    Raises UsageError or DataError for paths, TemporaryError or ConfigError when the node cannot be
    talked to at all, what a signal is.
    """
    sent = Sent(sending.node)
    with private_folder("send") as temporary:
        sources = Sources(temporary, world.require_running)
        sources.add(sending.paths)
        sent.not_sent = dict(sources.not_sent)
        sent.conflicts = tuple(sources.conflicts)
        before = _taken_before(sending)
        files = [
            file
            for uid, file in sources.files.items()
            if uid not in before and uid not in sent.conflicts
        ]
        sent.taken_before = sum(1 for uid in sources.files if uid in before)
        if not sources.files:
            raise DataError("There is no DICOM file at what is to be sent.")
        transfer = Transfer(
            Way.SENT,
            sending.node,
            studies=studies_of(sources.headers[file.sop_instance_uid] for file in files),
            failed=len(files),
            began=utc_now(),
        )
        world.transfers.append(transfer)
        _require_there(sending, world)
        try:
            _send(sending, files, sent, world)
        finally:
            transfer.taken = sent.taken
            transfer.failed = len(files) - sent.taken
            if sending.report_file is not None:
                _write_report(sending, sources, sent, before)
        references = [
            (file.sop_class_uid, uid)
            for uid, file in sources.files.items()
            if uid in before or (uid in sent.results and sent.results[uid].is_taken)
        ]
    sent.error = _failure(sent) or _lack(sent)
    if sending.commit and references:
        _commit(sending, references, sent, world)
    return sent


def _require_there(sending: Sending, world: World) -> None:
    """Raise why the node cannot be talked to; that it does no C-ECHO is no reason."""
    with contextlib.suppress(ProtocolError):
        echo(
            sending.node,
            calling_ae_title=sending.calling_ae_title,
            require_running=world.require_running,
        )


def _send(sending: Sending, files: Sequence[OutgoingFile], sent: Sent, world: World) -> None:
    lock = threading.Lock()

    def report(result: StoreResult) -> None:
        with lock:
            sent.results[result.file.sop_instance_uid] = result
            done = len(sent.results)
        world.progress(Progress("send", done, len(files), note=sending.node.name))

    send_files(
        dataclasses.replace(sending.node, forward_associations=sending.associations),
        files,
        calling_ae_title=sending.calling_ae_title,
        surroundings=StoreSurroundings(
            report=report,
            log=world.log,
            decode=decoded_file,
            require_running=world.require_running,
        ),
    )


def _failure(sent: Sent) -> MkisoError | None:
    report = sent.report()
    if not report.failed:
        return None
    first = report.failed[0]
    return ForwardError(
        f"{sent.node.name} did not take {len(report.failed)} of "
        f"{counted(len(report.failed) + sent.taken + sent.taken_before, 'instance')} "
        f"({first.status}).",
        details=tuple(f"{each.sop_instance_uid}: {each.status}" for each in report.failed),
    )


def _lack(sent: Sent) -> DataError | None:
    """Return what it means that something was there to be sent and could not be read."""
    lacking = sum(sent.not_sent.get(reason, 0) for reason in LACKING)
    if not lacking:
        return None
    return DataError(
        f"{sent.node.name} took {counted(sent.taken + sent.taken_before, 'instance')}; "
        f"{counted(lacking, 'file or folder', 'files or folders')} could not be read and "
        "did not go: the warnings say why."
    )


def _commit(
    sending: Sending, references: Sequence[tuple[str, str]], sent: Sent, world: World
) -> None:
    """Ask for commitment; a node that refuses, or is silent, has not committed itself."""
    with contextlib.ExitStack() as stack:
        listener = None
        try:
            listener = stack.enter_context(
                commitment.CommitmentListener(sending.receiver, sending.node)
            )
        except MkisoError as error:
            world.warn(
                f"{error.message} A report that the node sends on an association of its own is not "
                "heard."
            )
        try:
            sent.commitment = commitment.request_commitment(
                sending.node,
                references,
                calling_ae_title=sending.calling_ae_title,
                listener=listener,
                wait_seconds=sending.commit_seconds,
                log=world.log,
                require_running=world.require_running,
            )
        except MkisoError as error:
            world.require_running()
            sent.error = sent.error or error
            return
    kept = set(sent.commitment.committed)
    lacking = [uid for _, uid in references if uid not in kept]
    if lacking:
        reasons = sent.commitment.failed
        sent.error = sent.error or ForwardError(
            f"{sending.node.name} took {counted(len(references), 'instance')} and is not committed "
            f"to keep {len(lacking)} of them; keep your copies.",
            details=tuple(f"{uid}: {reasons.get(uid, 'not mentioned')}" for uid in lacking),
        )


def _taken_before(sending: Sending) -> frozenset[str]:
    """Return the SOP Instance UIDs that the report file says the node took. Raises DataError."""
    path = sending.report_file
    if path is None or not sending.resume or not path.exists():
        return frozenset()
    try:
        report = json.loads(path.read_text("utf-8"))
        same = report["node"] == _node_key(sending.node)
        rows = report["instances"] if same else []
        return frozenset(row["sop_instance_uid"] for row in rows if row["taken"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no report of an earlier run; name another file.") from error


def _write_report(sending: Sending, sources: Sources, sent: Sent, before: frozenset[str]) -> None:
    """Write what became of every instance, aside and renamed. Raises CantCreateError."""
    rows: list[dict[str, Any]] = []
    for uid in sources.files:
        result = sent.results.get(uid)
        taken = uid in before or (result is not None and result.is_taken)
        status = "before" if uid in before else "not sent" if result is None else _said(result)
        status = _CONFLICT if uid in sent.conflicts else status
        source = sources.names[uid]
        rows.append({"sop_instance_uid": uid, "source": source, "taken": taken, "status": status})
    report = {
        "version": _REPORT_VERSION,
        "node": _node_key(sending.node),
        "taken": sum(row["taken"] for row in rows),
        "not_sent": sent.not_sent,
        "instances": rows,
    }
    path = sending.report_file or Path()
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise CantCreateError(f"The report {path} cannot be written: {error.strerror}.") from error


def _node_key(node: Node) -> str:
    return f"{node.ae_title}@{node.host}:{node.port}"


def _said(result: StoreResult) -> str:
    """Return the status in four digits, with the meaning unless it is a success."""
    if result.status is None:
        return result.reason
    return result.reason or f"{result.status:04X}H"

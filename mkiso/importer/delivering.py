"""Corrected copies to all destinations at once, each instance with its status in the ledger."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from mkiso.core.audit_parts import AuditedStudy
from mkiso.core.audit_transfers import Transfer, Way
from mkiso.core.audited_studies import studies_of
from mkiso.core.context import Progress
from mkiso.core.job import Node
from mkiso.core.model import ReceivedInstance
from mkiso.core.report import FailedInstance, ForwardReport
from mkiso.errors import MkisoError, ProtocolError, TemporaryError
from mkiso.network.echo import echo
from mkiso.network.store import OutgoingFile, StoreResult, StoreSurroundings, send_files
from mkiso.stages.forward import decoded_file
from mkiso.storage.import_ledger import ImportLedger, SentInstance
from mkiso.toolbox.trail import utc_now
from mkiso.toolbox.world import World


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where an import goes, and who we are there."""

    nodes: tuple[Node, ...]
    ae_title: str  # ours, unless a node knows us by another

    def calling_ae_title(self, node: Node) -> str:
        """Return who we are towards a node."""
        return node.calling_ae_title or self.ae_title

    def require_one_there(self, names: frozenset[str]) -> None:
        """Raise TemporaryError when none of the nodes so named can be reached."""
        error: MkisoError | None = None
        for node in self.nodes:
            if node.name not in names:
                continue
            try:
                echo(node, calling_ae_title=self.calling_ae_title(node))
            except TemporaryError as reason:
                error = reason
                continue
            except ProtocolError:  # it is there, and does no C-ECHO
                return
            else:
                return
        if error is not None:
            raise error


def deliver(
    job_id: str,
    instances: Sequence[ReceivedInstance],
    destinations: Destinations,
    ledger: ImportLedger,
    world: World,
) -> tuple[ForwardReport, ...]:
    """Send every instance to every destination, but for what the ledger says it has.

    Returns one report a destination. Raises what `world.require_running` raises and, when the
    ledger fails, that: nobody would know what was sent.
    """
    if not destinations.nodes:
        return ()
    began, studies = utc_now(), studies_of(instances)
    tallies = [_Tally(job_id, node, instances, ledger, world) for node in destinations.nodes]
    with ThreadPoolExecutor(len(tallies), thread_name_prefix="import") as pool:
        running = [
            pool.submit(each.send, destinations.calling_ae_title(each.node)) for each in tallies
        ]
    for tally in tallies:
        world.transfers.append(tally.transfer(studies, began))
    for each in running:
        each.result()
    return tuple(tally.report() for tally in tallies)


@dataclass(slots=True)
class _Tally:
    """What one destination has taken."""

    job_id: str
    node: Node
    instances: Sequence[ReceivedInstance]
    ledger: ImportLedger
    world: World
    taken: int = 0
    earlier: int = 0
    warnings: int = 0
    failed: list[FailedInstance] = field(default_factory=list)
    _failure: Exception | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def key(self) -> str:
        """What the ledger calls the node: a name in a configuration may change."""
        return f"{self.node.ae_title}@{self.node.host}:{self.node.port}"

    def send(self, calling_ae_title: str) -> None:
        """Send what the node does not have yet."""
        before = self.ledger.taken(self.job_id, self.key)
        hash_of = {i.sop_instance_uid: i.sha256 for i in self.instances}
        todo = [i for i in self.instances if before.get(i.sop_instance_uid) != i.sha256]
        self.taken = self.earlier = len(self.instances) - len(todo)
        if self.earlier:
            self.world.log(f"{self.node.name} has {self.earlier} instances from an earlier attempt")

        def report(result: StoreResult) -> None:
            self._note(result, hash_of[result.file.sop_instance_uid])

        send_files(
            self.node,
            [_outgoing(instance) for instance in todo],
            calling_ae_title=calling_ae_title,
            surroundings=StoreSurroundings(
                report=report,
                log=self.world.log,
                decode=decoded_file,
                require_running=self._require_running,
            ),
        )
        self._require_running()

    def transfer(self, studies: tuple[AuditedStudy, ...], began: str) -> Transfer:
        """Return what the audit trail is told of this attempt.

        The last one names all, since one before it may have been killed without a word.
        """
        lacking = len(self.instances) - self.taken
        taken = self.taken - self.earlier if lacking else self.taken
        return Transfer(
            Way.SENT, self.node, studies=studies, taken=taken, failed=lacking, began=began
        )

    def report(self) -> ForwardReport:
        """Return what became of it."""
        return ForwardReport(
            self.node.name, self.taken, self.warnings, tuple(self.failed), self.earlier
        )

    def _require_running(self) -> None:
        if self._failure is not None:
            raise self._failure
        self.world.require_running()

    def _note(self, result: StoreResult, sha256: str) -> None:
        """Write one result down, then count it; called from several threads."""
        uid = result.file.sop_instance_uid
        reason = "" if result.is_taken else result.reason or f"{result.status or 0:04X}H"
        sent = SentInstance(uid, sha256, result.status, result.is_taken, reason)
        with self._lock:
            try:
                self.ledger.note(self.job_id, self.key, sent)
            except MkisoError as error:
                self._failure = error
                return
            self.taken += result.is_taken
            self.warnings += result.is_warning
            if not result.is_taken:
                self.failed.append(FailedInstance(uid, reason))
            done = self.taken + len(self.failed)
        self.world.progress(Progress("send", done, len(self.instances), note=self.node.name))


def _outgoing(instance: ReceivedInstance) -> OutgoingFile:
    return OutgoingFile(
        instance.path,
        instance.data_set_offset,
        instance.size_bytes - instance.data_set_offset,
        instance.sop_class_uid,
        instance.sop_instance_uid,
        instance.transfer_syntax_uid,
    )

"""Forward: the instances of the published discs to other nodes, each with its status.

Everything is read from the finished image, so a later run can resume with nothing but the disc.
What is delivered in another form is sent from the files that it was made of.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from mkiso.core.context import Context, Progress
from mkiso.core.dimse_status import Outcome, Service, meaning_of
from mkiso.core.disc_content import Disc
from mkiso.core.display_text import counted
from mkiso.core.job import Node
from mkiso.core.model import FileSet
from mkiso.core.report import FailedInstance, ForwardReport
from mkiso.disc.disc_instances import instances_in_image
from mkiso.errors import ForwardError, LimitError, TemporaryError
from mkiso.network.store import OutgoingFile, StoreResult, StoreSurroundings, send_files
from mkiso.storage.ledger import Ledger

#: Statuses are written down in batches of this many.
_BATCH = 100
#: Decoding takes several times the size of the pixels in memory; PS3.5 A.1: less than 4 GiB anyway.
_MOST_DECODED_BYTES = 1 << 30


def run(
    given: Sequence[Disc],
    context: Context,
    *,
    ledger: Ledger,
    tell: Callable[[tuple[ForwardReport, ...]], None] = lambda _reports: None,
    plans: Sequence[FileSet] = (),
) -> tuple[ForwardReport, ...]:
    """Send every instance of the discs to every forward node of the job, all nodes at once.

    `plans`, one for each disc, are given when the discs are no plain images. What the ledger says
    a node has already is not sent again. What the job's deadline leaves over
    counts as failed. Returns one report a node; `tell` gets them whatever happens, also when a
    signal ends the job. Raises that, and DiskError or VerifyError for an image that is not what it
    was.
    """
    sources = map(_of_plan, plans) if plans else map(_of_image, given)
    files = [
        (disc.sha256, file) for disc, found in zip(given, sources, strict=True) for file in found
    ]
    tallies = [_Tally(node, context, ledger, files) for node in context.job.forward]
    try:
        with ThreadPoolExecutor(max_workers=len(tallies), thread_name_prefix="forward") as pool:
            running = [pool.submit(tally.send) for tally in tallies]
        for each in running:
            each.result()
    finally:
        tell(tuple(tally.report() for tally in tallies))
    return tuple(tally.report() for tally in tallies)


def require_all(reports: Sequence[ForwardReport]) -> None:
    """Raise ForwardError, naming the nodes, when something was not taken."""
    failed = [node for node in reports if node.failed]
    if failed:
        nodes = "; ".join(
            f"{node.node} did not take {len(node.failed)} ({node.failed[0].status.rstrip('.')})"
            for node in failed
        )
        raise ForwardError(
            f"The disc is good, but not everything was forwarded: {nodes}. "
            "Run the same command again to send the rest."
        )


def _of_image(disc: Disc) -> list[OutgoingFile]:
    return [
        OutgoingFile(
            *(each.image, each.offset, each.size_bytes),
            *(each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid),
        )
        for each in instances_in_image(disc.path, disc.sidecar)
    ]


def _of_plan(plan: FileSet) -> list[OutgoingFile]:
    """Return the files that a disc was made of; they are what was read back from it."""
    return [
        OutgoingFile(
            *(each.path, each.data_set_offset, each.size_bytes - each.data_set_offset),
            *(each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid),
        )
        for each in (item.instance for item in plan.instances)
    ]


@dataclass(slots=True)
class _Tally:
    """What one node has taken."""

    node: Node
    context: Context
    ledger: Ledger
    files: Sequence[tuple[str, OutgoingFile]]
    sent: int = 0
    earlier: int = 0  # of these, by an earlier run
    warnings: int = 0
    failed: list[FailedInstance] = field(default_factory=list)
    _decided: set[str] = field(default_factory=set)  # SOP Instance UIDs
    _unwritten: dict[str, dict[str, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self) -> None:
        """Send what the node does not have yet."""
        image_of = {file.sop_instance_uid: sha256 for sha256, file in self.files}
        statuses: dict[str, int] = {}
        if not self.context.job.replace:  # a disc made anew may have the bytes of the one before
            for sha256 in dict.fromkeys(image_of.values()):
                statuses.update(self.ledger.forwarded(sha256, self._key))
        todo = []
        for _, file in self.files:
            status = statuses.get(file.sop_instance_uid)
            if status is not None and _is_taken(status):
                self._count(status)
            else:
                todo.append(file)
        self.earlier = self.sent
        if self.sent:
            self.context.say(f"{self.node.name} has {counted(self.sent, 'instance')} already.")

        def report(result: StoreResult) -> None:
            self._note(result, image_of[result.file.sop_instance_uid])

        job = self.context.job
        try:
            send_files(
                self.node,
                todo,
                calling_ae_title=self.node.calling_ae_title or job.receiver.ae_title,
                surroundings=StoreSurroundings(
                    report=report,
                    log=self.context.log,
                    decode=decoded_file,
                    require_running=self.context.require_time,
                ),
            )
        except TemporaryError as error:  # the deadline: the disc is good, the rest can be resumed
            self._fail_rest(todo, error.message)
        except BaseException:
            self._fail_rest(todo, "not sent")
            raise
        finally:
            self._write(at_least=1)

    def report(self) -> ForwardReport:
        """Return what became of it."""
        return ForwardReport(
            self.node.name, self.sent, self.warnings, tuple(self.failed), self.earlier
        )

    @property
    def _key(self) -> str:
        """What the ledger calls the node: a name in a configuration may change."""
        return f"{self.node.ae_title}@{self.node.host}:{self.node.port}"

    def _note(self, result: StoreResult, sha256: str) -> None:
        """Count one result; called from several threads."""
        with self._lock:
            self._decided.add(result.file.sop_instance_uid)
            if result.is_taken and result.status is not None:
                self._count(result.status)
            else:
                said = f"{result.status:04X}" if result.status is not None else result.reason
                self.failed.append(FailedInstance(result.file.sop_instance_uid, said))
            if result.status is not None:
                uids = self._unwritten.setdefault(sha256, {})
                uids[result.file.sop_instance_uid] = result.status
            self._write(at_least=_BATCH)
            done = self.sent + len(self.failed)
        self.context.progress(Progress("forward", done, len(self.files), note=self.node.name))

    def _fail_rest(self, files: Sequence[OutgoingFile], reason: str) -> None:
        """Count what was not decided as failed."""
        self.failed += [
            FailedInstance(file.sop_instance_uid, reason)
            for file in files
            if file.sop_instance_uid not in self._decided
        ]

    def _count(self, status: int) -> None:
        self.sent += 1
        self.warnings += meaning_of(Service.STORE, status).outcome is Outcome.WARNING

    def _write(self, *, at_least: int) -> None:
        """Write statuses down when there are enough of them."""
        if sum(map(len, self._unwritten.values())) >= at_least:
            for sha256, statuses in self._unwritten.items():
                self.ledger.record_forwarded(sha256, self._key, statuses)
            self._unwritten.clear()


def _is_taken(status: int) -> bool:
    return meaning_of(Service.STORE, status).outcome in (Outcome.SUCCESS, Outcome.WARNING)


def decoded_file(file: OutgoingFile, transfer_syntax_uid: str) -> bytes:
    """Return the data set of a file in a plain syntax that the node takes.

    Raises LimitError for one too large for the memory, and what decoding raises.
    """
    from mkiso.pixels.decode import decoded_data_set  # noqa: PLC0415 - slow, and hardly ever used

    if file.size_bytes > _MOST_DECODED_BYTES:
        raise LimitError(f"An instance of {file.size_bytes} bytes is too large to be decoded.")
    with file.path.open("rb") as source:
        source.seek(file.offset)
        data = source.read(file.size_bytes)
    return decoded_data_set(data, file.transfer_syntax_uid, transfer_syntax_uid)

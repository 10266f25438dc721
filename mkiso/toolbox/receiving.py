"""Receive: a storage SCP that runs until it is stopped, into a tidy folder, with an event a study.

An instance is answered with 0000H when it is a file of its own in the spool, and on the disk. It
gets its place right after; what a killed run left in the spool gets it at the next start.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import ipaddress
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.audit_transfers import Transfer, Way
from mkiso.core.audited_studies import studies_of
from mkiso.core.header import LevelCache
from mkiso.core.job import Node, ReceiverAddress
from mkiso.errors import DiskError, TemporaryError, UsageError
from mkiso.network.port_lock import PortLock
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.network.reception import Reception
from mkiso.network.tls import server_context
from mkiso.storage.instances import InstanceStore, InstanceWriter
from mkiso.storage.workspace import require_output_folder
from mkiso.toolbox.placing import Placing
from mkiso.toolbox.study_journal import StudyEvent, StudyJournal
from mkiso.toolbox.study_program import StudyProgram
from mkiso.toolbox.tidy_folder import TidyFolder, read_instance, sha256_of, sync_path
from mkiso.toolbox.world import World

_SPOOL, _LOCK, _STUDIES = ".mkiso-receive", "lock", "studies"
#: What is remembered of instances is forgotten after so many.
_FORGET_AFTER = 20_000
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Receiving:
    """How to receive."""

    address: ReceiverAddress
    folder: Path
    sort: str = "study"
    program: str = ""  # run for each study; "": nothing is
    quiet_seconds: float = 30.0
    program_seconds: float = 600.0
    program_pauses: tuple[float, ...] = (5.0, 30.0)  # before each further attempt
    ae_titles: tuple[str, ...] = ()  # who may send; (): everybody
    networks: tuple[str, ...] = ()  # from where; (): from everywhere
    minimum_free_bytes: int = 0
    maximum_associations: int = 64
    durable: bool = True  # 0000H is answered when a power cut takes nothing back any more


class LastingReception(Reception):
    """Counts for a receiver that goes on after a failure: a full disk may have room again."""

    def __init__(self, told: Callable[[Exception], None]) -> None:
        """Tell `told` of failures, from any thread."""
        super().__init__()
        self._told = told

    def fail(self, error: Exception) -> None:
        """Tell of it, and go on."""
        self._told(error)


class StudyReceiver:
    """Receives while the block of a `with` runs; `tick` belongs in its loop."""

    def __init__(
        self,
        receiving: Receiving,
        world: World,
        *,
        event: Callable[[StudyEvent], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Plan; `event` is told of each study that has been quiet, `failed` of bugs."""
        self._receiving = receiving
        self._world = world
        self._event = event
        self._bug = failed
        self._stack = ExitStack()
        self._spool = receiving.folder.absolute() / _SPOOL
        self._tidy = TidyFolder(receiving.folder.absolute(), receiving.sort)
        self._since_forgotten = 0
        self._sender = ""
        self.receiver: Receiver
        self._store: InstanceStore
        self._journal: StudyJournal
        self._placing: Placing
        self._program: StudyProgram | None = None

    def __enter__(self) -> StudyReceiver:  # noqa: PYI034 - typing.Self is of Python 3.11
        """Take folder and port, place what a dead run left, accept associations.

        Raises CantCreateError or DiskError for the folder, TemporaryError when it or the port is
        taken, and as `Receiver.bind` does.
        """
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop receiving, place what was accepted, free everything."""
        self._stack.close()

    def tick(self) -> None:
        """Tell of the studies that have been quiet. Call it a few times a second."""
        self._placing.place()
        try:
            events = self._journal.due()
            for event in events if not self._receiving.durable else ():
                for path in event.content["files"]:
                    sync_path(Path(path))  # before anybody builds on them
        except OSError as error:
            self._world.log(f"the journals cannot be read: {error.strerror}")
            return
        for event in events:
            self._event(event)
            if self._program is None:
                self._settle(event, done=True)
            else:
                self._program.run(event)

    def _open(self) -> None:
        receiving = self._receiving
        if require_output_folder(receiving.folder):
            self._world.say(f"Made the output folder {receiving.folder}.")
        try:
            self._spool.mkdir(mode=0o700, exist_ok=True)
            self._lock_spool()
            self._journal = StudyJournal(
                self._spool / _STUDIES,
                self._tidy.folder,
                receiving.quiet_seconds,
                durable=receiving.durable,
            )
            self._placing = Placing(self._tidy, self._journal, self._world.log)
            self._store = InstanceStore(
                self._spool,
                minimum_free_bytes=receiving.minimum_free_bytes,
                durable=receiving.durable,
            )
            self._stack.callback(self._store.close)
            self._recover()
        except OSError as error:
            raise DiskError(f"{self._spool} cannot be used: {error.strerror or error}.") from error
        if receiving.program:
            self._program = StudyProgram(
                receiving.program,
                self._settle,
                timeout_seconds=receiving.program_seconds,
                pauses=receiving.program_pauses,
                log=self._world.log,
            )
            self._stack.callback(self._program.stop, _STOP_SECONDS)
        self._stack.callback(self._placing.place)
        self._listen()

    def _listen(self) -> None:
        address = self._receiving.address
        lock = PortLock(address.port)
        lock.acquire(0.0, say=self._world.say, require_running=self._world.require_running)
        self._stack.callback(lock.release)
        self.receiver = Receiver(
            address.ae_title,
            address.bind,
            address.port,
            maximum_associations=self._receiving.maximum_associations,
            tls=server_context(address.tls),
            log=self._world.log,
            reception=LastingReception(self._failed),
        )
        self.receiver.bind()
        self._stack.callback(self.receiver.stop, _STOP_SECONDS)
        self.receiver.start(self._job())

    def _job(self) -> StorageJob:
        networks = tuple(
            ipaddress.ip_network(text, strict=False) for text in self._receiving.networks
        )
        titles = frozenset(self._receiving.ae_titles)

        def peer_allowed(ip: str) -> bool:
            address = ipaddress.ip_address(ip)
            return not networks or any(
                address.version == network.version and address in network for network in networks
            )

        return StorageJob(
            peer_allowed=peer_allowed,
            calling_ae_title_allowed=lambda title: not titles or title.strip() in titles,
            move_originator_allowed=lambda _ae_title, _message_id: True,
            begin=self._begin,
            wanted=lambda _study, _series: True,
            stored=self._stored,
            make_ready=self._store.make_ready,
            sent_by=self._note_sender,
        )

    def _note_sender(self, sender: str) -> None:
        self._sender = sender

    def _begin(self, *uids: str) -> InstanceWriter:
        self._placing.require_room()
        return self._store.begin(*uids)

    def _stored(self, kept: object) -> bool:
        """Have an accepted instance placed, soon. In the one bookkeeping thread."""
        assert isinstance(kept, InstanceWriter)  # noqa: S101 - what `begin` gave
        self._placing.add(kept.received(), self._sender)
        self._since_forgotten += 1
        if self._since_forgotten >= _FORGET_AFTER:
            self._since_forgotten = 0
            self._store.forget()
        return True

    def _recover(self) -> None:
        """Place what an earlier run had accepted, remove what it had not."""
        count = 0
        for path in sorted(self._spool.iterdir()):
            if path.suffix == ".dcm":
                instance = read_instance(path, {})
                if instance is None:  # the disk has lost some of it
                    path.replace(path.with_suffix(".unreadable"))
                    continue
                self._placing.add(dataclasses.replace(instance, sha256=sha256_of(path)))
                count += 1
            elif path.suffix == ".part":
                path.unlink()
        self._placing.place()
        if count:
            self._world.say(f"{count} instances of an earlier run have got their place.")

    def _lock_spool(self) -> None:
        descriptor = os.open(self._spool / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._stack.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TemporaryError(
                f"Another `mkiso receive` uses {self._receiving.folder}; give it another --output."
            ) from error

    def _settle(self, event: StudyEvent, *, done: bool) -> None:
        if not done:
            self._world.say(
                f"The program failed for study {event.content['study_instance_uid']}; what was to "
                f"be told is in {event.journal.with_suffix('.failed')}."
            )
        with contextlib.suppress(OSError):
            self._journal.settle(event, done=done)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, (DiskError, OSError)):
            self._world.log(f"not stored: {error}")
        else:
            self._bug(error)


def transfers_of(event: StudyEvent, folder: Path) -> tuple[Transfer, ...]:
    """Return what the audit trail is told of a study that came: whose it is, and from whom.

    `folder` is the receiver's: the study's own may be named by its patient.
    """
    levels: LevelCache = {}
    found = (read_instance(Path(path), levels) for path in event.content["files"])
    instances = [instance for instance in found if instance is not None]
    studies = studies_of(instances)
    return tuple(
        Transfer(Way.PUSHED, _sender(sender), folder=str(folder), studies=studies, taken=count)
        for sender, count in event.senders.items()
    )


def _sender(text: str) -> Node:
    """Return the node of `AET@ADDRESS`; "" is one that nobody knows any more."""
    title, _, address = text.rpartition("@")
    return Node(text, title or "?", address, 0)


def require_networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return addresses and networks as they can be compared. Raises UsageError."""
    try:
        return tuple(str(ipaddress.ip_network(text, strict=False)) for text in texts)
    except ValueError as error:
        raise UsageError(f"--from: {error}; write 192.168.1.20 or 10.1.0.0/16.") from error

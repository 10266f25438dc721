"""The embedded archive: a folder of DICOM files as a query/retrieve and storage SCP."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from mkiso.archive import contexts, folder_scan
from mkiso.archive.access import AccessRules
from mkiso.archive.incoming import Storage
from mkiso.archive.index import Contents, Index
from mkiso.archive.operation import ArchiveStoppedError
from mkiso.archive.performed_steps import PerformedSteps
from mkiso.archive.sending import Destination
from mkiso.archive.services import Services
from mkiso.archive.worklist import Worklist
from mkiso.core.contexts import PERFORMED_PROCEDURE_STEP
from mkiso.core.job import Tls
from mkiso.core.query import MODALITY_WORKLIST_FIND
from mkiso.errors import CantCreateError, MkisoError
from mkiso.network.tls import server_context
from mkiso.network.transport import AcceptPolicy, Association, Deadlines, Listener, Rejection
from mkiso.network.upper_layer import REJECT_CALLED_AE_TITLE, REJECT_CALLING_AE_TITLE

#: Towards move destinations: a busy one may take a while to answer a C-STORE.
_SENDING = Deadlines(connect_seconds=10, association_seconds=30, pdu_seconds=120, idle_seconds=120)


@dataclass(frozen=True, slots=True)
class Extras:
    """What an archive that is left running may have besides."""

    further_ae_titles: tuple[str, ...] = ()  # it answers to them, too
    access: AccessRules = field(default_factory=AccessRules)
    worklist_folder: Path | None = None  # JSON and CSV items; None: no modality worklist
    steps_folder: Path | None = None  # for performed procedure steps; None: no MPPS


class EmbeddedArchive:
    """An archive over a folder; as a context manager it runs inside the block.

    `port` 0 takes a free one (`.port` tells). `destinations` are the nodes a C-MOVE may name.
    Everybody who reaches the port may ask for everything: bind it where that is right.
    """

    def __init__(
        self,
        folder: Path | str,
        ae_title: str = "ABPACS",
        host: str = "127.0.0.1",
        port: int = 0,
        destinations: Mapping[str, tuple[str, int]] | None = None,
        *,
        extras: Extras | None = None,
        tls: Tls | None = None,
        index_file: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
        peer_failed: Callable[[str, MkisoError], None] | None = None,
    ) -> None:
        """Bind the port and bring the index up to date (`progress`: files read, of how many).

        With `tls` its port and its way to all destinations are encrypted, and with a CA file who
        connects must show a certificate. Raises CantCreateError when the folder is not there,
        ConfigError for certificates, and what binding a port raises.
        """
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise CantCreateError(f"There is no folder {self.folder}; name one that exists.")
        extras = extras or Extras()
        self.ae_title = ae_title
        self.ae_titles = (ae_title, *extras.further_ae_titles)
        self._access = extras.access
        self.destinations = {
            name: Destination(name, *address, tls) for name, address in (destinations or {}).items()
        }
        self._stopping = threading.Event()
        self._listener = Listener(
            host,
            port,
            handle=self._serve,
            accept=AcceptPolicy(
                lambda _ip: True,
                self._rejection,
                lambda requested: contexts.decide(
                    requested, self.index.transfer_syntaxes, self._optional
                ),
            ),
            tls=server_context(tls),
            failed=failed,
            peer_failed=peer_failed,
        )
        self._optional: tuple[str, ...] = ()
        try:
            worklist, steps = self._open_extras(extras)
            self.index, self.index_file = open_index(self.folder, index_file)
            self._services = Services(
                self.index,
                Storage(self.folder, self.index),
                destinations=self.destinations,
                deadlines=_SENDING,
                require_running=self._require_running,
                access=extras.access,
                worklist=worklist,
                steps=steps,
            )
            folder_scan.update(self.index, self.folder, progress)
        except BaseException:
            self._listener.stop(0)
            raise

    @property
    def port(self) -> int:
        """The bound port."""
        return self._listener.port

    @property
    def associations_open(self) -> int:
        """How many associations stand at the moment."""
        return self._listener.associations_open

    @property
    def contents(self) -> Contents:
        """How much is in the archive."""
        return self.index.contents()

    def start(self) -> None:
        """Accept associations from now on."""
        self._listener.start()

    def stop(self, grace_seconds: float = 3.0) -> None:
        """Free the port, end what is under way, close the index."""
        self._stopping.set()
        if self._listener.stop(grace_seconds):
            self.index.close()

    def _serve(self, association: Association) -> None:
        self._services.serve(association)

    def _rejection(self, calling: str, called: str, ip: str) -> Rejection | None:
        if called not in self.ae_titles:
            return REJECT_CALLED_AE_TITLE
        return None if self._access.knows(calling, ip) else REJECT_CALLING_AE_TITLE

    def _open_extras(self, extras: Extras) -> tuple[Worklist | None, PerformedSteps | None]:
        """Open the folders of worklist and MPPS. Raises CantCreateError."""
        worklist = steps = None
        optional = []
        if extras.worklist_folder is not None:
            if not extras.worklist_folder.is_dir():
                raise CantCreateError(f"There is no folder {extras.worklist_folder}; make it.")
            worklist = Worklist(extras.worklist_folder)
            optional.append(MODALITY_WORKLIST_FIND)
        if extras.steps_folder is not None:
            try:
                steps = PerformedSteps(extras.steps_folder)
            except OSError as error:
                raise CantCreateError(
                    f"The folder {extras.steps_folder} cannot be made: {error.strerror}."
                ) from error
            optional.append(PERFORMED_PROCEDURE_STEP)
        self._optional = tuple(optional)
        return worklist, steps

    def _require_running(self) -> None:
        if self._stopping.is_set():
            raise ArchiveStoppedError("The archive stops.")

    def __enter__(self) -> EmbeddedArchive:  # noqa: PYI034 - typing.Self is of Python 3.11
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def open_index(folder: Path, named: Path | None) -> tuple[Index, Path | None]:
    """Open the index named, else the one in the folder, else (not writable) one in memory.

    Raises CantCreateError when the named one cannot be opened.
    """
    path = named or folder / folder_scan.INDEX_NAME
    try:
        return Index(folder, path), path
    except (OSError, sqlite3.Error) as error:
        if named is not None:
            raise CantCreateError(f"The index {named} cannot be written; name another.") from error
    return Index(folder, None), None

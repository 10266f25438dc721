"""The embedded archive: a folder of DICOM files as a query/retrieve and storage SCP."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from mkiso.archive import contexts, folder_scan
from mkiso.archive.incoming import Storage
from mkiso.archive.index import Contents, Index
from mkiso.archive.operation import ArchiveStoppedError
from mkiso.archive.sending import Destination
from mkiso.archive.services import Services
from mkiso.errors import CantCreateError, MkisoError
from mkiso.network.transport import AcceptPolicy, Association, Deadlines, Listener, Rejection
from mkiso.network.upper_layer import REJECT_CALLED_AE_TITLE

#: Towards move destinations: a busy one may take a while to answer a C-STORE.
_SENDING = Deadlines(connect_seconds=10, association_seconds=30, pdu_seconds=120, idle_seconds=120)


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
        index_file: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
        peer_failed: Callable[[str, MkisoError], None] | None = None,
    ) -> None:
        """Bind the port and bring the index up to date (`progress`: files read, of how many).

        Raises CantCreateError when the folder is not there, and what binding a port raises.
        """
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise CantCreateError(f"There is no folder {self.folder}; name one that exists.")
        self.ae_title = ae_title
        self.destinations = {
            name: Destination(name, *address) for name, address in (destinations or {}).items()
        }
        self._stopping = threading.Event()
        self._listener = Listener(
            host,
            port,
            handle=self._serve,
            accept=AcceptPolicy(
                lambda _ip: True,
                self._rejection,
                lambda requested: contexts.decide(requested, self.index.transfer_syntaxes),
            ),
            failed=failed,
            peer_failed=peer_failed,
        )
        try:
            self.index, self.index_file = open_index(self.folder, index_file)
            self._services = Services(
                self.index,
                Storage(self.folder, self.index),
                ae_title=ae_title,
                destinations=self.destinations,
                deadlines=_SENDING,
                require_running=self._require_running,
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

    def _rejection(self, _calling: str, called: str, _ip: str) -> Rejection | None:
        return None if called == self.ae_title else REJECT_CALLED_AE_TITLE

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

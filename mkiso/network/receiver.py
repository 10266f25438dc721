"""The storage SCP that a C-MOVE sends to: one port, one job."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

from mkiso.core.contexts import decide_storage_contexts
from mkiso.errors import MkisoError
from mkiso.network.association import Association
from mkiso.network.background import Background
from mkiso.network.listener import Listener
from mkiso.network.reception import ForeignAttempt, Reception, harmless_ae_title
from mkiso.network.store_session import InstanceSink, StorageJob, StoreSession
from mkiso.network.upper_layer import (
    MAXIMUM_LENGTH,
    REJECT_CALLED_AE_TITLE,
    REJECT_CALLING_AE_TITLE,
    AcceptPolicy,
    Deadlines,
    Rejection,
    TlsHandshakeError,
)

__all__ = ["InstanceSink", "Receiver", "Reception", "StorageJob"]

#: Between two sub-operations an archive may fetch from a tape; the job's stall time-out is shorter.
_IDLE_SECONDS = 900.0


class Receiver:
    """A storage SCP: `bind` before the C-FIND, `start` at the first C-MOVE, `stop` at the end.

    What happens is counted in `reception`. Every C-STORE is answered: 0000H only when the instance
    is in its file under its final name and its header was read and agrees with the command.
    """

    def __init__(
        self,
        ae_title: str,
        bind: str,
        port: int,
        *,
        deadlines: Deadlines | None = None,
        maximum_associations: int = 64,
        maximum_length: int = MAXIMUM_LENGTH,
        idle_seconds: float = _IDLE_SECONDS,
        tls: ssl.SSLContext | None = None,
        log: Callable[[str], None] = lambda _line: None,
        reception: Reception | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Be `ae_title` on `port` (0: any) of the address `bind` ("" is all).

        `log` takes one line at a time, from several threads. `reception` counts in another way.
        """
        self.ae_title = ae_title
        self.reception = reception or Reception(monotonic=monotonic)
        self._address = (bind, port)
        self._deadlines = deadlines or Deadlines()
        self._maximum_associations = maximum_associations
        self._maximum_length = maximum_length
        self._idle_seconds = idle_seconds
        self._tls = tls
        self._log = log
        self._monotonic = monotonic
        self._job: StorageJob | None = None
        self._listener: Listener | None = None
        self._background: Background | None = None

    def bind(self) -> None:
        """Take the port; nobody can connect yet. Raises as `Listener` does: 75, 77 or 78."""
        host, port = self._address
        self._listener = Listener(
            host,
            port,
            handle=self._serve,
            accept=AcceptPolicy(
                peer_allowed=self._peer_allowed,
                ae_titles_allowed=self._ae_titles_allowed,
                negotiate=decide_storage_contexts,
            ),
            deadlines=self._deadlines,
            maximum_associations=self._maximum_associations,
            maximum_length=self._maximum_length,
            tls=self._tls,
            failed=self.reception.fail,
            peer_failed=self._peer_failed,
            monotonic=self._monotonic,
        )

    @property
    def port(self) -> int:
        """The bound port (the one asked for, unless that was 0)."""
        return self._address[1] if self._listener is None else self._listener.port

    def start(self, job: StorageJob) -> None:
        """Accept associations for `job`; TemporaryError when the port was taken meanwhile."""
        if self._listener is None:
            self.bind()
        assert self._listener is not None  # noqa: S101 - for the type checker
        self._job = job
        self._background = Background(self.reception.fail, is_rushed=self.reception.is_rushed)
        self._listener.start()

    def stop(self, grace_seconds: float = 5.0) -> bool:
        """Refuse what comes, free the port, abort what is left, settle what was accepted.

        Returns False when a thread did not end within the grace (each of the two steps).
        """
        self._job = None
        ended = self._listener is None or self._listener.stop(grace_seconds)
        if self._background is not None:
            ended = self._background.stop(grace_seconds) and ended
            self._background = None
        return ended

    def __enter__(self) -> Receiver:  # noqa: PYI034 - typing.Self came with Python 3.11
        """Bind."""
        self.bind()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _peer_allowed(self, ip: str) -> bool:
        job = self._job
        if job is not None and job.peer_allowed(ip):
            return True
        if self.reception.turn_away(ForeignAttempt(ip, "", "")):
            self._log(f"A connection from {ip}, which may not send to us, was dropped")
        return False

    def _ae_titles_allowed(self, calling: str, called: str, ip: str) -> Rejection | None:
        rejection = None
        job = self._job
        if called != self.ae_title:
            rejection = REJECT_CALLED_AE_TITLE
        elif job is None or not job.calling_ae_title_allowed(calling):
            rejection = REJECT_CALLING_AE_TITLE
        if rejection is not None:
            calling, called = harmless_ae_title(calling), harmless_ae_title(called)
            if self.reception.turn_away(ForeignAttempt(ip, calling, called)):
                self._log(f"An association of {calling} at {ip} with {called} was rejected")
        return rejection

    def _peer_failed(self, ip: str, error: MkisoError) -> None:
        if isinstance(error, TlsHandshakeError):
            self.reception.tls_failed(f"{ip}: {error}")
        self._log(f"A connection from {ip} ended: {error}")

    def _serve(self, association: Association) -> None:
        background = self._background
        if background is None:
            return
        who = f"{harmless_ae_title(association.calling_ae_title)} at {association.peer_address}"
        self._log(
            f"Association of {who}: {len(association.contexts)} contexts accepted, "
            f"{len(association.rejected)} not; {association.encryption or 'not encrypted'}"
        )
        self.reception.association_opened()
        try:
            StoreSession(
                association,
                self._job,
                self.reception,
                background,
                log=self._log,
                idle_seconds=self._idle_seconds,
            ).serve()
        finally:
            association.close()
            self.reception.association_closed()
            self._log(f"Association of {who} ended after {association.bytes_received} bytes")

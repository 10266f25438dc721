"""What a receiver has seen so far: counters that several threads write and one waits on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mkiso.core.contexts import is_uid

#: So many data set bytes are progress; fewer are not, however often they come.
PROGRESS_BYTES = 1 << 20
#: Data set bytes are reported by the MiB and by the object. When reports are closer than this,
#: some hundred MB arrive in a second: the sender is on this machine, or as good as that.
_RUSH_SECONDS = 0.004
#: Of a flood only the first are kept.
MAXIMUM_KEPT = 1000


def harmless_uid(value: str) -> str:
    """Return `value` if it is a UID; else what goes into logs for it, since it may be anything."""
    return value if not value or is_uid(value) else "(not a UID)"


def harmless_ae_title(value: str) -> str:
    """Return an AE title from the wire with `?` for what no AE title may have (PS3.5 6.2)."""
    return "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in value[:16])


@dataclass(frozen=True, slots=True)
class Refusal:
    """One C-STORE that was not accepted. No patient data: UIDs, AE titles and addresses only."""

    reason: str
    status: int
    peer_address: str
    calling_ae_title: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str = ""  # "" when it was refused before its data set was read
    series_instance_uid: str = ""
    move_originator: str = ""  # AE title, "" when the command has none
    move_originator_message_id: int | None = None


@dataclass(frozen=True, slots=True)
class ForeignAttempt:
    """Somebody who may not send to us; `calling_ae_title` is "" when the address was enough."""

    peer_address: str
    calling_ae_title: str
    called_ae_title: str


class Reception:
    """Counts of one receiver. Times are on the monotonic clock, sizes are data set bytes."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing seen; the clock of progress runs from now."""
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._unmarked_bytes = 0
        self._last_bytes = 0.0
        self.associations_seen = 0
        self.associations_open = 0
        self.instances_stored = 0  # different ones, handed over to the job
        self.instances_accepted = 0  # answered with 0000H, also those that were here before
        self.instances_pending = 0  # answered with 0000H, not handed over yet
        self.bytes_received = 0
        self.last_progress = monotonic()  # an instance stored, or another MiB
        self.refusals: list[Refusal] = []
        self.refused = 0  # all of them, also those that are not kept in the list
        self.foreign_attempts: list[ForeignAttempt] = []
        self.foreign = 0
        self.tls_failures: list[str] = []  # sentences, each once: who could not begin TLS with us
        self.failure: Exception | None = None  # the first: no room, I/O error, or a bug

    @property
    def is_quiet(self) -> bool:
        """True when no association stands and everything that was answered is handed over."""
        return self.associations_open == 0 and self.instances_pending == 0

    def is_rushed(self) -> bool:
        """Tell whether instances come in as fast as this machine can take them."""
        return self.associations_open > 0 and (self._monotonic() - self._last_bytes < _RUSH_SECONDS)

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until `condition` holds; it is asked at every change. False: it does not hold."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_seconds)

    def association_opened(self) -> None:
        """Count an association of somebody who may send to us."""
        with self._changed:
            self.associations_seen += 1
            self.associations_open += 1
            self._changed.notify_all()

    def association_closed(self) -> None:
        """Count its end."""
        with self._changed:
            self.associations_open -= 1
            self._changed.notify_all()

    def received(self, size_bytes: int) -> None:
        """Count data set bytes."""
        with self._changed:
            self._last_bytes = self._monotonic()
            self.bytes_received += size_bytes
            self._unmarked_bytes += size_bytes
            if self._unmarked_bytes >= PROGRESS_BYTES:
                self._unmarked_bytes = 0
                self.last_progress = self._last_bytes

    def accepted(self) -> None:
        """Count an instance that is about to be answered with 0000H."""
        with self._changed:
            self.instances_accepted += 1
            self.instances_pending += 1

    def settled(self, *, is_new: bool) -> None:
        """Count an accepted instance that was handed over (or found to be here already)."""
        with self._changed:
            self.instances_pending -= 1
            if is_new:
                self.instances_stored += 1
                self.last_progress = self._monotonic()
            self._changed.notify_all()

    def refuse(self, refusal: Refusal) -> None:
        """Record a C-STORE that was not accepted."""
        with self._changed:
            self.refused += 1
            if len(self.refusals) < MAXIMUM_KEPT:
                self.refusals.append(refusal)
            self._changed.notify_all()

    def turn_away(self, attempt: ForeignAttempt) -> bool:
        """Record somebody who may not send to us; True when that is worth a line in the log."""
        with self._changed:
            self.foreign += 1
            is_new = len(self.foreign_attempts) < MAXIMUM_KEPT
            is_new = is_new and attempt not in self.foreign_attempts
            if is_new:
                self.foreign_attempts.append(attempt)
            return is_new

    def tls_failed(self, sentence: str) -> None:
        """Record a handshake that failed; `sentence` names the address and the reason."""
        with self._changed:
            if sentence not in self.tls_failures and len(self.tls_failures) < MAXIMUM_KEPT:
                self.tls_failures.append(sentence)

    def fail(self, error: Exception) -> None:
        """Remember the first error that the job has to end with."""
        with self._changed:
            if self.failure is None:
                self.failure = error
            self._changed.notify_all()

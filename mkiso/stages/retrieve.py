"""Retrieve: what the archive listed arrives in the job folder, or it is known exactly what did not.

Whole studies first, then what is missing at SERIES and IMAGE level. Only UIDs on our disk count.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.context import Context, Progress
from mkiso.core.holdings import Holdings
from mkiso.core.model import FindResult, ReceivedInstance, RetrieveResult, ShortSeries
from mkiso.core.reconcile import Reconciliation
from mkiso.errors import IdentityError, IncompleteError, LimitError, TemporaryError
from mkiso.network.asking import Asking
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.network.reception import Reception
from mkiso.network.retrieval import open_retrieval
from mkiso.network.senders import calling_ae_title_allowed, peer_allowed
from mkiso.storage.instances import InstanceStore, InstanceWriter

#: How often the person is told how far it is.
_PROGRESS_SECONDS = 0.2
#: How often the archive's list may change under our hands before the job gives up.
_MOST_FINDS = 3
#: So many of a kind are named in a warning or an error.
_MOST_NAMED = 20

Listener = Callable[[ReceivedInstance], None]


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What arrived, and the archive's list as it was at the end."""

    found: FindResult
    retrieved: RetrieveResult


def run(
    given: FindResult,
    context: Context,
    *,
    receiver: Receiver | None,
    folder: Path,
    find_again: Callable[[], FindResult],
    has_grown: Callable[[FindResult], bool],
    listeners: Sequence[Listener] = (),
    already: Sequence[ReceivedInstance] = (),
) -> Retrieved:
    """Retrieve everything that `given` lists into `folder`; what stays missing is in the result.

    `receiver` is bound already (None: C-GET). `find_again` asks the archive anew, `has_grown` asks
    whether its list has changed. `listeners` are called for each instance, in another thread.
    `already` is here from an earlier run and is not asked for.

    Raises IdentityError for instances of other studies and for one UID with two contents, the
    archive's own failure when nothing came of it, and what ends any job early.
    """
    books = _Books(given, context, folder, listeners, already)
    modalities = {series.modality for study in given.studies for series in study.series}
    try:
        with open_retrieval(
            receiver, books.storage_job(), context, books.tick, modalities
        ) as retrieval:
            books.reception = retrieval.reception
            asking = Asking(retrieval, context, books.holdings, gap=books.gap, tick=books.tick)
            _fetch(asking, books, context, find_again, has_grown)
    except (TemporaryError, IncompleteError):
        books.require_ours()  # weighs more than what else went wrong, and is not to be tried again
        raise
    finally:
        books.close()
    return books.result()


def _fetch(
    asking: Asking,
    books: _Books,
    context: Context,
    find_again: Callable[[], FindResult],
    has_grown: Callable[[FindResult], bool],
) -> None:
    """Ask until what is here and what the archive lists agree, or will not."""
    for _ in range(_MOST_FINDS):
        asking.fetch()
        books.report_progress()
        if not books.gap().unlisted and not has_grown(books.holdings.found):
            return
        context.log("the archive's list has changed: asking for it again")
        books.expect(find_again())
    books.list_never_settled()


class _Books:
    """What is expected and what arrived. Instances come in threads of the receiver."""

    def __init__(
        self,
        found: FindResult,
        context: Context,
        folder: Path,
        listeners: Sequence[Listener],
        already: Sequence[ReceivedInstance],
    ) -> None:
        self.reception = Reception()  # until the retrieval is open
        self._context = context
        self._listeners = listeners
        self._store = InstanceStore(
            folder,
            minimum_free_bytes=context.job.minimum_free_bytes,
            max_instance_bytes=context.job.max_instance_bytes,
            adopted=already,
        )
        self._lock = threading.Lock()  # of the holdings
        self._holdings = Holdings(found)
        self._not_ours: dict[str, None] = {}  # Study Instance UIDs that were not asked for
        self._next_progress = 0.0
        for instance in already:
            self._holdings.take(instance)

    # --- what the receiver asks and tells, in its own threads

    def storage_job(self) -> StorageJob:
        """Return what the receiver lets in for this job."""
        node = self._context.job.archive
        return StorageJob(
            peer_allowed=peer_allowed(node),
            calling_ae_title_allowed=calling_ae_title_allowed(node),
            move_originator_allowed=lambda _ae_title, _message_id: True,  # a C-MOVE narrows it
            begin=self._store.begin,
            wanted=self._wanted,
            stored=self._stored,
            make_ready=self._store.make_ready,
        )

    def close(self) -> None:
        """Remove the file that was made ready for one more instance."""
        self._store.close()

    def _wanted(self, study_instance_uid: str, series_instance_uid: str) -> bool:
        wanted = self._holdings.wants(study_instance_uid, series_instance_uid)
        if not wanted and study_instance_uid and len(self._not_ours) < _MOST_NAMED:
            self._not_ours[study_instance_uid] = None
        return wanted

    def _stored(self, kept: object) -> bool:
        """Take an accepted instance into the books; True when it is new."""
        assert isinstance(kept, InstanceWriter)  # noqa: S101 - what `begin` gave
        instance = self._store.settle(kept)
        if instance is None:
            return False
        with self._lock:
            self._holdings.take(instance)
        most = self._context.job.max_instances
        if self.arrived > most:
            raise LimitError(
                f"The archive sends more than the {most} instances that a job may have; ask for "
                "less, or raise --max-instances."
            )
        most_bytes = self._context.job.max_bytes
        if most_bytes is not None and self._holdings.size_bytes > most_bytes:
            raise LimitError(
                f"The archive sends more than the {most_bytes} bytes that a job may have; ask for "
                "less, or raise max_size in [job]."
            )
        for listener in self._listeners:
            listener(instance)
        return True

    # --- for the job's thread

    @property
    def holdings(self) -> Holdings:
        """What is expected and here: single questions need no lock, `gap` and `expect` do."""
        return self._holdings

    @property
    def arrived(self) -> int:
        """How many different instances are here."""
        return len(self._holdings.received)

    def expect(self, found: FindResult) -> None:
        """Take the archive's list as what must arrive."""
        with self._lock:
            self._holdings.expect(found)

    def gap(self) -> Reconciliation:
        """Compare the list with what is here."""
        with self._lock:
            return self._holdings.gap()

    def tick(self) -> None:
        """Raise when the job has to end; say how far it is."""
        self._context.require_time()
        self.require_faultless()
        now = self._context.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + _PROGRESS_SECONDS
            self.report_progress()

    def report_progress(self) -> None:
        """Say how far it is."""
        size_bytes = max(self._holdings.size_bytes, self.reception.bytes_received)
        progress = Progress("retrieve", self.arrived, self._holdings.total, size_bytes)
        self._context.progress(progress)

    def list_never_settled(self) -> None:
        """Raise IncompleteError: list and instances never came together.

        A person who wants a disc all the same gets one that says so.
        """
        unlisted = self.gap().unlisted
        sentence = (
            f"The archive sends {len(unlisted)} instances that it does not list: the study is "
            "still growing, or its index is wrong."
            if unlisted
            else "The study is still growing: the archive's list changed each time it was read."
        )
        if not self._context.job.allow_incomplete:
            raise IncompleteError(f"{sentence} Try again later.", details=unlisted[:_MOST_NAMED])
        self._context.warn(sentence)
        self.expect(dataclasses.replace(self._holdings.found, count_verified=False))

    def result(self) -> Retrieved:
        """Return what arrived, with the gap, when nothing can arrive any more."""
        self.require_faultless()
        if self.gap().unlisted:  # perhaps after the last look at the list
            self.list_never_settled()
        self._warn()
        gap, found = self.gap(), self._holdings.found
        short = tuple(
            ShortSeries(series.series_instance_uid, series.study_instance_uid, count)
            for series, count in gap.short_series
        )
        instances = tuple(self._holdings.received.values())
        return Retrieved(found, RetrieveResult(instances, gap.missing, short))

    def require_faultless(self) -> None:
        """Raise for a full disk, and as `require_ours` does."""
        if self.reception.failure is not None:
            raise self.reception.failure
        self.require_ours()

    def require_ours(self) -> None:
        """Raise IdentityError for somebody else's instance, and for one UID with two contents."""
        if self._not_ours:
            raise IdentityError(
                f"{self._context.job.archive.name} sent an instance of a study or series that was "
                "not asked for; nothing of it was kept and no disc is made. Have the archive "
                "checked.",
                details=tuple(f"study {uid}" for uid in tuple(self._not_ours)),
            )
        if self._store.conflicts:
            raise IdentityError(
                "The archive sent one SOP Instance UID with two different contents; no disc is "
                "made. Have the archive checked.",
                details=tuple(self._store.conflicts[:_MOST_NAMED]),
            )

    def _warn(self) -> None:
        """Leave what a person should know in the report."""
        warn, reception = self._context.warn, self.reception
        for refusal in reception.refusals[:_MOST_NAMED]:
            warn(
                f"Instance {refusal.sop_instance_uid} was not accepted "
                f"({refusal.reason}, status {refusal.status:04X}H)."
            )
        if reception.refused > _MOST_NAMED:
            warn(f"{reception.refused} instances were not accepted in all; the log names them.")
        if reception.tls_failures:
            warn(f"Somebody connected and did not begin TLS: {reception.tls_failures[0]}")
        if reception.foreign:
            warn(
                f"{reception.foreign} associations of senders that are not the archive were "
                "turned away."
            )

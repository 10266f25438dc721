"""Retrieve: what the archive listed arrives in the job folder, or it is known exactly what did not.

Whole studies first, then what is missing at SERIES and IMAGE level. Only UIDs on our disk count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.context import Context, Progress
from mkiso.core.evidence import Evidence, ends_round, failure_of
from mkiso.core.model import FindResult, ReceivedInstance, RetrieveResult
from mkiso.core.reconcile import Reconciliation, reconcile
from mkiso.core.retrieval_plan import (
    Request,
    first_requests,
    halves,
    image_requests,
    series_requests,
)
from mkiso.core.retry import RetryPolicy
from mkiso.core.store_decision import NOT_ASKED_FOR
from mkiso.errors import IdentityError, IncompleteError, TemporaryError
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.network.reception import Reception
from mkiso.network.retrieval import Retrieval, open_retrieval
from mkiso.network.senders import calling_ae_title_allowed, peer_allowed
from mkiso.network.sub_operations import RetrieveOutcome
from mkiso.network.transport import AssociationLostError
from mkiso.storage.instances import InstanceStore, InstanceWriter

#: How often the person is told how far it is.
_PROGRESS_SECONDS = 0.2
#: How often the archive's list may change under our hands before the job gives up.
_MOST_FINDS = 3

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
) -> Retrieved:
    """Retrieve everything that `given` lists into `folder`; what stays missing is in the result.

    `receiver` is bound already (None: C-GET). `find_again` asks the archive anew, `has_grown` asks
    whether its list has changed. `listeners` are called for each instance, in another thread.

    Raises IdentityError for instances of other studies and for one UID with two contents, the
    archive's own failure when nothing came of it, and what ends any job early.
    """
    retrieve = _Retrieve(given, context, folder, listeners)
    job = retrieve.storage_job()
    modalities = {series.modality for study in given.studies for series in study.series}
    with open_retrieval(receiver, job, context, retrieve.tick, modalities) as retrieval:
        retrieve.watch(retrieval.reception)
        for _ in range(_MOST_FINDS):
            retrieve.fetch(retrieval)
            if not retrieve.gap().unlisted and not has_grown(retrieve.found):
                break
            context.log("the archive's list has changed: asking for it again")
            retrieve.expect(find_again())
        else:
            retrieve.require_settled()
    return retrieve.result()


class _Retrieve:
    """One retrieval: what is expected, what arrived, and what the archive said."""

    def __init__(
        self, found: FindResult, context: Context, folder: Path, listeners: Sequence[Listener]
    ) -> None:
        self._context = context
        self._listeners = listeners
        self._store = InstanceStore(folder, minimum_free_bytes=context.job.minimum_free_bytes)
        self._received: dict[str, ReceivedInstance] = {}
        self._size_bytes = 0
        self._reception = Reception()
        self._last: RetrieveOutcome | None = None
        self._next_progress = 0.0
        self.expect(found)

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
        )

    def _wanted(self, study_instance_uid: str, series_instance_uid: str) -> bool:
        """Whether the job asked for it: by study, with a modality filter also by series."""
        series = self._series_of.get(study_instance_uid)
        if series is None:
            return False
        return series_instance_uid in series if self.found.filtered else True

    def _stored(self, kept: object) -> bool:
        """Take an accepted instance into the books; True when it is new."""
        assert isinstance(kept, InstanceWriter)  # noqa: S101 - what `begin` gave
        instance = self._store.settle(kept)
        if instance is None:
            return False
        self._received[instance.sop_instance_uid] = instance
        self._size_bytes += instance.size_bytes
        self._outstanding.discard(instance.sop_instance_uid)
        for listener in self._listeners:
            listener(instance)
        return True

    # --- what the retrieval asks while it waits, in the job's thread

    def tick(self) -> None:
        """Raise when the job has to end; say how far it is."""
        self._context.require_time()
        if self._reception.failure is not None:
            raise self._reception.failure
        if self._reception.refusals or self._store.conflicts:
            self._require_our_own()
        now = self._context.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + _PROGRESS_SECONDS
            self._report_progress()

    def _report_progress(self) -> None:
        done = len(self._received)
        size_bytes = max(self._size_bytes, self._reception.bytes_received)
        self._context.progress(Progress("retrieve", done, self._total, size_bytes))

    def _require_our_own(self) -> None:
        """Raise when somebody else's instance came, or one UID with two contents."""
        foreign = [r for r in self._reception.refusals if r.status == NOT_ASKED_FOR]
        foreign = [r for r in foreign if r.study_instance_uid]
        if foreign:
            raise IdentityError(
                f"{self._context.job.archive.name} sent an instance of a study or series that was "
                "not asked for; nothing of it was kept and no disc is made. Have the archive "
                "checked.",
                details=tuple(f"study {r.study_instance_uid}" for r in foreign[:10]),
            )
        if self._store.conflicts:
            raise IdentityError(
                "The archive sent one SOP Instance UID with two different contents; no disc is "
                "made. Have the archive checked.",
                details=tuple(self._store.conflicts[:10]),
            )

    # --- asking

    def watch(self, reception: Reception) -> None:
        """Use the counts of the open retrieval."""
        self._reception = reception

    def expect(self, found: FindResult) -> None:
        """Take the archive's list as what must arrive."""
        self.found = found
        self._series_of = {
            study.study_instance_uid: {s.series_instance_uid for s in study.series}
            for study in found.studies
        }
        listed = {instance.sop_instance_uid for instance in found.expected}
        counted = [s for study in found.studies for s in study.series if not s.instances]
        self._counted = bool(counted)
        self._total = len(listed) + sum(s.number_of_instances or 0 for s in counted)
        self._outstanding = listed - self._received.keys()

    def gap(self) -> Reconciliation:
        """Compare the list with what is here."""
        pairs = [
            (i.sop_instance_uid, i.series_instance_uid) for i in tuple(self._received.values())
        ]
        return reconcile(self.found, pairs)

    def fetch(self, retrieval: Retrieval) -> None:
        """Ask for everything that is missing, as often as it makes sense."""
        if not self._received:
            self._ask(retrieval, first_requests(self.found))
        for seconds in RetryPolicy(retries=self._context.job.archive.retries).delays():
            if not (self._is_away() and self.gap().missing_count):
                break
            self._context.say(f"{self._last.error if self._last else ''} Again in {seconds:g} s.")
            retrieval.pause(seconds)
            self._ask(retrieval, self._whole_series(everything=True))
        if self.gap().missing_count and not self._is_away():
            self._context.say(f"{self.gap().missing_count} instances are missing; asking again.")
            self._ask(retrieval, self._whole_series(everything=False))
            self._ask_one_by_one(retrieval)
        self._report_progress()
        if self.gap().missing_count:
            self._raise_failure()

    def _whole_series(self, *, everything: bool) -> tuple[Request, ...]:
        """Return requests for the series that lack something: all, or those that lack most.

        Where little is missing it is asked for by name: a series would be sent as a whole again.
        """
        gap = self.gap()
        lacking = Counter(instance.series_instance_uid for instance in gap.missing)
        size_of = {
            series.series_instance_uid: len(series.instances)
            for study in self.found.studies
            for series in study.series
        }
        missing = [
            instance
            for instance in gap.missing
            if everything
            or 2 * lacking[instance.series_instance_uid] > size_of[instance.series_instance_uid]
        ]
        return series_requests(self.found, missing, [series for series, _ in gap.short_series])

    def _ask(self, retrieval: Retrieval, requests: Sequence[Request]) -> None:
        """Send requests in turn; stop when the archive is away or refuses the very request."""
        for request in requests:
            self.tick()
            outcome = self._request(retrieval, request)
            if ends_round(outcome.error, outcome.status, arrived=len(self._received)):
                return

    def _ask_one_by_one(self, retrieval: Retrieval) -> None:
        """Ask at IMAGE level, and in halves, for what is missing by name."""
        requests = list(reversed(image_requests(self.gap().missing)))
        while requests and not self._is_away():
            self.tick()
            request = requests.pop()
            outcome = self._request(retrieval, request)
            if ends_round(outcome.error, outcome.status, arrived=len(self._received)):
                return
            if not _tells_all(outcome, len(request.sop_instance_uids)):
                requests += reversed(halves(request, self.gap().missing))

    def _is_away(self) -> bool:
        """Whether the archive was not to be had when it was asked last."""
        last = self._last
        if last is None or not isinstance(last.error, TemporaryError):
            return False
        return last.status is None or not self._reception.associations_seen

    def _request(self, retrieval: Retrieval, request: Request) -> RetrieveOutcome:
        """Send one request; that it could not be sent is its outcome."""
        try:
            self._last = retrieval.request(request, self._completion_of(request))
        except TemporaryError as error:
            self.tick()  # the job's own deadline is no outcome
            self._last = RetrieveOutcome(None, error=error)
        return self._last

    def _completion_of(self, request: Request) -> Callable[[], bool]:
        """Return what tells whether everything that a request is for is here."""
        if self._counted:
            return lambda: self.gap().missing_count == 0
        wanted = set(request.sop_instance_uids) or {
            instance.sop_instance_uid
            for study in self.found.studies
            if study.study_instance_uid == request.study_instance_uid
            for series in study.series
            if request.series_instance_uid in ("", series.series_instance_uid)
            for instance in series.instances
        }
        return lambda: self._outstanding.isdisjoint(wanted)

    # --- the end

    def require_settled(self) -> None:
        """Raise when the archive's list and what it sends never came together."""
        unlisted = self.gap().unlisted
        if unlisted:
            raise IncompleteError(
                f"The archive sends {len(unlisted)} instances that it does not list: the study is "
                "still growing, or its index is wrong. Try again later.",
                details=unlisted[:20],
            )
        raise IncompleteError(
            "The study is still growing: the archive's list changed each time it was read. "
            "Try again later."
        )

    def _raise_failure(self) -> None:
        """Raise the failure behind a gap, unless the gap itself is to be reported."""
        job = self._context.job
        last = self._last or RetrieveOutcome(None)
        failure = failure_of(
            Evidence(
                archive=job.archive.name,
                receiver=f"{job.receiver.ae_title}, port {job.receiver.port}",
                by_get=job.archive.retrieve == "get",
                associations_seen=self._reception.associations_seen,
                turned_away=tuple(
                    f"{a.calling_ae_title or '?'} at {a.peer_address}"
                    for a in self._reception.foreign_attempts[:3]
                ),
                arrived=len(self._received),
                status=last.status,
                error=last.error,
                aborted=isinstance(last.error, AssociationLostError),
            )
        )
        if failure is not None:
            raise failure

    def result(self) -> Retrieved:
        """Return what arrived, with the gap."""
        self._require_our_own()
        gap = self.gap()
        for refusal in self._reception.refusals[:20]:
            self._context.warn(
                f"Instance {refusal.sop_instance_uid} was not accepted ({refusal.reason}, status "
                f"{refusal.status:04X}H)."
            )
        if self._reception.foreign:
            self._context.warn(
                f"{self._reception.foreign} associations of senders that are not the archive were "
                "turned away."
            )
        if not self.found.count_verified:
            self._context.warn("The archive lists neither instances nor counts.")
        unnamed = gap.missing_count - len(gap.missing)
        return Retrieved(
            self.found,
            RetrieveResult(tuple(self._received.values()), gap.missing, unnamed_missing=unnamed),
        )


def _tells_all(outcome: RetrieveOutcome, asked: int) -> bool:
    """Whether the archive tried each instance and says so; Orthanc gives up at the first."""
    counts = outcome.counts
    tried = (counts.completed or 0) + (counts.warning or 0) + (counts.failed or 0)
    return tried >= asked

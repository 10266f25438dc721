"""What is asked for, in which order and how often, until everything is here or nothing helps.

Whole studies (or the filtered series) first; after a failure that may pass again, with pauses; then
what is missing, by series where most of one is, by name where little is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mkiso.core.context import Context
from mkiso.core.dimse_status import Outcome, Service, meaning_of
from mkiso.core.display_text import counted
from mkiso.core.evidence import (
    MOST_UNANSWERED,
    Evidence,
    failure_of,
    nobody_hint,
)
from mkiso.core.holdings import Holdings
from mkiso.core.reconcile import Reconciliation
from mkiso.core.retrieval_plan import (
    Request,
    first_requests,
    halves,
    image_requests,
    rest_requests,
    series_requests,
)
from mkiso.core.retry import RetryPolicy
from mkiso.errors import TemporaryError
from mkiso.network.retrieval import Retrieval
from mkiso.network.sub_operations import RetrieveOutcome
from mkiso.network.transport import AssociationLostError


class Asking:
    """The requests of one retrieval, and what the archive said to the last of them."""

    def __init__(
        self,
        retrieval: Retrieval,
        context: Context,
        holdings: Holdings,
        *,
        gap: Callable[[], Reconciliation],
        tick: Callable[[], None],
    ) -> None:
        """Ask by `retrieval` for what `holdings` lack; `gap` names it, `tick` raises to end it."""
        self._retrieval = retrieval
        self._context = context
        self._holdings = holdings
        self._already = len(holdings.received)  # of an earlier run: nobody came for them
        self._gap = gap
        self._tick = tick
        self._has_begun = False
        self._unsuccessful = 0
        self._last = RetrieveOutcome(None)

    def fetch(self) -> None:
        """Ask for everything that is missing, as often as it makes sense.

        Raises the failure behind a gap; a gap that has to be reported as such is left.
        """
        retries = self._context.job.archive.retries
        self._retrieval.require_settled()  # what came while the list was read is not asked for
        if not self._has_begun:
            self._has_begun = True
            self._ask(self._first())
        for seconds in RetryPolicy(retries=retries).delays():
            if not (self._holdings.is_lacking and self._evidence().is_away):
                break
            self._context.say(f"{self._last.error} Again in {seconds:g} s.")
            self._retrieval.pause(seconds)
            self._ask(self._whole_series(everything=True))
        for _ in range(max(1, retries)):
            arrived = len(self._holdings.received)
            if not (self._holdings.is_lacking and self._goes_on()):
                break
            count = self._gap().missing_count
            missing = counted(count, "instance") if count else "some"
            self._context.say(f"Still missing: {missing}; asking again.")
            self._ask(self._whole_series(everything=False))
            self._ask_one_by_one()
            if len(self._holdings.received) == arrived:
                break
        if self._holdings.is_lacking:
            self._raise_failure()

    def _first(self) -> tuple[Request, ...]:
        """Return the first requests; of what an earlier run left nothing is asked for again."""
        holdings = self._holdings
        if not holdings.received:
            return first_requests(holdings.found)
        gap = self._gap()
        short = [*(series for series, _ in gap.short_series), *holdings.uncounted]
        begun = {instance.series_instance_uid for instance in holdings.received.values()}
        return rest_requests(holdings.found, gap.missing, short, begun)

    def _whole_series(self, *, everything: bool) -> tuple[Request, ...]:
        """Return requests for the series that lack something: all, or those that lack most.

        Where little is missing it is asked for by name: a series would be sent as a whole again.
        """
        gap, found = self._gap(), self._holdings.found
        lacking = Counter(instance.series_instance_uid for instance in gap.missing)
        size_of = {
            series.series_instance_uid: len(series.instances)
            for study in found.studies
            for series in study.series
        }
        missing = [
            instance
            for instance in gap.missing
            if everything
            or 2 * lacking[instance.series_instance_uid] > size_of[instance.series_instance_uid]
        ]
        short = [series for series, _ in gap.short_series]
        return series_requests(found, missing, [*short, *self._holdings.uncounted])

    def _ask(self, requests: Sequence[Request]) -> None:
        """Send requests in turn; stop when the archive is away or refuses the very request."""
        for request in requests:
            if self._is_pointless():
                return
            self._request(request)
            if self._evidence().ends_round:
                return

    def _ask_one_by_one(self) -> None:
        """Ask at IMAGE level, and in halves, for what is missing by name."""
        requests = list(reversed(image_requests(self._gap().missing)))
        lost = 0
        while requests and lost <= MOST_UNANSWERED and self._goes_on():
            request = requests.pop()
            outcome = self._request(request)
            evidence = self._evidence()
            lost = lost + 1 if evidence.aborted else 0
            if evidence.ends_round and not evidence.aborted:
                return
            if not _tells_all(outcome, len(request.sop_instance_uids)):
                requests += reversed(halves(request, self._holdings.missing_of(request)))

    def _request(self, request: Request) -> RetrieveOutcome:
        """Send one request; that it could not be sent is its outcome."""
        self._tick()
        try:
            outcome = self._retrieval.request(request, self._holdings.completion_of(request))
        except TemporaryError as error:
            self._tick()  # the job's own deadline is no outcome
            outcome = RetrieveOutcome(None, error=error)
        self._last = outcome
        if _is_answer(outcome):
            self._holdings.take_answer(request)
        elif outcome.status != 0:
            self._unsuccessful += 1
        return outcome

    def _goes_on(self) -> bool:
        """Whether another request may bring what the last one did not."""
        return self._evidence().others_may_come and not self._is_pointless()

    def _is_pointless(self) -> bool:
        """Whether so many requests failed without anybody connecting that nobody ever will."""
        return self._unsuccessful >= MOST_UNANSWERED and self._evidence().nobody_came

    def _evidence(self) -> Evidence:
        """Return what was seen so far."""
        job, reception = self._context.job, self._retrieval.reception
        return Evidence(
            archive=job.archive.name,
            receiver=f"{job.receiver.ae_title}, port {job.receiver.port}",
            by_get=job.archive.retrieve == "get",
            associations_seen=reception.associations_seen,
            turned_away=tuple(
                f"{a.calling_ae_title or '?'} at {a.peer_address}"
                for a in reception.foreign_attempts[:3]
            ),
            tls_failures=tuple(reception.tls_failures[:3]),
            arrived=len(self._holdings.received) - self._already,
            status=self._last.status,
            error=self._last.error,
            aborted=isinstance(self._last.error, AssociationLostError),
        )

    def _raise_failure(self) -> None:
        """Raise the failure behind a gap, unless the gap itself is to be reported."""
        evidence = self._evidence()
        failure = failure_of(evidence)
        if failure is not None:
            raise failure
        if evidence.nobody_came:
            self._context.warn(nobody_hint(evidence))


def _is_answer(outcome: RetrieveOutcome) -> bool:
    """Whether the archive says that it has sent what it can."""
    if outcome.status is None:
        return False
    kind = meaning_of(Service.MOVE, outcome.status).outcome
    return kind in (Outcome.SUCCESS, Outcome.WARNING)


def _tells_all(outcome: RetrieveOutcome, asked: int) -> bool:
    """Whether the archive tried each instance and says so; Orthanc gives up at the first."""
    counts = outcome.counts
    tried = (counts.completed or 0) + (counts.warning or 0) + (counts.failed or 0)
    return tried >= asked

"""What a job expects and what it holds, kept up to date with every instance that arrives.

Asked many times a second while instances come, so nothing here but `gap` looks at all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from mkiso.core.model import ExpectedInstance, FindResult, ReceivedInstance, Series
from mkiso.core.reconcile import Reconciliation, reconcile, unlisted_series
from mkiso.core.retrieval_plan import Request, covers


class Holdings:
    """The archive's list, and the instances here. Whoever shares it between threads locks it."""

    def __init__(self, found: FindResult) -> None:
        """Expect what `found` lists."""
        self.received: dict[str, ReceivedInstance] = {}
        self.size_bytes = 0
        self._answered: set[str] = set()  # series that the archive says it has sent
        self.expect(found)

    def expect(self, found: FindResult) -> None:
        """Take the archive's list as what must be here."""
        self.found = found
        self._expected = {instance.sop_instance_uid: instance for instance in found.expected}
        self._series_of = {
            study.study_instance_uid: {s.series_instance_uid for s in study.series}
            for study in found.studies
        }
        self._outstanding = self._expected.keys() - self.received.keys()
        self._unlisted_series = unlisted_series(found)
        self._in_series = Counter(  # received without being listed, by series
            instance.series_instance_uid
            for uid, instance in self.received.items()
            if uid not in self._expected
        )

    def take(self, instance: ReceivedInstance) -> None:
        """Note an instance that is here for the first time."""
        self.received[instance.sop_instance_uid] = instance
        self.size_bytes += instance.size_bytes
        self._outstanding.discard(instance.sop_instance_uid)
        if instance.sop_instance_uid not in self._expected:
            self._in_series[instance.series_instance_uid] += 1

    def take_answer(self, request: Request) -> None:
        """Note that the archive says it has sent all that a request is for."""
        self._answered.update(
            s.series_instance_uid for s in self._unlisted_series if covers(request, s)
        )

    def wants(self, study_instance_uid: str, series_instance_uid: str) -> bool:
        """Whether the job asked for it: by study, with a modality filter also by series."""
        series = self._series_of.get(study_instance_uid)
        if series is None:
            return False
        return not self.found.filtered or series_instance_uid in series

    @property
    def total(self) -> int | None:
        """How many instances must be here; None when the archive does not tell."""
        counts = [series.number_of_instances for series in self._unlisted_series]
        if None in counts:
            return None
        return len(self._expected) + sum(count or 0 for count in counts)

    @property
    def is_lacking(self) -> bool:
        """Whether something must still be asked for."""
        return bool(self._outstanding) or any(map(self._is_short, self._unlisted_series))

    @property
    def uncounted(self) -> tuple[Series, ...]:
        """Series without list and count that no request has brought yet."""
        return tuple(
            s for s in self._unlisted_series if s.number_of_instances is None and self._is_short(s)
        )

    def gap(self) -> Reconciliation:
        """Compare the list with what is here, instance by instance."""
        pairs = [(i.sop_instance_uid, i.series_instance_uid) for i in self.received.values()]
        return reconcile(self.found, pairs)

    def missing_of(self, request: Request) -> list[ExpectedInstance]:
        """Return what is missing of the instances that an IMAGE level request names."""
        return [
            self._expected[uid] for uid in request.sop_instance_uids if uid in self._outstanding
        ]

    def completion_of(self, request: Request) -> Callable[[], bool]:
        """Return what tells whether everything that a request is for is here.

        Of a series without list and count nobody can know: that is never complete.
        """
        if request.sop_instance_uids:
            named = frozenset(request.sop_instance_uids)
            return lambda: self._outstanding.isdisjoint(named)
        series = [s for study in self.found.studies for s in study.series if covers(request, s)]
        wanted = frozenset(i.sop_instance_uid for s in series for i in s.instances)
        counted = [s for s in series if not s.instances]
        if any(s.number_of_instances is None for s in counted):
            return lambda: False
        return lambda: (
            self._outstanding.isdisjoint(wanted) and not any(map(self._is_short, counted))
        )

    def _is_short(self, series: Series) -> bool:
        """Whether a series that is not listed instance by instance lacks something."""
        if series.number_of_instances is None:
            return series.series_instance_uid not in self._answered
        return self._in_series[series.series_instance_uid] < series.number_of_instances

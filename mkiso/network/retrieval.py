"""One request to the archive, followed until nothing more can come of it.

The archive's responses only say when to stop listening; what arrived is counted by the receiver.
Three things end the wait: everything is there and the associations are closed; the archive said it
failed and its associations are closed; or nothing moved for the time that is due.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mkiso.core.context import Context
from mkiso.core.dimse_status import Outcome, Service, meaning_of
from mkiso.core.display_text import counted
from mkiso.core.retrieval_plan import Request
from mkiso.errors import MkisoError, TemporaryError
from mkiso.network.background import Background
from mkiso.network.get import start_get
from mkiso.network.move import BetweenMoves, start_move
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.network.reception import Reception
from mkiso.network.retrieve_operation import RetrieveOperation
from mkiso.network.sub_operations import RetrieveOutcome

#: How often a stopped job is noticed while the archive sends; the end of a C-MOVE is at once.
_LOOK_SECONDS = 0.05
#: How soon the end of its associations is noticed.
_TICK_SECONDS = 0.01
#: How long the sub-operations' associations may stay open after all is said and stored.
_CLOSING_SECONDS = 2.0
#: How long an archive has to answer our C-CANCEL before its association is aborted.
_CANCEL_SECONDS = 2.0
#: How long an archive has to answer our A-RELEASE when there is nothing else to do.
_RELEASE_SECONDS = 0.5
#: Message IDs are 1 to 65535 (PS3.7 E.1: US).
_MESSAGE_IDS = 65535


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The waiting times of a job, in seconds."""

    stall: float
    first_instance: float
    quiet: float


@contextlib.contextmanager
def open_retrieval(
    receiver: Receiver | None,
    job: StorageJob,
    context: Context,
    tick: Callable[[], None],
    modalities: Iterable[str] = (),
) -> Iterator[Retrieval]:
    """Give the way to retrieve for this job: C-MOVE into a bound receiver, C-GET without one.

    `tick` is called while waiting and raises to end it. `modalities` tell C-GET which classes to
    offer where the archive names none. At the end all that was accepted is in the books; raises
    TemporaryError when that takes longer than the stall time.
    """
    retrieval: Retrieval
    if receiver is not None:
        retrieval = move = _MoveRetrieval(receiver, context, tick)
        receiver.start(dataclasses.replace(job, move_originator_allowed=move.is_originator))
        stop: Callable[[], object] = receiver.stop
    else:
        reception = Reception(monotonic=context.monotonic)
        background = Background(reception.fail, is_rushed=reception.is_rushed)
        retrieval = _GetRetrieval(
            job, reception, background, context=context, tick=tick, modalities=tuple(modalities)
        )
        stop = functools.partial(background.stop, _CLOSING_SECONDS)
    try:
        yield retrieval
    finally:
        stop()  # nothing more is taken
        retrieval.close()
    retrieval.require_settled()


class Retrieval(ABC):
    """A way to get instances: C-MOVE or C-GET."""

    def __init__(self, reception: Reception, context: Context, tick: Callable[[], None]) -> None:
        """Count what arrives by `reception`."""
        self.reception = reception
        self._context = context
        self._tick = tick
        self._operations: list[RetrieveOperation] = []
        self._quiet_was_waited = False
        self._waited_in_vain_at: int | None = None  # instances accepted then
        job = context.job
        stall = job.archive.stall_timeout_seconds or job.stall_timeout_seconds
        self._waiting = _Waiting(
            stall, max(stall, job.first_instance_timeout_seconds), job.quiet_period_seconds
        )

    @abstractmethod
    def _start(self, request: Request) -> RetrieveOperation:
        """Send a request."""

    def request(self, request: Request, is_complete: Callable[[], bool]) -> RetrieveOutcome:
        """Ask once and follow it to its end. Raises for faults that end the job, not for gaps.

        `is_complete` tells whether everything that the request is for has arrived.
        """
        accepted_before = self.reception.instances_accepted
        began = self._context.monotonic()
        operation = self._start(request)
        self._operations.append(operation)
        try:
            outcome = self._until_final(operation, began)
            self._until_silent(outcome, accepted_before, is_complete)
        except BaseException:
            operation.cancel()
            if operation.wait(_CANCEL_SECONDS) is None:
                operation.abort()
                operation.wait(_CANCEL_SECONDS)  # its thread may have a file open
            raise
        return outcome

    def close(self) -> None:
        """End the associations whose A-RELEASE the archive has not answered yet."""
        end = time.monotonic() + _RELEASE_SECONDS
        for operation in self._operations:
            operation.close(max(0.0, end - time.monotonic()))

    def pause(self, seconds: float) -> None:
        """Wait, while late instances may still come."""
        end = self._context.monotonic() + seconds
        while (remaining := end - self._context.monotonic()) > 0:
            self._tick()
            time.sleep(min(remaining, 10 * _TICK_SECONDS))

    def require_settled(self) -> None:
        """Wait until all that was accepted is handed over. Raises TemporaryError at the stall."""
        if not self.reception.wait_until(
            lambda: self.reception.instances_pending == 0, self._waiting.stall
        ):
            raise TemporaryError(
                f"{counted(self.reception.instances_pending, 'received instance')} could not be "
                "read again "
                f"within {self._waiting.stall:g} s: the disk is too slow or hangs; try again later."
            )

    def _until_final(self, operation: RetrieveOperation, began: float) -> RetrieveOutcome:
        """Wait for the final response; abort when nothing arrives for the time that is due."""
        while True:
            outcome = operation.wait(_LOOK_SECONDS)
            if outcome is not None:
                return outcome
            self._tick()
            if self._idle_seconds(began) > self._stall_seconds():
                self._context.log(f"no instance for {self._stall_seconds():g} s, aborted")
                stalled = RetrieveOutcome(None, operation.counts, error=self._stalled())
                operation.abort()
                outcome = operation.wait(_CANCEL_SECONDS)
                # one without a status speaks of our own abort; one with it waited for a release
                return outcome if outcome and outcome.status is not None else stalled

    def _until_silent(
        self, outcome: RetrieveOutcome, accepted_before: int, is_complete: Callable[[], bool]
    ) -> None:
        """After the final response, wait for what may still come."""
        began = self._context.monotonic()
        silence: float | None = None
        while True:
            self._tick()
            idle = self._idle_seconds(began)
            is_quiet = self.reception.is_quiet
            if is_complete():
                patience = 0.0 if is_quiet else _CLOSING_SECONDS
            elif not is_quiet:
                patience = self._long_seconds()
            else:
                if silence is None:
                    silence = self._patience(outcome, accepted_before)
                patience = silence
            if idle >= patience:
                if self.reception.instances_accepted == accepted_before and patience:
                    self._waited_in_vain_at = accepted_before
                return
            self.reception.wait_until(
                lambda: self.reception.is_quiet and is_complete(), _TICK_SECONDS
            )

    def _patience(self, outcome: RetrieveOutcome, accepted_before: int) -> float:
        """Return how long to wait, with no association open, for instances that did not come.

        An archive that claims more than arrived may send later (Orthanc with SynchronousCMove off,
        Sectra minutes after): it gets the stall time. One that failed has said all; a success
        without claims is waited for once.
        """
        if outcome.status is None or outcome.error is not None:
            return 0.0
        kind = meaning_of(Service.MOVE, outcome.status).outcome
        if kind not in (Outcome.SUCCESS, Outcome.WARNING):
            return 0.0
        claimed = (outcome.counts.completed or 0) + (outcome.counts.warning or 0)
        if claimed > self.reception.instances_accepted - accepted_before:
            return self._long_seconds()
        if kind is Outcome.WARNING or self._quiet_was_waited:
            return 0.0
        self._quiet_was_waited = True
        return self._waiting.quiet

    def _long_seconds(self) -> float:
        """Return how long an archive is waited for that may send later.

        Long, but once: one that claimed to send and brought nothing is not believed again before
        it does.
        """
        if self._waited_in_vain_at == self.reception.instances_accepted:
            return min(self._waiting.quiet, self._stall_seconds())
        return self._stall_seconds()

    def _stall_seconds(self) -> float:
        """Return the time that is due: longer before the very first instance."""
        if self.reception.instances_accepted:
            return self._waiting.stall
        return self._waiting.first_instance

    def _idle_seconds(self, began: float) -> float:
        """Return the seconds since something arrived, or since `began`."""
        return self._context.monotonic() - max(began, self.reception.last_progress)

    def _stalled(self) -> MkisoError:
        """Return the failure that a silent archive is."""
        name, seconds = self._context.job.archive.name, self._stall_seconds()
        never = "" if self.reception.associations_seen else ", and nobody connected to us"
        return TemporaryError(
            f"{name} sent nothing for {seconds:g} s{never}; try again later, or allow more with "
            "--stall-timeout."
        )


class _MoveRetrieval(Retrieval):
    """Requests by C-MOVE into our own receiver."""

    def __init__(self, receiver: Receiver, context: Context, tick: Callable[[], None]) -> None:
        super().__init__(receiver.reception, context, tick)
        self._receiver = receiver
        # not from 1: what a C-MOVE of the job before still sends must not pass for ours
        self._message_ids = itertools.count(secrets.randbelow(_MESSAGE_IDS))
        self._used_message_ids: set[int] = set()

    def is_originator(self, ae_title: str | None, message_id: int | None) -> bool:
        """Whether a C-STORE belongs to a C-MOVE of ours, as far as it says (PS3.7 9.1.1.1)."""
        job = self._context.job
        ours = (job.receiver.ae_title, job.archive.calling_ae_title or job.receiver.ae_title)
        if ae_title is not None and ae_title.strip() and ae_title.strip() not in ours:
            return False
        return message_id is None or message_id in self._used_message_ids

    def _start(self, request: Request) -> RetrieveOperation:
        job = self._context.job
        message_id = next(self._message_ids) % _MESSAGE_IDS + 1
        self._used_message_ids.add(message_id)
        return start_move(
            job.archive,
            request,
            calling_ae_title=job.archive.calling_ae_title or job.receiver.ae_title,
            destination_ae_title=job.receiver.ae_title,
            message_id=message_id,
            deadline=self._context.deadline,
            log=self._context.log,
            destination=f"{job.receiver.ae_title}, port {self._receiver.port}",
            require_running=self._context.require_time,
            between=BetweenMoves(self._context.keeper, self._is_over),
            monotonic=self._context.monotonic,
        )

    def _is_over(self) -> bool:
        """Whether the sub-operations' associations have ended, or do so at once."""
        reception = self.reception
        return reception.wait_until(lambda: reception.associations_open == 0, _LOOK_SECONDS)


class _GetRetrieval(Retrieval):
    """Requests by C-GET: the instances come over the association that asks."""

    def __init__(
        self,
        job: StorageJob,
        reception: Reception,
        background: Background,
        *,
        context: Context,
        tick: Callable[[], None],
        modalities: tuple[str, ...],
    ) -> None:
        super().__init__(reception, context, tick)
        self._storage_job = job
        self._background = background
        self._modalities = modalities

    def _patience(self, outcome: RetrieveOutcome, accepted_before: int) -> float:
        del outcome, accepted_before
        return 0.0  # the association that would bring more has ended

    def _start(self, request: Request) -> RetrieveOperation:
        job = self._context.job
        return start_get(
            job.archive,
            request,
            calling_ae_title=job.archive.calling_ae_title or job.receiver.ae_title,
            job=self._storage_job,
            reception=self.reception,
            background=self._background,
            deadline=self._context.deadline,
            log=self._context.log,
            modalities=self._modalities,
            require_running=self._context.require_time,
            monotonic=self._context.monotonic,
        )

"""Takes jobs from a queue and does them, three at a time in different stages.

While one is retrieved the one before it is written and verified, and the archive is asked what
belongs to the one after it. At most three have files on the disk: one that arrives, one that waits,
one that is being written.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mkiso.core.batch_rules import BatchPolicy, is_given_up, is_unreachable, verdict
from mkiso.core.context import Progress
from mkiso.core.job_queue import FAILED, JobQueue, QueuedJob, Verdict
from mkiso.core.report import Report
from mkiso.errors import TerminatedJobError
from mkiso.network.kept_associations import KeptAssociations
from mkiso.pipeline import JobRun, Surroundings
from mkiso.storage.workspace import remove_abandoned

#: How long the worker sleeps between two looks at the clock and at the signals.
_NAP_SECONDS = 0.2


def _silent(_sentence: str) -> None:
    """Say nothing."""


def _always_running() -> None:
    """Nobody stops this run."""


def _no_end(_tried: QueuedJob, _report: Report, _verdict: Verdict) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class World:
    """The outside of a worker: what it says, who may stop it, its clocks."""

    say: Callable[[str], None] = _silent
    progress: Callable[[Progress], None] | None = None
    require_running: Callable[[], None] = _always_running
    ended: Callable[[QueuedJob, Report, Verdict], None] = _no_end  # from any thread
    log_live: bool = False
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass(slots=True)
class Worker:
    """One run over a queue: `run` returns when nothing is left to do by itself."""

    jobs: JobQueue
    policy: BatchPolicy
    world: World
    unreachable: int = 0  # jobs in a row that did not reach the archive
    is_stopped_by_archive: bool = False
    _rest: queue.Queue[tuple[QueuedJob, JobRun] | None] = field(
        default_factory=lambda: queue.Queue(maxsize=1)
    )
    _in_hand: int = 0  # jobs that the finisher has or will have
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _failure: BaseException | None = None
    _ahead: tuple[QueuedJob, JobRun] | None = None  # looked up, or being so
    _looking: threading.Thread | None = None
    _takes_two: bool | None = None  # whether the archive takes two associations at a time
    _associations: KeptAssociations = field(default_factory=KeptAssociations)

    def run(self) -> None:
        """Do jobs until none is left, the archive is given up, or the run is stopped.

        Raises what stops the run (a signal, a ledger that fails), after what was begun has ended.
        """
        finisher = threading.Thread(target=self._finish_jobs, name="finisher")
        finisher.start()
        try:
            while self._acquire_next():
                pass
        finally:
            try:
                self._put_back()
            finally:
                self._rest.put(None)
                finisher.join()
                self._associations.close()
        if self._failure is not None:
            raise self._failure

    # --- the first halves, in the thread of the caller

    def _acquire_next(self) -> bool:
        """Do the first half of the next job, or wait for one; False when there is none any more."""
        self.world.require_running()
        if self._failure is not None or self.is_stopped_by_archive:
            return False
        chosen = self._next()
        if chosen is None:
            return self._wait()
        taken, run = chosen
        if run.acquire():
            self.note_contact(reached=True)
            with self._changed:
                self._in_hand += 1
            self._rest.put((taken, run))
            return True
        report = run.finish()
        self.note_contact(reached=not is_unreachable(report))
        self._end(taken, report)
        return True

    def _next(self) -> tuple[QueuedJob, JobRun] | None:
        """Return the job that was looked up already, or the next one that is due."""
        ahead = self._joined()
        if ahead is not None:
            self._takes_two = not ahead[1].was_turned_away
            self._associations.allow(allowed=self._takes_two)
            return ahead
        now_due = self.jobs.take(self.world.now())
        return None if now_due is None else (now_due, self._run_of(now_due))

    def _look_ahead(self) -> None:
        """Ask the archive about the next job; called when one is being retrieved."""
        if self._looking is None and self._failure is None and self._takes_two is not False:
            self._looking = threading.Thread(target=self._look, name="look-ahead")
            self._looking.start()

    def _look(self) -> None:
        try:
            taken = self.jobs.take(self.world.now())
            if taken is not None:
                run = self._run_of(taken)
                self._ahead = taken, run
                run.look_ahead()
        except BaseException as error:  # noqa: BLE001 - it ends the run, in the caller's thread
            self._failure = self._failure or error

    def _joined(self) -> tuple[QueuedJob, JobRun] | None:
        """Return what was looked up, when that is over."""
        if self._looking is not None:
            self._looking.join()
            self._looking = None
        ahead, self._ahead = self._ahead, None
        return ahead

    def _put_back(self) -> None:
        """Give back what was only looked up when the run ends early."""
        ahead = self._joined()
        if ahead is not None:
            taken, run = ahead
            run.abandon()
            self.jobs.put_back(taken.job.job_id)

    def note_contact(self, *, reached: bool) -> None:
        """Count how often in a row the archive could not be reached; too often ends the run."""
        self.unreachable = 0 if reached else self.unreachable + 1
        if self.unreachable >= self.policy.stop_after_unavailable:
            self.is_stopped_by_archive = True

    def _wait(self) -> bool:
        """Wait until a job may be due; False when none will be."""
        with self._changed:
            if self._in_hand:  # it may come back for another attempt
                self._changed.wait(_NAP_SECONDS)
                return True
        due = self.jobs.next_due()
        if due is None:
            return False
        self.world.sleep(max(0.0, min(_NAP_SECONDS, due - self.world.now())))
        return True

    def _run_of(self, taken: QueuedJob) -> JobRun:
        """Return the run of one job, in its own outside world."""
        job_id = taken.job.job_id
        names = ", ".join(taken.job.accession_numbers) or "studies"
        stage = ""

        def require_running() -> None:
            self.world.require_running()
            if self.jobs.is_cancelled(job_id):
                raise TerminatedJobError("Cancelled by `mkiso jobs cancel`; nothing was published.")

        def progress(now: Progress) -> None:
            nonlocal stage
            if now.stage != stage:
                stage = now.stage
                self.jobs.enter(job_id, stage)
                if stage == "retrieve":  # the port is ours by now
                    self._look_ahead()
            if self.world.progress is not None:
                self.world.progress(now)

        surroundings = Surroundings(
            say=lambda sentence: self.world.say(f"{names}: {sentence}"),
            progress=progress,
            require_running=require_running,
            log_live=self.world.log_live,
            now=self.world.now,
            keeper=self._associations,
            custody=dataclasses.replace(
                self.jobs.custody(job_id), check_later=bool(self._takes_two)
            ),
        )
        return JobRun(taken.job, surroundings)

    # --- the second halves, in a thread of their own

    def _finish_jobs(self) -> None:
        while (item := self._rest.get()) is not None:
            taken, run = item
            try:
                self._end(taken, run.finish())
            except BaseException as error:  # noqa: BLE001 - it ends the run, in the caller's thread
                self._failure = self._failure or error
            with self._changed:
                self._in_hand -= 1
                self._changed.notify_all()

    def _end(self, taken: QueuedJob, report: Report) -> None:
        """Decide and write down what becomes of a job."""
        decided = verdict(report, taken, self.policy, self.world.now())
        self.jobs.end(taken.job.job_id, report, decided)
        if decided.state == FAILED and is_given_up(report.code, taken.attempts, self.policy):
            remove_abandoned(taken.job.output_folder, taken.job.job_id)  # nobody goes on with it
        self.world.ended(taken, report, decided)

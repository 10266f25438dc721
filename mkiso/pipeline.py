"""The order of the stages: the only file that knows it.

Two halves, so that a queue of jobs can overlap them: `acquire` holds the port and asks the archive,
`finish` makes, verifies and publishes the discs from what arrived.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mkiso.core.conclusion import incomplete, stopped, unexpected
from mkiso.core.context import Context, Progress
from mkiso.core.custody import Custody
from mkiso.core.failure import failure_lines
from mkiso.core.job import Job
from mkiso.core.media_names import source_date_epoch
from mkiso.core.media_profiles import require_profile
from mkiso.core.model import FindResult, ReceivedInstance
from mkiso.core.patient_query import PatientStudies
from mkiso.core.report import Report
from mkiso.disc.pages import check_templates
from mkiso.errors import (
    ConfigError,
    ForwardError,
    InterruptedJobError,
    MkisoError,
    NotFoundError,
    TerminatedJobError,
)
from mkiso.network.port_lock import PortLock
from mkiso.network.receiver import Receiver
from mkiso.network.tls import require_tls, server_context
from mkiso.run_record import Knowledge, audited, record, report_of, timed, utc
from mkiso.stages import (
    author,
    convert,
    find,
    forward,
    label,
    publish,
    retrieve,
    verify,
    view,
    write,
)
from mkiso.stages import resolve as resolving
from mkiso.storage.job_log import JobLog
from mkiso.storage.ledger import Ledger
from mkiso.storage.progress_file import ProgressFile
from mkiso.storage.resuming import adopt
from mkiso.storage.state_folder import find_state_folder, log_path, progress_path
from mkiso.storage.workspace import Workspace, require_free, require_output_folder, sweep_stale


def _silent(_: object) -> None:
    """Say nothing."""


def _always_running() -> None:
    """Nobody stops this run."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The outside world of a run: whom it talks to, and how it learns that it has to stop."""

    say: Callable[[str], None] = _silent
    progress: Callable[[Progress], None] = _silent
    require_running: Callable[[], None] = _always_running
    log_live: bool = False
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    custody: Custody | None = None  # of a queue


def run(job: Job, *, surroundings: Surroundings | None = None) -> Report:
    """Do the whole job and return its report; expected failures are in its code, not raised."""
    halves = JobRun(job, surroundings or Surroundings())
    halves.acquire()
    return halves.finish()


def resolve(job: Job, given: PatientStudies, surroundings: Surroundings) -> tuple[str, ...]:
    """Return the Study Instance UIDs that a patient and a day stand for; raises what find raises.

    `job` says where and how to ask. Nothing is logged: what is asked names a patient.
    """
    nowhere = ProgressFile(None)
    context = _context(job, surroundings, JobLog(None), Knowledge(), nowhere)
    return resolving.run(given, context)


def look_up(job: Job, surroundings: Surroundings) -> tuple[FindResult, tuple[str, ...]]:
    """Return what the archive lists for a job, and the warnings; raises what find raises."""
    known = Knowledge()
    context = _context(job, surroundings, JobLog(None), known, ProgressFile(None))
    found = find.run(context)
    return found, tuple(known.warnings)


class JobRun:
    """One job in its two halves: the second may run beside the first one of another job.

    Expected failures are not raised: they are in the report.
    """

    def __init__(self, job: Job, surroundings: Surroundings) -> None:
        """Plan the run; nothing happens before `acquire`."""
        self._job, self._world = job, surroundings
        self._known = Knowledge()
        self._started = ""
        self._log = JobLog(None)
        self._news = ProgressFile(None)
        self._state_folder: Path | None = None
        self._error: MkisoError | None = None
        self._rest: Callable[[], None] | None = None

    def acquire(self) -> bool:
        """Do the first half; return whether it left something to finish."""
        self._started = utc(self._world.now())
        self._guarded(self._acquire)
        return self._rest is not None

    def finish(self) -> Report:
        """Do the second half, when there is one, and return the report of both. Call it always."""
        if self._rest is not None:
            self._guarded(self._rest)
        times = (self._started, utc(self._world.now()))
        report = report_of(self._job, self._known, self._error, self._log.path, times)
        report = audited(report, self._known, self._job, self._state_folder, self._log)
        in_queue = self._world.custody is not None
        record(report, self._job, self._state_folder, self._log, in_queue=in_queue)
        self._news.remove()
        self._log.close()
        return report

    def _guarded(self, half: Callable[[], None]) -> None:
        """Run a half; what it raises is how the job ends."""
        known = self._known
        try:
            half()
        except (InterruptedJobError, TerminatedJobError) as failure:
            self._error = stopped(failure, known.discs)
        except MkisoError as failure:
            self._error = failure
        except KeyboardInterrupt:
            signal = InterruptedJobError("Interrupted; nothing was published.")
            self._error = stopped(signal, known.discs)
        except Exception as failure:  # noqa: BLE001 - a bug is told apart and logged
            for line in failure_lines(failure):
                self._log(line)
            self._error = unexpected(failure, str(self._log.path or ""))

    def _acquire(self) -> None:
        job, known = self._job, self._known
        self._state_folder = find_state_folder(job.state_folder, job.output_folder)
        self._log = _open_log(job, self._world, self._state_folder)
        if self._state_folder:
            self._news = ProgressFile(progress_path(self._state_folder, job.job_id))
        context = _context(job, self._world, self._log, known, self._news)
        custody = self._world.custody
        _require_surroundings(context)
        with ExitStack() as stack:
            workspace = stack.enter_context(_workspace(job, custody))
            viewing = stack.enter_context(view.run(context, workspace.folder))
            acquired = acquire(context, workspace, known, viewing, custody)
            work = stack.pop_all()

        def rest() -> None:
            with work:
                finish(context, workspace, acquired, known, viewing)
            _conclude(context, acquired, known, Ledger(self._state_folder, context.warn))

        self._rest = rest


def acquire(
    context: Context,
    workspace: Workspace,
    known: Knowledge,
    viewing: view.Viewing,
    custody: Custody | None,
) -> author.Acquired:
    """Find and retrieve. The port is locked and bound before the first query, and freed at the end.

    Raises what the stages raise; IncompleteError comes from here.
    """
    job = context.job
    listeners = (known.count, *((custody.arrived,) if custody else ()), *viewing.listeners)
    with ExitStack() as stack:
        receiver = None
        if job.archive.retrieve == "move":
            receiver = _bound_receiver(context, stack)
            known.reception = receiver.reception
        viewing.start()
        with timed("find", known):
            known.found = find.run(context)
            publish.require_possible_name(known.found, context)
        kept: tuple[ReceivedInstance, ...] = ()
        if custody and workspace.is_adopted:
            kept = _kept(custody, known.found, workspace, context, listeners)
        with timed("retrieve", known):
            result = retrieve.run(
                known.found,
                context,
                receiver=receiver,
                folder=workspace.folder,
                find_again=lambda: find.run(context),
                has_grown=lambda found: find.has_grown(found, context),
                listeners=listeners,
                already=kept,
            )
    known.found = result.found
    known.received = len(result.retrieved.instances)
    known.acquired = author.Acquired(result.found, result.retrieved, _day(time.time()))
    if _is_incomplete(known.acquired) and not (job.allow_incomplete and known.received):
        raise incomplete(known.acquired.retrieved, known.found, published=False)
    if not known.received:
        raise NotFoundError(
            f"{job.archive.name} lists the studies asked for, but not a single instance in them: "
            "there is nothing to put on a disc."
        )
    return known.acquired


def _kept(
    custody: Custody,
    found: FindResult,
    workspace: Workspace,
    context: Context,
    listeners: Sequence[retrieve.Listener],
) -> tuple[ReceivedInstance, ...]:
    """Return what an earlier attempt received and the archive still lists."""
    listed = {instance.sop_instance_uid for instance in found.expected}
    every = adopt(workspace.folder, custody.kept, context.log)
    kept = tuple(instance for instance in every if instance.sop_instance_uid in listed)
    for instance in kept:
        for listener in listeners:
            listener(instance)
    return kept


def finish(
    context: Context,
    workspace: Workspace,
    acquired: author.Acquired,
    known: Knowledge,
    viewing: view.Viewing,
) -> None:
    """Make, verify and publish every disc of the job."""
    job = context.job
    acquired = known.acquired = _converted(context, workspace, acquired, known)
    with timed("author", known):
        known.plans = plans = author.run(acquired, context, viewing.collect)
        viewing.close()  # what follows needs room more than workers
        publish.require_names(plans, context)
        write.require_fit(plans, job.media_size_bytes)
    total = sum(file.size_bytes for plan in plans for file in plan.files)
    require_free(job.output_folder, total + job.minimum_free_bytes)
    verified = []
    for plan in plans:  # all are verified before the first is published
        with timed("write", known):
            image = write.run(plan, workspace.folder / f"disc{plan.number}.part", context)
        with timed("verify", known):
            verified.append(verify.run(image, plan, context))
    context.require_running()  # the last moment: from here on the discs get their names
    with timed("publish", known):
        publish.require_names(plans, context)  # again: writing took its time
        for plan, good in zip(plans, verified, strict=True):
            known.discs.append(publish.run(good, plan, context))
        label.run(known.discs, plans, context, made_on=acquired.made_on)


def _converted(
    context: Context, workspace: Workspace, acquired: author.Acquired, known: Knowledge
) -> author.Acquired:
    """Return the instances in the transfer syntaxes of the profile asked for, and their icons."""
    profile = require_profile(context.job.profile)
    if profile is not None:
        with timed("convert", known):
            instances, conversions = convert.run(
                acquired.retrieved.instances,
                profile,
                workspace.folder / "converted",
                context,
                compress=context.job.compress,
            )
        retrieved = dataclasses.replace(acquired.retrieved, instances=instances)
        acquired = dataclasses.replace(acquired, retrieved=retrieved, conversions=conversions)
    if context.job.icons:
        with timed("convert", known):
            icons = convert.make_pictures(
                acquired.retrieved.instances, workspace.folder / "icons", context
            )
        acquired = dataclasses.replace(acquired, icons=icons)
    return acquired


def _conclude(
    context: Context, acquired: author.Acquired, known: Knowledge, ledger: Ledger
) -> None:
    """Tell what there is, forward it, and raise for what is missing all the same."""
    job = context.job
    left_out = Counter(series.modality or "?" for series in acquired.found.left_out)
    if left_out:
        words = ", ".join(f"{modality} ({n} series)" for modality, n in sorted(left_out.items()))
        context.say(f"Left out by the modality filter: {words}.")
    if job.forward:
        for disc in known.discs:  # forwarding takes its time; without it the result says the same
            context.say(f"{'Exists already' if disc.existed else 'Made'}: {disc.path}")
        with timed("forward", known):
            forward.run(tuple(known.discs), context, ledger=ledger, tell=known.take_forwarded)
    if _is_incomplete(acquired):
        raise incomplete(acquired.retrieved, acquired.found, published=True)
    failed = [node for node in known.forwarded if node.failed]
    if failed:
        nodes = "; ".join(
            f"{node.node} did not take {len(node.failed)} ({node.failed[0].status.rstrip('.')})"
            for node in failed
        )
        raise ForwardError(
            f"The disc is good, but not everything was forwarded: {nodes}. "
            "Run the same command again to send the rest."
        )


def _workspace(job: Job, custody: Custody | None) -> Workspace:
    """Return the work folder of a run: in a queue's custody one that a later run can take over."""
    return Workspace(
        job.output_folder,
        job.job_id,
        resumable=custody is not None,
        keep_after=custody.keep_after if custody else frozenset(),
    )


def _require_surroundings(context: Context) -> None:
    """Test what can be tested before the archive is asked: output folder, space, templates."""
    job = context.job
    if require_output_folder(job.output_folder):
        context.say(f"Made the output folder {job.output_folder}.")
    for name in sweep_stale(job.output_folder):
        context.log(f"swept {name}, left by a run that died")
    require_free(job.output_folder, job.minimum_free_bytes)
    _require_templates(job.templates_folder, job.institution.logo)
    source_date_epoch(os.environ)
    require_tls(job)


@functools.lru_cache(maxsize=8)  # once in a batch
def _require_templates(folder: Path | None, logo: str) -> None:
    """Raise ConfigError when a page cannot be rendered."""
    problems = check_templates(folder, logo)
    if problems:
        raise ConfigError(problems[0])


def _bound_receiver(context: Context, stack: ExitStack) -> Receiver:
    """Take the port's lock and the port; both are freed with `stack`."""
    job = context.job
    lock = PortLock(job.receiver.port)
    lock.acquire(
        min(job.lock_wait_seconds, context.remaining_seconds()),
        say=context.say,
        require_running=context.require_running,
    )
    stack.callback(lock.release)
    ours, tls = job.receiver, server_context(job.receiver.tls)
    receiver = Receiver(ours.ae_title, ours.bind, ours.port, tls=tls, log=context.log)
    receiver.bind()
    stack.callback(receiver.stop)
    return receiver


def _is_incomplete(acquired: author.Acquired) -> bool:
    """Whether something is missing, or whether nobody can know that nothing is."""
    return bool(acquired.retrieved.missing_count) or not acquired.found.count_verified


def _context(
    job: Job, world: Surroundings, log: JobLog, known: Knowledge, news: ProgressFile
) -> Context:
    """Return what the stages get."""
    seconds = job.archive.deadline_seconds or job.deadline_seconds
    job = dataclasses.replace(job, deadline_seconds=seconds)

    def warn(sentence: str) -> None:
        if sentence not in known.warnings:
            known.warnings[sentence] = None
            log(f"warning: {sentence}")

    def say(sentence: str) -> None:
        log.note(sentence)  # the log knows what the person was told; -v does not say it twice
        world.say(sentence)

    def progress(now: Progress) -> None:
        news.show(now)
        world.progress(now)

    return Context(
        job=job,
        deadline=world.monotonic() + seconds,
        monotonic=world.monotonic,
        log=log,
        warn=warn,
        say=say,
        progress=progress,
        require_running=world.require_running,
    )


def _open_log(job: Job, world: Surroundings, state_folder: Path | None) -> JobLog:
    """Return the job's log, beginning with what was asked for."""
    path = log_path(state_folder, job.job_id) if state_folder else None
    log = JobLog(path, world.say if world.log_live else None)
    asked = ", ".join((*job.accession_numbers, *job.study_instance_uids))
    log(
        f"job {job.job_id}: {asked} from {job.archive.ae_title}@{job.archive.host}:"
        f"{job.archive.port} by {job.archive.retrieve} as {job.receiver.ae_title}, "
        f"port {job.receiver.port}; modalities {list(job.modalities)}"
    )
    return log


def _day(now: float) -> str:
    """Return the day that the disc says it was made on."""
    epoch = source_date_epoch(os.environ)
    moment = datetime.fromtimestamp(now if epoch is None else epoch, timezone.utc)
    return (moment if epoch is not None else moment.astimezone()).strftime("%Y-%m-%d")

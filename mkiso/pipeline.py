"""The order of the stages: the only file that knows it.

Two halves, so that a queue of jobs can overlap them: `acquire` holds the port and asks the archive,
`finish` makes, verifies and publishes the discs from what arrived.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from mkiso.core.conclusion import good_news, incomplete, stopped, unexpected
from mkiso.core.context import Context, Progress
from mkiso.core.disc_content import Disc
from mkiso.core.failure import failure_lines
from mkiso.core.job import Job
from mkiso.core.media_names import source_date_epoch
from mkiso.core.model import FileSet, FindResult, ReceivedInstance
from mkiso.core.report import ForwardReport, Report
from mkiso.core.report_parts import disc_reports, study_reports
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
from mkiso.stages import author, find, forward, publish, retrieve, verify, write
from mkiso.storage.job_log import JobLog
from mkiso.storage.ledger import Ledger
from mkiso.storage.state_folder import find_state_folder, log_path, remove_old, write_report
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


@dataclass(slots=True)
class _Knowledge:
    """What is known of a run so far: the report is made of it whatever happens."""

    warnings: dict[str, None] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    found: FindResult | None = None
    acquired: author.Acquired | None = None
    plans: tuple[FileSet, ...] = ()
    discs: list[Disc] = field(default_factory=list)
    forwarded: tuple[ForwardReport, ...] = ()
    received: int = 0

    def count(self, _instance: ReceivedInstance) -> None:
        """Count an instance as soon as it is here: a job that fails says how far it came."""
        self.received += 1

    def take_forwarded(self, reports: tuple[ForwardReport, ...]) -> None:
        """Note what the nodes took, also when a signal ended it."""
        self.forwarded = reports


def run(job: Job, *, surroundings: Surroundings | None = None) -> Report:
    """Do the whole job and return its report; expected failures are in its code, not raised."""
    world = surroundings or Surroundings()
    known = _Knowledge()
    started = _utc(world.now())
    with ExitStack() as stack:
        error: MkisoError | None = None
        log, state_folder = JobLog(None), None
        try:
            state_folder = find_state_folder(job.state_folder, job.output_folder)
            log = _open_log(job, world, state_folder)
            stack.callback(log.close)
            context = _context(job, world, log, known)
            _make(context, known, Ledger(state_folder, context.warn))
        except (InterruptedJobError, TerminatedJobError) as failure:
            error = stopped(failure, known.discs)
        except MkisoError as failure:
            error = failure
        except KeyboardInterrupt:
            error = stopped(InterruptedJobError("Interrupted; nothing was published."), known.discs)
        except Exception as failure:  # noqa: BLE001 - a bug is told apart and logged
            for line in failure_lines(failure):
                log(line)
            error = unexpected(failure, str(log.path or ""))
        report = _report(job, known, error, log.path, (started, _utc(world.now())))
        _record(report, job, state_folder, log, known)
    return report


def acquire(context: Context, workspace: Workspace, known: _Knowledge) -> author.Acquired:
    """Find and retrieve. The port is locked and bound before the first query, and freed at the end.

    Raises what the stages raise; IncompleteError comes from here.
    """
    job = context.job
    with ExitStack() as stack:
        receiver = None
        if job.archive.retrieve == "move":
            receiver = _bound_receiver(context, stack)
        with _timed("find", known):
            known.found = find.run(context)
        with _timed("retrieve", known):
            result = retrieve.run(
                known.found,
                context,
                receiver=receiver,
                folder=workspace.folder,
                find_again=lambda: find.run(context),
                has_grown=lambda found: find.has_grown(found, context),
                listeners=(known.count,),
            )
    known.found = result.found
    known.received = len(result.retrieved.instances)
    known.acquired = author.Acquired(result.found, result.retrieved, _day(time.time()))
    if _is_incomplete(known.acquired) and not (job.allow_incomplete and known.received):
        raise incomplete(known.acquired.retrieved, published=False)
    if not known.received:
        raise NotFoundError(
            f"{job.archive.name} lists the studies asked for, but not a single instance in them: "
            "there is nothing to put on a disc."
        )
    return known.acquired


def finish(
    context: Context, workspace: Workspace, acquired: author.Acquired, known: _Knowledge
) -> None:
    """Make, verify and publish every disc of the job."""
    job = context.job
    with _timed("author", known):
        known.plans = plans = author.run(acquired, context)
    total = sum(file.size_bytes for plan in plans for file in plan.files)
    require_free(job.output_folder, total + job.minimum_free_bytes)
    verified = []
    for plan in plans:  # all are verified before the first is published
        with _timed("write", known):
            image = write.run(plan, workspace.folder / f"disc{plan.number}.part", context)
        with _timed("verify", known):
            verified.append(verify.run(image, plan, context))
    context.require_running()  # the last moment: from here on the discs get their names
    with _timed("publish", known):
        for plan, good in zip(plans, verified, strict=True):
            known.discs.append(publish.run(good, plan, context))


def _make(context: Context, known: _Knowledge, ledger: Ledger) -> None:
    """Run all stages."""
    job = context.job
    _require_surroundings(context)
    with Workspace(job.output_folder, job.job_id) as workspace:
        acquired = acquire(context, workspace, known)
        finish(context, workspace, acquired, known)
    left_out = Counter(series.modality or "?" for series in acquired.found.left_out)
    if left_out:
        words = ", ".join(f"{modality} ({n} series)" for modality, n in sorted(left_out.items()))
        context.say(f"Left out by the modality filter: {words}.")
    for disc in known.discs:
        context.say(f"{'Exists already' if disc.existed else 'Made'}: {disc.path}")
    if job.forward:
        with _timed("forward", known):
            forward.run(tuple(known.discs), context, ledger=ledger, tell=known.take_forwarded)
    if _is_incomplete(acquired):
        raise incomplete(acquired.retrieved, published=True)
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


def _require_surroundings(context: Context) -> None:
    """Test what can be tested before the archive is asked: output folder, space, templates."""
    job = context.job
    if require_output_folder(job.output_folder):
        context.say(f"Made the output folder {job.output_folder}.")
    for name in sweep_stale(job.output_folder):
        context.log(f"swept {name}, left by a run that died")
    require_free(job.output_folder, job.minimum_free_bytes)
    problems = check_templates(job.templates_folder)
    if problems:
        raise ConfigError(problems[0])
    source_date_epoch(os.environ)


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
    receiver = Receiver(
        job.receiver.ae_title, job.receiver.bind, job.receiver.port, log=context.log
    )
    receiver.bind()
    stack.callback(receiver.stop)
    return receiver


def _is_incomplete(acquired: author.Acquired) -> bool:
    """Whether something is missing, or whether nobody can know that nothing is."""
    return bool(acquired.retrieved.missing_count) or not acquired.found.count_verified


def _context(job: Job, world: Surroundings, log: JobLog, known: _Knowledge) -> Context:
    """Return what the stages get."""
    seconds = job.archive.deadline_seconds or job.deadline_seconds
    job = dataclasses.replace(job, deadline_seconds=seconds)

    def warn(sentence: str) -> None:
        if sentence not in known.warnings:
            known.warnings[sentence] = None
            log(f"warning: {sentence}")

    return Context(
        job=job,
        deadline=world.monotonic() + seconds,
        monotonic=world.monotonic,
        log=log,
        warn=warn,
        say=world.say,
        progress=world.progress,
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


@contextlib.contextmanager
def _timed(stage: str, known: _Knowledge) -> Iterator[None]:
    """Add the time of a stage to the report."""
    began = time.monotonic()
    try:
        yield
    finally:
        known.seconds[stage] = known.seconds.get(stage, 0.0) + time.monotonic() - began


def _report(
    job: Job,
    known: _Knowledge,
    error: MkisoError | None,
    log: Path | None,
    times: tuple[str, str],
) -> Report:
    """Return the report of what is known."""
    found = known.found
    return Report(
        code=error.code if error else 0,
        message=error.message if error else good_news(known.discs),
        details=error.details if error else (),
        job=job.job_id,
        accessions=job.accession_numbers,
        requested_by=job.requested_by,
        log=str(log or ""),
        started=times[0],
        ended=times[1],
        seconds=known.seconds,
        warnings=tuple(known.warnings),
        received=known.received,
        not_found=found.not_found if found else (),
        discs=disc_reports(known.discs),
        forwarded=known.forwarded,
        overruled=tuple(dict.fromkeys(w for plan in known.plans for w in plan.overruled)),
        **study_reports(found, known.acquired.retrieved if known.acquired else None),
    )


def _record(
    report: Report, job: Job, state_folder: Path | None, log: JobLog, known: _Knowledge
) -> None:
    """Write the report and the ledger; neither may fail a job."""
    log(f"code {report.code}: {report.message}")
    if state_folder is None:
        return
    try:
        write_report(state_folder, job.job_id, report.to_dict())
        remove_old(state_folder)
    except OSError as error:
        log(f"the report could not be written: {error.strerror}")
    Ledger(state_folder, log).record_job(
        job.job_id,
        key=f"{job.archive.ae_title}@{job.archive.host}:{job.archive.port} "
        + " ".join((*job.accession_numbers, *job.study_instance_uids, *job.modalities)),
        accession_numbers=job.accession_numbers,
        state="failed" if report.code else "done",
        code=report.code,
        started=report.started,
        ended=report.ended,
        image_path=str(known.discs[0].path) if known.discs else "",
    )


def _day(now: float) -> str:
    """Return the day that the disc says it was made on."""
    epoch = source_date_epoch(os.environ)
    moment = datetime.fromtimestamp(now if epoch is None else epoch, timezone.utc)
    return (moment if epoch is not None else moment.astimezone()).strftime("%Y-%m-%d")


def _utc(seconds: float) -> str:
    """Return a moment as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")

"""What stands around a run: whom it talks to, its log, its work folder, what must be there."""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mkiso.core.context import Context, Progress
from mkiso.core.custody import Custody
from mkiso.core.job import Job
from mkiso.core.keeper import KEEPS_NOTHING, Keeper
from mkiso.core.media_names import source_date_epoch
from mkiso.errors import ConfigError
from mkiso.network.tls import require_tls
from mkiso.run_record import Knowledge
from mkiso.storage.job_log import JobLog
from mkiso.storage.progress_file import ProgressFile
from mkiso.storage.state_folder import log_path
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
    keeper: Keeper = KEEPS_NOTHING  # of associations, in a batch


def workspace_of(job: Job, custody: Custody | None) -> Workspace:
    """Return the work folder of a run: in a queue's custody one that a later run can take over."""
    return Workspace(
        job.output_folder,
        job.job_id,
        resumable=custody is not None,
        keep_after=custody.keep_after if custody else frozenset(),
    )


def require_surroundings(context: Context) -> None:
    """Test what takes no time: output folder, space, TLS files."""
    job = context.job
    if require_output_folder(job.output_folder):
        context.say(f"Made the output folder {job.output_folder}.")
    for name in sweep_stale(job.output_folder):
        context.log(f"swept {name}, left by a run that died")
    require_free(job.output_folder, job.minimum_free_bytes)
    source_date_epoch(os.environ)
    require_tls(job)


def has_own_templates(job: Job) -> bool:
    """Say whether a page may be broken: those that come with mkiso are not."""
    return bool(job.templates_folder or job.institution.logo)


def require_templates(job: Job) -> None:
    """Raise ConfigError when a page cannot be rendered."""
    _require_templates(job.templates_folder, job.institution.logo)


@functools.lru_cache(maxsize=8)  # once in a batch
def _require_templates(folder: Path | None, logo: str) -> None:
    from mkiso.disc.pages import check_templates  # noqa: PLC0415 - jinja2 takes its time to import

    problems = check_templates(folder, logo)
    if problems:
        raise ConfigError(problems[0])


def context_of(
    job: Job, world: Surroundings, log: JobLog, known: Knowledge, news: ProgressFile
) -> Context:
    """Return what the stages get."""
    seconds = job.archive.deadline_seconds or job.deadline_seconds
    job = dataclasses.replace(job, deadline_seconds=seconds)

    def warn(sentence: str) -> None:
        sentence = known.disguised(sentence)
        if sentence not in known.warnings:
            known.warnings[sentence] = None
            log(f"warning: {sentence}")

    def say(sentence: str) -> None:
        log.note(sentence)  # the log knows what the person was told; -v does not say it twice
        world.say(known.disguised(sentence))

    def progress(now: Progress) -> None:
        if now.note:
            now = dataclasses.replace(now, note=known.disguised(now.note))
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
        notice=known.notice,
        keeper=world.keeper,
    )


def open_log(job: Job, world: Surroundings, state_folder: Path | None, known: Knowledge) -> JobLog:
    """Return the job's log, beginning with what was asked for."""
    path = log_path(state_folder, job.job_id) if state_folder else None
    log = JobLog(path, world.say if world.log_live else None, known.disguised)
    job = known.job_told(job)
    asked = ", ".join((*job.accession_numbers, *job.study_instance_uids))
    log(
        f"job {job.job_id}: {asked} from {job.archive.ae_title}@{job.archive.host}:"
        f"{job.archive.port} by {job.archive.retrieve} as {job.receiver.ae_title}, "
        f"port {job.receiver.port}; modalities {list(job.modalities)}"
    )
    return log


def disc_day(now: float) -> str:
    """Return the day that the disc says it was made on."""
    epoch = source_date_epoch(os.environ)
    moment = datetime.fromtimestamp(now if epoch is None else epoch, timezone.utc)
    return (moment if epoch is not None else moment.astimezone()).strftime("%Y-%m-%d")

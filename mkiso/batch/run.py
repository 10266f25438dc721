"""One run over a list: its lines become jobs, the worker does them, rows say what came of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

from mkiso.batch.worker import Worker, World
from mkiso.core.batch_list import JobList, ListedJob
from mkiso.core.batch_report import MALFORMED, JobRow, counted, failure_line, row_of
from mkiso.core.batch_rules import BatchPolicy, batch_code, is_stop
from mkiso.core.job import Job
from mkiso.core.job_queue import CANCELLED, FAILED, WAITING, JobQueue
from mkiso.core.patient_query import PatientStudies
from mkiso.core.report import Report
from mkiso.errors import ConfigError, DataError, MkisoError, TemporaryError, UsageError
from mkiso.pipeline import Surroundings, resolve


@dataclass(frozen=True, slots=True)
class Batch:
    """What a run works on. `job_of` makes the job of a line, and raises when it cannot be one."""

    batch_id: str
    listed: JobList
    job_of: Callable[[ListedJob], Job]
    jobs: JobQueue
    policy: BatchPolicy
    world: World


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: the report, and a row for every line in the order of the list."""

    report: Report
    rows: tuple[JobRow, ...]


def run(batch: Batch) -> Ended:
    """Do what is not done, and say what became of every line.

    A signal and an archive that is away are in the report; what the queue raises is raised.
    """
    lines = _Lines(batch, Worker(batch.jobs, batch.policy, batch.world))
    stop: MkisoError | None = None
    try:
        lines.prepare()
    except MkisoError as error:
        stop = _require_stop(error)
    lines.add()
    try:
        if stop is None:
            lines.worker.run()
    except MkisoError as error:
        stop = _require_stop(error)
    rows = lines.ended()
    return Ended(_report(batch, rows, lines.worker, stop), rows)


def _require_stop(error: MkisoError) -> MkisoError:
    """Return the signal that an error is; raise what is none."""
    if not is_stop(error.code):
        raise error
    return error


@dataclass(slots=True)
class _Lines:
    """The lines of a list on their way to jobs."""

    batch: Batch
    worker: Worker
    rows: list[JobRow] = field(default_factory=list)  # of lines that are no jobs
    jobs: list[tuple[int, Job]] = field(default_factory=list)  # with their lines
    _line_of: dict[str, int] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make jobs of the lines, asking the archive where a line names a patient and a day."""
        faults = self.batch.listed.faults
        self.rows += [_malformed(fault.line, f"The line {fault.sentence}.") for fault in faults]
        left = list(self.batch.listed.jobs)
        try:
            while left and not self.worker.is_stopped_by_archive:
                self._prepare(left[0])
                del left[0]
        finally:
            self.rows += [
                JobRow(listed.line, WAITING, None, accessions=listed.accession_numbers)
                for listed in left
            ]

    def add(self) -> None:
        """Give the jobs to the queue."""
        queued = self.batch.jobs.add([job for _, job in self.jobs])
        for (line, _), each in zip(self.jobs, queued, strict=True):
            self._line_of.setdefault(each.job.job_id, line)

    def ended(self) -> tuple[JobRow, ...]:
        """Return what became of every line and job."""
        jobs = [
            row_of(each, self._line_of.get(each.job.job_id, 0)) for each in self.batch.jobs.all()
        ]
        return tuple(sorted((*self.rows, *jobs), key=lambda row: row.line))

    def _prepare(self, listed: ListedJob) -> None:
        try:
            job = self.batch.job_of(listed)
        except (UsageError, ConfigError, DataError) as error:
            self.rows.append(_malformed(listed.line, error.message))
            return
        if not listed.is_to_be_resolved:
            self.jobs.append((listed.line, job))
            return
        world = self.batch.world
        world.require_running()
        wanted = PatientStudies(listed.patient_id, listed.study_date, listed.accession_numbers)
        surroundings = Surroundings(say=world.say, require_running=world.require_running)
        try:
            uids = resolve(job, wanted, surroundings)
        except MkisoError as error:
            if is_stop(error.code):
                raise
            self._unresolved(listed, error)
        else:
            self.worker.note_contact(reached=True)
            self.jobs.append((listed.line, dataclasses.replace(job, study_instance_uids=uids)))

    def _unresolved(self, listed: ListedJob, error: MkisoError) -> None:
        is_away = isinstance(error, TemporaryError)
        self.worker.note_contact(reached=not is_away)
        self.rows.append(
            JobRow(
                listed.line,
                WAITING if is_away else FAILED,
                error.code,
                error.message,
                accessions=listed.accession_numbers,
                attempts=1,
                is_new=True,
            )
        )


def _malformed(line: int, sentence: str) -> JobRow:
    return JobRow(line, MALFORMED, DataError.code, sentence)


def _report(
    batch: Batch, rows: tuple[JobRow, ...], worker: Worker, stop: MkisoError | None
) -> Report:
    """Return the report of the run; its details are the lines that cron mails."""
    lines = [failure_line(row) for row in rows if row.is_failure]
    untried = sum(row.state == WAITING for row in rows)
    message, stopped_by = counted(rows), 0
    if stop is not None:
        stopped_by = stop.code
        message = f"Stopped by a signal; run the same command again to go on. {message}"
    elif worker.is_stopped_by_archive:
        stopped_by = TemporaryError.code
        message = (
            f"The archive could not be reached for {worker.unreachable} jobs in a row; "
            f"{untried} jobs are left for the next run. {message}"
        )
    if stopped_by:
        lines.append(message)
    codes = [
        row.code if row.code is not None else TemporaryError.code
        for row in rows
        if row.state != CANCELLED and (row.code is not None or stopped_by)
    ]
    return Report(
        code=batch_code(codes, stopped_by=stopped_by),
        message=message,
        command="batch",
        job=batch.batch_id,
        details=tuple(lines),
        warnings=batch.listed.notes,
        jobs=tuple(row.to_dict() for row in rows),
    )

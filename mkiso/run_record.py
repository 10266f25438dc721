"""What is known of a run, and where it is written down: report, ledger, times of the stages."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from mkiso.core.conclusion import good_news
from mkiso.core.disc_content import Disc
from mkiso.core.disguise import Disguise
from mkiso.core.job import Job
from mkiso.core.model import FileSet, FindResult, ReceivedInstance
from mkiso.core.report import ForwardReport, Report
from mkiso.core.report_parts import disc_reports, study_reports
from mkiso.errors import IncompleteError, MkisoError, NotFoundError
from mkiso.network.reception import Reception
from mkiso.second_half import audit, author
from mkiso.storage.audit_intentions import Intention
from mkiso.storage.job_log import JobLog
from mkiso.storage.ledger import Ledger
from mkiso.storage.state_folder import remove_old, write_report


@dataclass(slots=True)
class Knowledge:
    """What is known of a run so far: the report is made of it whatever happens."""

    warnings: dict[str, None] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    found: FindResult | None = None
    acquired: author.Acquired | None = None
    plans: tuple[FileSet, ...] = ()
    discs: list[Disc] = field(default_factory=list)
    forwarded: tuple[ForwardReport, ...] = ()
    received: int = 0
    reception: Reception = field(default_factory=Reception)  # of our receiver, with C-MOVE
    disguise: Disguise | None = None  # of a job that de-identifies
    state_folder: Path | None = None
    intention: Intention | None = None  # of discs that are about to get their names

    def disguised(self, sentence: str) -> str:
        """Return what may be told: with a disguise, nothing of whom the job was about."""
        return self.disguise.text(sentence) if self.disguise else sentence

    def notice(self, accession_number: str) -> None:
        """Learn an accession number that must not be told."""
        if self.disguise:
            self.disguise.notice(accession_number)

    def job_told(self, job: Job) -> Job:
        """Return the job as reports, ledgers and discs may name it."""
        return self.disguise.job(job) if self.disguise else job

    def count(self, _instance: ReceivedInstance) -> None:
        """Count an instance as soon as it is here: a job that fails says how far it came."""
        self.received += 1

    def take_forwarded(self, reports: tuple[ForwardReport, ...]) -> None:
        """Note what the nodes took, also when a signal ended it."""
        self.forwarded = reports


@contextlib.contextmanager
def timed(stage: str, known: Knowledge) -> Iterator[None]:
    """Add the time of a stage to the report."""
    began = time.monotonic()
    try:
        yield
    finally:
        known.seconds[stage] = known.seconds.get(stage, 0.0) + time.monotonic() - began


def report_of(
    job: Job,
    known: Knowledge,
    error: MkisoError | None,
    log: Path | None,
    times: tuple[str, str],
) -> Report:
    """Return the report of what is known."""
    found = known.found
    not_found = error.not_found if isinstance(error, NotFoundError) else ()
    report = Report(
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
        not_found=not_found or (found.not_found if found else ()),
        discs=disc_reports(known.discs),
        forwarded=known.forwarded,
        overruled=tuple(dict.fromkeys(w for plan in known.plans for w in plan.overruled)),
        **study_reports(found, known.acquired.retrieved if known.acquired else None),
    )
    return known.disguise.report(report) if known.disguise else report


def audited(
    report: Report, known: Knowledge, job: Job, state_folder: Path | None, log: JobLog
) -> Report:
    """Write the audit trail; return the report with what could not be written or told."""
    warnings = audit.run(report, _facts(known), job, state_folder, log)
    if known.intention is not None:
        known.intention.end()
    for sentence in warnings:
        log(f"warning: {sentence}")
    return dataclasses.replace(report, warnings=(*report.warnings, *warnings))


def announce(discs: Sequence[Disc], known: Knowledge, job: Job, log: Callable[[str], None]) -> None:
    """Write down that these discs get their names next: a run that is killed then says no more."""
    if known.state_folder is None:
        return
    report = report_of(job, known, None, None, ("", utc(time.time())))
    code = 0 if all(disc.complete for disc in discs) else IncompleteError.code
    report = dataclasses.replace(report, code=code, discs=disc_reports(discs))
    known.intention = audit.intend(report, _facts(known), job, known.state_folder, log)


def _facts(known: Knowledge) -> audit.AuditedFacts:
    retrieved = known.acquired.retrieved if known.acquired else None
    return audit.AuditedFacts(
        known.found,
        retrieved.instances if retrieved else (),
        retrieved.missing_count if retrieved else 0,
        known.plans,
        known.reception,
    )


def record(
    report: Report, job: Job, state_folder: Path | None, log: JobLog, *, in_queue: bool
) -> None:
    """Write the report and the ledger; neither may fail a job. A queue keeps its own books."""
    log.note(f"code {report.code}: {report.message}")
    if state_folder is None:
        return
    try:
        write_report(state_folder, job.job_id, report.to_dict())
        if not in_queue:
            remove_old(state_folder)
    except OSError as error:
        log(f"the report could not be written: {error.strerror}")
    if in_queue:
        return
    Ledger(state_folder, log).record_job(
        job.job_id,
        key=f"{job.archive.ae_title}@{job.archive.host}:{job.archive.port} "
        + " ".join((*job.accession_numbers, *job.study_instance_uids, *job.modalities)),
        accession_numbers=job.accession_numbers,
        state="failed" if report.code else "done",
        code=report.code,
        started=report.started,
        ended=report.ended,
        image_path=report.discs[0].path if report.discs else "",
    )


def utc(seconds: float) -> str:
    """Return a moment as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")

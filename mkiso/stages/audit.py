"""Audit: who had which disc made of whom, and what was refused, written down and told on.

A job never fails because of it: what could not be written or delivered is a warning.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from mkiso.core.audit_alerts import Stranger
from mkiso.core.audit_events import (
    AuditedDisc,
    AuditedForward,
    AuditedRun,
    audit_messages,
)
from mkiso.core.audit_intention import finished, intention
from mkiso.core.audit_line import audit_lines
from mkiso.core.audit_message import Source
from mkiso.core.audit_parts import Place
from mkiso.core.audit_transfers import TransferRun, transfer_line, transfer_messages
from mkiso.core.audited_studies import listed_studies, studies_of
from mkiso.core.failure import failure_lines
from mkiso.core.job import Job
from mkiso.core.model import FileSet, FindResult, ReceivedInstance
from mkiso.core.report import Report
from mkiso.core.store_decision import NOT_ASKED_FOR
from mkiso.core.syslog_message import syslog_message
from mkiso.disc.publication import described_disc
from mkiso.errors import MkisoError
from mkiso.network.reception import Reception
from mkiso.network.syslog import send_messages
from mkiso.storage.audit_intentions import Intention, left_intentions
from mkiso.storage.audit_trail import (
    DISC_LINES,
    TRANSFER_LINES,
    AuditQueue,
    append_lines,
    is_at_end,
)

#: So many strangers of one run are told on; the log names all.
_MOST_STRANGERS = 20
#: Messages in one connection: what arrived of it is not known when it breaks.
_BATCH = 100


@dataclass(slots=True)
class AuditedFacts:
    """What the report of a run does not hold: patients, and who was turned away."""

    found: FindResult | None = None
    instances: Sequence[ReceivedInstance] = ()
    missing: int = 0
    plans: Sequence[FileSet] = ()
    reception: Reception = field(default_factory=Reception)


def run(
    given: Report,
    facts: AuditedFacts,
    job: Job,
    state_folder: Path | None,
    log: Callable[[str], None],
) -> tuple[str, ...]:
    """Write the audit trail of a finished run; return what a person must be warned of."""
    return _guarded(lambda: _warnings(given, facts, job, state_folder), log)


def intend(
    given: Report,
    facts: AuditedFacts,
    job: Job,
    state_folder: Path,
    log: Callable[[str], None],
) -> Intention | None:
    """Bring to the disk what the trail will say of discs that are about to get their names.

    Call `end` when `run` has written it; the next run writes it of one that was killed before.
    """
    try:
        place = _here(job)
        messages: Sequence[str] = ()
        if job.audit.file is not None or job.audit.collector is not None:
            messages = audit_messages(_audited(given, facts, job), place)
        lines = audit_lines(given, job, place.user)
        return Intention(state_folder, given.job, intention(given, lines, messages))
    except Exception as error:  # noqa: BLE001 - the disc does not wait for it
        for line in failure_lines(error):
            log(line)
        return None


def write_transfers(
    given: TransferRun,
    job: Job,
    state_folder: Path | None,
    log: Callable[[str], None],
) -> tuple[str, ...]:
    """Write the audit trail of a tool's run that is over; return what to warn of."""
    return _guarded(lambda: _transfer_warnings(given, job, state_folder), log)


def _guarded(work: Callable[[], Iterable[str]], log: Callable[[str], None]) -> tuple[str, ...]:
    try:
        return tuple(work())
    except Exception as error:  # noqa: BLE001 - the disc is there, and its report must be, too
        for line in failure_lines(error):
            log(line)
        return ("The audit trail could not be written: a bug, see the log.",)


def _transfer_warnings(run: TransferRun, job: Job, state_folder: Path | None) -> Iterable[str]:
    place = _here(job)
    if state_folder is not None:
        yield from _append(state_folder / TRANSFER_LINES, [transfer_line(run, place.user)])
    if job.audit.file is not None or job.audit.collector is not None:
        messages = transfer_messages(run, place)
        yield from _publish(messages, job, place, state_folder, (run.ended, run.code))


def _warnings(
    report: Report, facts: AuditedFacts, job: Job, state_folder: Path | None
) -> Iterable[str]:
    place = _here(job)
    if state_folder is not None:
        yield from _finish_the_dead(job, place, state_folder)
        path = state_folder / DISC_LINES
        yield from _append(path, audit_lines(report, job, place.user))
    if job.audit.file is None and job.audit.collector is None:
        return
    audited = _audited(report, facts, job)
    messages = audit_messages(audited, place)
    yield from _publish(messages, job, place, state_folder, (audited.ended, audited.code))


def _finish_the_dead(job: Job, place: Place, state_folder: Path) -> Iterable[str]:
    """Write what runs that were killed after their discs had names could not write."""
    path = state_folder / DISC_LINES
    for left in left_intentions(state_folder):
        lines, messages, moment = finished(left, _is_there, lambda job: is_at_end(path, job))
        if moment:
            yield from _append(path, lines)
            yield from _publish(messages, job, place, state_folder, (moment, 0))


def _is_there(path: str, sha256: str) -> bool:
    sidecar = described_disc(Path(path))
    return sidecar is not None and sidecar.get("sha256") == sha256


def _publish(
    messages: Sequence[str],
    job: Job,
    place: Place,
    state_folder: Path | None,
    end: tuple[str, int],
) -> Iterable[str]:
    """Write messages into the file and tell the collector; `end` is moment and code of the run."""
    if job.audit.file is not None:
        yield from _append(job.audit.file, messages)
    if job.audit.collector is not None:
        ready = [_for_syslog(message, *end, place) for message in messages]
        yield from _tell(job, ready, state_folder)


def _append(path: Path, lines: Iterable[str]) -> Iterable[str]:
    try:
        append_lines(path, lines)
    except OSError as error:
        yield f"The audit trail {path} could not be written: {error.strerror}."


def _tell(job: Job, messages: Sequence[bytes], state_folder: Path | None) -> Iterable[str]:
    """Queue the messages, then deliver all that wait, oldest first."""
    if state_folder is None:
        yield from _deliver_at_once(job, messages)
        return
    queue = AuditQueue(state_folder)
    try:
        for message in messages:
            queue.add(message)
    except OSError as error:
        yield f"Audit messages could not be queued in {queue.folder}: {error.strerror}."
        yield from _deliver_at_once(job, messages)
        return
    with queue.turn() as is_ours:
        if is_ours:
            yield from _deliver(job, queue)


def _deliver(job: Job, queue: AuditQueue) -> Iterable[str]:
    waiting = queue.waiting()
    while waiting:
        batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
        try:
            _send(job, (path.read_bytes() for path in batch))
        except (MkisoError, OSError) as error:
            words = error.message if isinstance(error, MkisoError) else f"{error.strerror}."
            yield (
                f"Audit messages that wait in {queue.folder} for the collector: "
                f"{len(batch) + len(waiting)}; the next run tries again. {words}"
            )
            return
        queue.remove(batch)


def _deliver_at_once(job: Job, messages: Sequence[bytes]) -> Iterable[str]:
    """Deliver without a queue: there is no state folder, or it is full."""
    try:
        _send(job, messages)
    except MkisoError as error:
        yield f"Audit messages are lost: {error.message}"


def _send(job: Job, messages: Iterable[bytes]) -> None:
    collector, audit = job.audit.collector, job.audit
    if collector is not None:
        send_messages(collector, audit.tls, messages, timeout_seconds=audit.timeout_seconds)


def _here(job: Job) -> Place:
    host = socket.gethostname()
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user without a name
        user = str(os.geteuid())
    return Place(Source(job.audit.source_id or host, job.audit.site), str(os.getpid()), host, user)


def _for_syslog(message: str, moment: str, code: int, place: Place) -> bytes:
    return syslog_message(
        message,
        moment=moment,
        host=place.host,
        process_id=place.process_id,
        is_failure=code != 0,
    )


def _audited(report: Report, facts: AuditedFacts, job: Job) -> AuditedRun:
    discs = zip(report.discs, facts.plans, strict=False)
    forward_seconds = timedelta(seconds=report.seconds.get("forward", 0.0))
    began = datetime.fromisoformat(report.ended) - forward_seconds
    nodes = {node.name: node for node in job.forward}
    listed = facts.found.studies if facts.found else ()
    numbers = {study.study_instance_uid: study.accession_number for study in listed}
    return AuditedRun(
        job_id=report.job,
        code=report.code,
        message=report.message,
        requested_by=report.requested_by,
        accession_numbers=report.accessions,
        archive=job.archive,
        our_ae_title=job.receiver.ae_title,
        received=studies_of(facts.instances, numbers) or listed_studies(facts.found),
        has_received=bool(facts.instances) or report.received > 0,
        is_complete=bool(facts.instances) and not facts.missing,
        discs=tuple(
            AuditedDisc(
                disc.path,
                disc.volume_id,
                disc.sha256,
                studies_of([item.instance for item in plan.instances], numbers),
            )
            for disc, plan in discs
        ),
        forwarded=tuple(
            AuditedForward(nodes[each.node], each.sent, len(each.failed))
            for each in report.forwarded
            if each.node in nodes
        ),
        forward_began=began.isoformat(timespec="milliseconds"),
        ended=report.ended,
        overruled=report.overruled,
        strangers=tuple(strangers_of(facts.reception)[:_MOST_STRANGERS]),
    )


def strangers_of(reception: Reception) -> list[Stranger]:
    """Return whom a receiver has turned away so far, and whose instances it has refused."""
    found = [
        Stranger(
            attempt.peer_address,
            f"{attempt.calling_ae_title or 'a connection'} for {attempt.called_ae_title or 'us'} "
            "was turned away",
        )
        for attempt in reception.foreign_attempts
    ]
    found += [
        Stranger(sentence.partition(": ")[0], sentence) for sentence in reception.tls_failures
    ]
    refused = {
        (r.peer_address, r.study_instance_uid): f"{r.calling_ae_title} sent an instance of study "
        f"{r.study_instance_uid or '?'}: {r.reason}"
        for r in reception.refusals
        if r.status == NOT_ASKED_FOR
    }
    return found + [Stranger(address, reason) for (address, _), reason in refused.items()]

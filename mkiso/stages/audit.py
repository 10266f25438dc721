"""Audit: who had which disc made of whom, and what was refused, written down and told on.

A job never fails because of it: what could not be written or delivered is a warning.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from mkiso.core.audit_events import (
    AuditedDisc,
    AuditedForward,
    AuditedRun,
    AuditedStudy,
    Place,
    Stranger,
    audit_messages,
)
from mkiso.core.audit_line import audit_lines
from mkiso.core.audit_message import Source
from mkiso.core.failure import failure_lines
from mkiso.core.identity import patient_identity
from mkiso.core.job import Job
from mkiso.core.model import FileSet, FindResult, ReceivedInstance
from mkiso.core.report import Report
from mkiso.core.store_decision import NOT_ASKED_FOR
from mkiso.core.syslog_message import syslog_message
from mkiso.errors import MkisoError
from mkiso.network.reception import Reception
from mkiso.network.syslog import send_messages
from mkiso.storage.audit_trail import DISC_LINES, AuditQueue, append_lines

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
    try:
        return tuple(_warnings(given, facts, job, state_folder))
    except Exception as error:  # noqa: BLE001 - the disc is there, and its report must be, too
        for line in failure_lines(error):
            log(line)
        return ("The audit trail could not be written: a bug, see the log.",)


def _warnings(
    report: Report, facts: AuditedFacts, job: Job, state_folder: Path | None
) -> Iterable[str]:
    place = _here(job)
    if state_folder is not None:
        path = state_folder / DISC_LINES
        yield from _append(path, audit_lines(report, job, place.user))
    if job.audit.file is None and job.audit.collector is None:
        return
    audited = _audited(report, facts, job)
    messages = audit_messages(audited, place)
    if job.audit.file is not None:
        yield from _append(job.audit.file, messages)
    if job.audit.collector is not None:
        ready = [_for_syslog(message, audited, place) for message in messages]
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


def _for_syslog(message: str, audited: AuditedRun, place: Place) -> bytes:
    return syslog_message(
        message,
        moment=audited.ended,
        host=place.host,
        process_id=place.process_id,
        is_failure=audited.code != 0,
    )


def _audited(report: Report, facts: AuditedFacts, job: Job) -> AuditedRun:
    discs = zip(report.discs, facts.plans, strict=False)
    forward_seconds = timedelta(seconds=report.seconds.get("forward", 0.0))
    began = datetime.fromisoformat(report.ended) - forward_seconds
    nodes = {node.name: node for node in job.forward}
    return AuditedRun(
        job_id=report.job,
        code=report.code,
        message=report.message,
        requested_by=report.requested_by,
        accession_numbers=report.accessions,
        archive=job.archive,
        our_ae_title=job.receiver.ae_title,
        received=_studies(facts.instances, facts.found) or _listed(facts.found),
        has_received=bool(facts.instances) or report.received > 0,
        is_complete=bool(facts.instances) and not facts.missing,
        discs=tuple(
            AuditedDisc(
                disc.path,
                disc.volume_id,
                disc.sha256,
                _studies([item.instance for item in plan.instances], facts.found),
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
        strangers=tuple(_strangers(facts.reception)[:_MOST_STRANGERS]),
    )


def _studies(
    instances: Sequence[ReceivedInstance], found: FindResult | None
) -> tuple[AuditedStudy, ...]:
    """Return the studies of instances, with the patient that their own data sets state."""
    classes: dict[str, Counter[str]] = {}
    first: dict[str, ReceivedInstance] = {}
    for instance in instances:
        uid = instance.study_instance_uid
        first.setdefault(uid, instance)
        classes.setdefault(uid, Counter())[instance.sop_class_uid] += 1
    numbers = {s.study_instance_uid: s.accession_number for s in found.studies} if found else {}
    studies = []
    for uid, counts in classes.items():
        patient = patient_identity(first[uid].header)
        studies.append(
            AuditedStudy(
                uid,
                numbers.get(uid, ""),
                patient.patient_id,
                patient.issuer,
                tuple(sorted(counts.items())),
            )
        )
    return tuple(studies)


def _listed(found: FindResult | None) -> tuple[AuditedStudy, ...]:
    """Return the studies that the archive lists, when nothing of them is here."""
    return tuple(
        AuditedStudy(
            study.study_instance_uid,
            study.accession_number,
            study.patient_id,
            study.issuer_of_patient_id,
        )
        for study in (found.studies if found else ())
    )


def _strangers(reception: Reception) -> list[Stranger]:
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

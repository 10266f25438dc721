"""move_test: does the archive's move destination lead back to us? One small instance shows it.

No archive answers that question otherwise. The instance goes into a folder that is removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mkiso.core.accessions import printable
from mkiso.core.answer import Answer, bad, good
from mkiso.core.job import Job
from mkiso.core.model import ExpectedInstance, Series
from mkiso.core.query import (
    image_query,
    matching_instance,
    matching_series,
    matching_study,
    series_query,
    study_query,
)
from mkiso.core.registration import registration_lines
from mkiso.core.retrieval_plan import Request
from mkiso.errors import ConfigError, MkisoError, NotFoundError, ProtocolError, TemporaryError
from mkiso.network.find import FindSession
from mkiso.network.move import start_move
from mkiso.network.our_addresses import receiver_addresses
from mkiso.network.port_lock import PortLock
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.network.senders import calling_ae_title_allowed, peer_allowed
from mkiso.network.sub_operations import RetrieveOutcome
from mkiso.network.tls import server_context
from mkiso.storage.instances import InstanceStore
from mkiso.storage.workspace import private_folder

_QUESTION = "move-destination"
_MOST_ANSWERS = 10_000
#: How long one instance may take, and what may follow the archive's last word.
_WAIT_SECONDS = 120.0
_AFTER_SECONDS = 10.0
_RELEASE_SECONDS = 1.0


@dataclass(slots=True)
class _Senders:
    """Who connected: everybody may, for the test, since that is what it is to find out."""

    addresses: dict[str, None] = field(default_factory=dict)
    ae_titles: dict[str, None] = field(default_factory=dict)

    def note_address(self, address: str) -> bool:
        self.addresses[address] = None
        return True

    def note_ae_title(self, ae_title: str) -> bool:
        self.ae_titles[ae_title] = None
        return True


def run(job: Job, accession_number: str, log: Callable[[str], None]) -> Answer:
    """Move the first instance of the smallest series of an accession number; say what came back."""
    try:
        instance = find_small_instance(job, accession_number, log)
        lock = PortLock(job.receiver.port)
        lock.acquire(min(job.lock_wait_seconds, 30.0))
        try:
            return _move_one(job, instance, log)
        finally:
            lock.release()
    except MkisoError as error:
        return bad(_QUESTION, error)


def find_small_instance(
    job: Job, accession_number: str, log: Callable[[str], None]
) -> ExpectedInstance:
    """Return one instance of the smallest series of the first study. Raises NotFoundError."""
    calling = job.archive.calling_ae_title or job.receiver.ae_title
    session = FindSession(job.archive, calling_ae_title=calling, log=log)
    query = study_query(accession_number=accession_number)
    try:
        studies = session.find(
            query, lambda a: matching_study(a, query), most_answers=_MOST_ANSWERS
        ).matches
        if not studies:
            raise NotFoundError(
                f"{job.archive.name} has no study with the accession number "
                f"{printable(accession_number)}; give one that it has."
            )
        study_uid = studies[0].study_instance_uid
        found = session.find(
            series_query(study_uid),
            lambda a: matching_series(a, study_uid),
            most_answers=_MOST_ANSWERS,
        ).matches
        for series in sorted(found, key=_size):
            instances = session.find(
                image_query(study_uid, series.series_instance_uid),
                lambda a, series=series: matching_instance(a, series),  # type: ignore[misc]
                most_answers=_MOST_ANSWERS,
            ).matches
            if instances:
                return instances[0]
    finally:
        session.abort()
    raise ProtocolError(f"{job.archive.name} names no instance of that study.")


def _size(series: Series) -> int:
    return series.number_of_instances or _MOST_ANSWERS


def _move_one(job: Job, instance: ExpectedInstance, log: Callable[[str], None]) -> Answer:
    """Receive one instance into a folder that is thrown away."""
    ours, senders = job.receiver, _Senders()
    with private_folder("move-test") as folder:
        store = InstanceStore(folder)
        tls = server_context(ours.tls)
        receiver = Receiver(ours.ae_title, ours.bind, ours.port, tls=tls, log=log)
        with receiver:
            receiver.start(
                StorageJob(
                    peer_allowed=senders.note_address,
                    calling_ae_title_allowed=senders.note_ae_title,
                    move_originator_allowed=lambda _title, _message_id: True,
                    begin=store.begin,
                    wanted=lambda study, _series: study == instance.study_instance_uid,
                    stored=lambda writer: store.settle(writer) is not None,  # type: ignore[arg-type]
                )
            )
            outcome = _follow(job, instance, receiver, log)
        if receiver.reception.instances_stored:
            return _came_back(job, senders)
        seen = receiver.reception
    if seen.tls_failures:
        sentences = " ".join(seen.tls_failures)
        return bad(_QUESTION, ConfigError(f"Nothing came back: no TLS with {sentences}"))
    called = {a.called_ae_title for a in seen.foreign_attempts}
    return _did_not(job, senders, outcome, called - {"", ours.ae_title})


def _follow(
    job: Job, instance: ExpectedInstance, receiver: Receiver, log: Callable[[str], None]
) -> RetrieveOutcome:
    """Ask for the instance at IMAGE level and wait until it is here or cannot come any more."""
    classes = (instance.sop_class_uid,) if instance.sop_class_uid else ()
    move = start_move(
        job.archive,
        Request(
            instance.study_instance_uid,
            instance.series_instance_uid,
            (instance.sop_instance_uid,),
            classes,
        ),
        calling_ae_title=job.archive.calling_ae_title or job.receiver.ae_title,
        destination_ae_title=job.receiver.ae_title,
        message_id=1,
        deadline=time.monotonic() + _WAIT_SECONDS,
        log=log,
    )
    outcome = move.wait(_WAIT_SECONDS + 1)
    move.close(_RELEASE_SECONDS)
    outcome = outcome or RetrieveOutcome(None)
    seen = receiver.reception
    if outcome.error is None or seen.associations_seen:
        seen.wait_until(lambda: bool(seen.instances_stored), _AFTER_SECONDS)
    return outcome


def _came_back(job: Job, senders: _Senders) -> Answer:
    addresses, titles = ", ".join(senders.addresses), ", ".join(senders.ae_titles)
    sentence = (
        f"The move destination leads back to us: an instance came from {addresses} "
        f"with the AE title {titles}."
    )
    addresses_pass = all(map(peer_allowed(job.archive), senders.addresses))
    titles_pass = all(map(calling_ae_title_allowed(job.archive), senders.ae_titles))
    lines = [] if addresses_pass else [f"send_from = {_toml(senders.addresses)}"]
    lines += [] if titles_pass else [f"send_as = {_toml(senders.ae_titles)}"]
    if not lines:
        return good(_QUESTION, sentence)
    table = f"[nodes.{job.archive.name}]" if "@" not in job.archive.name else "the node's table"
    error = ConfigError(
        f"{sentence} It may not send to us yet: add to {table} of the configuration:",
        details=tuple(lines),
    )
    return bad(_QUESTION, error)


def _did_not(job: Job, senders: _Senders, outcome: RetrieveOutcome, called: set[str]) -> Answer:
    """Say why nothing came back, as far as that can be known, and how to register us."""
    ours = job.receiver
    lines = registration_lines(ours, receiver_addresses(ours, job.archive))
    if called:
        error: MkisoError = ConfigError(
            f"{job.archive.name} connected and called us {', '.join(sorted(called))}, which is not "
            f"{ours.ae_title}: correct the registration there, or --receiver here.",
            details=lines,
        )
    elif senders.ae_titles:
        error = TemporaryError(
            f"{job.archive.name} connected from {', '.join(senders.addresses)} but sent no "
            "instance that could be kept; the log (-v) has the reason."
        )
    else:
        status = "" if outcome.status is None else f", status {outcome.status:04X}H"
        error = ConfigError(
            f"Nothing came back{status}, nobody connected to port {ours.port}: "
            f"{job.archive.name} does not know {ours.ae_title}, or has another address for it, or "
            "a firewall is between.",
            details=lines,
        )
    return bad(_QUESTION, error)


def _toml(words: dict[str, None]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"

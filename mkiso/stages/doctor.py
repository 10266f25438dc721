"""doctor: everything that a disc needs, asked one by one and answered in a sentence each."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.answer import Answer, bad, doubtful, good
from mkiso.core.display_text import size_text
from mkiso.core.job import Job, Node, Tls
from mkiso.core.query import matching_study, study_query
from mkiso.disc.pages import check_templates
from mkiso.errors import CantCreateError, ConfigError, DiskError, MkisoError, TemporaryError
from mkiso.network.echo import echo
from mkiso.network.find import FindSession
from mkiso.network.our_addresses import receiver_addresses
from mkiso.network.port_lock import PortLock
from mkiso.network.receiver import Receiver
from mkiso.network.tls import require_tls, require_valid, server_context
from mkiso.network.transport import AssociationLostError, AssociationRejectedError
from mkiso.storage.state_folder import find_state_folder
from mkiso.storage.workspace import free_bytes, require_output_folder

#: A study that nobody has: asking for it shows that the archive answers us, and shows no patient.
_NOBODYS_STUDY = "2.25.0"
#: What must be well before anything can be moved.
LINE_QUESTIONS = ("echo", "find", "port")
#: Below this, the next large disc may not fit.
_SCARCE_BYTES = 5_000_000_000
#: A certificate that ends so soon should be renewed now.
_SOON_DAYS = 30
#: Decoders for nodes that take no compressed images, by what they decode.
_DECODERS = {
    "JPEG": "gdcm",
    "JPEG 2000": "openjpeg",
    "JPEG-LS": "jpeg_ls",
    "RLE": "rle",
}


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined: the settings of a job, and the file they come from."""

    job: Job
    config_file: Path | None
    log: Callable[[str], None]


def run(patient: Patient) -> tuple[Answer, ...]:
    """Ask every question; nothing is raised for what is wrong, and no instance is moved."""
    job = patient.job
    return (
        check_configuration(patient),
        *check_tls(job),
        *check_archive(patient),
        check_port(job),
        check_addresses(job),
        check_output(job),
        check_space(job),
        check_state(job),
        check_pages(job),
        check_decoders(),
        *(check_echo(node, calling_ae_title(node, job)) for node in job.forward),
    )


def calling_ae_title(node: Node, job: Job) -> str:
    """Return the AE title that we have towards a node."""
    return node.calling_ae_title or job.receiver.ae_title


def check_configuration(patient: Patient) -> Answer:
    """Say which file holds, and what the two ends of the line are."""
    archive, ours = patient.job.archive, patient.job.receiver
    file = str(patient.config_file) if patient.config_file else "none, the defaults hold"
    address = f"{archive.ae_title}@{archive.host}:{archive.port}"
    name = "" if archive.name == address else f" ({archive.name})"
    return good(
        "configuration",
        f"Configuration file: {file}. Archive {address}{name} by C-{archive.retrieve.upper()}; "
        f"ourselves {ours.ae_title}, port {ours.port}.",
    )


def check_echo(node: Node, calling: str, *, is_archive: bool = False) -> Answer:
    """Ask whether a node is there and accepts an association from us."""
    question = "echo" if is_archive else f"echo.{node.name}"
    began = time.monotonic()
    try:
        echo(node, calling_ae_title=calling)
    except AssociationRejectedError as error:
        return bad(
            question,
            error,
            f"Register the AE title {calling} there, or correct the AE title {node.ae_title} here.",
        )
    except MkisoError as error:
        return bad(question, error)
    milliseconds = (time.monotonic() - began) * 1000
    return good(question, f"{node.name} answers C-ECHO from {calling} in {milliseconds:.0f} ms.")


def check_archive(patient: Patient) -> tuple[Answer, ...]:
    """Ask whether the archive is there, knows us, and answers a C-FIND."""
    archive = patient.job.archive
    calling = calling_ae_title(archive, patient.job)
    answer = check_echo(archive, calling, is_archive=True)
    if answer.code:
        return (answer,)
    return answer, check_find(archive, calling, patient.log)


def check_find(archive: Node, calling: str, log: Callable[[str], None]) -> Answer:
    """Ask the archive for a study that nobody has."""
    query = study_query(study_instance_uid=_NOBODYS_STUDY)
    session = FindSession(archive, calling_ae_title=calling, log=log)
    try:
        session.find(query, lambda a: matching_study(a, query), most_answers=1)
        session.close()
    except AssociationLostError as error:  # Orthanc drops who is not among its modalities
        stranger = ConfigError(f"{error.message} It took a C-ECHO, so it is there.")
        return bad("find", stranger, f"Register {calling} and allow it to query there.")
    except MkisoError as error:
        return bad("find", error, f"Allow {calling} to query there.")
    finally:
        session.abort()
    return good("find", f"{archive.name} answers C-FIND from {calling}.")


def check_tls(job: Job) -> tuple[Answer, ...]:
    """Say for each certificate of ours how long it holds; nothing where no line is encrypted."""
    lines = (job.receiver.tls, job.archive.tls, *(node.tls for node in job.forward))
    if not any(lines):
        return ()
    try:
        require_tls(job)
        own = dict.fromkeys(tls for tls in lines if tls is not None and tls.certificate)
        days = {tls: require_valid(tls, time.time()) / 86400 for tls in own}
    except MkisoError as error:
        return (bad("tls", error),)
    answers = tuple(_certificate_answer(tls, left) for tls, left in days.items())
    return answers or (good("tls", "The authorities of TLS can be read; we show no certificate."),)


def _certificate_answer(tls: Tls, days: float) -> Answer:
    sentence = f"The certificate {tls.certificate} is valid for {days:.0f} more days."
    key = Path(tls.key or tls.certificate)
    if key.stat().st_mode & 0o077:
        return doubtful("tls", f"{sentence} Its key {key} is open to other users: chmod 600.")
    return (doubtful if days < _SOON_DAYS else good)("tls", sentence)


def check_port(job: Job) -> Answer:
    """Try to take our port, as a run would."""
    if job.archive.retrieve == "get":
        return good("port", f"{job.archive.name} is asked by C-GET: no port is needed.")
    ours, lock = job.receiver, PortLock(job.receiver.port)
    try:
        lock.acquire(0.0)
    except TemporaryError:
        return doubtful("port", f"Another run of mkiso has port {ours.port}; a new one waits.")
    except MkisoError as error:
        return bad("port", error)
    try:
        with Receiver(ours.ae_title, ours.bind, ours.port, tls=server_context(ours.tls)):
            return good("port", f"Our port {ours.port} is free.")
    except MkisoError as error:
        return bad("port", error)
    finally:
        lock.release()


def check_addresses(job: Job) -> Answer:
    """Name the addresses that the archive may need for us."""
    addresses = receiver_addresses(job.receiver, job.archive)
    if job.archive.retrieve == "get" or not addresses:
        return good("addresses", f"Addresses of ours: {', '.join(addresses) or 'unknown'}.")
    return good(
        "addresses",
        f"The archive must have {job.receiver.ae_title} registered at one of these addresses: "
        f"{', '.join(addresses)}, port {job.receiver.port}.",
    )


def check_output(job: Job) -> Answer:
    """Write into the output folder; one that is missing is not made."""
    folder = job.output_folder.absolute()
    try:
        if folder.exists():
            require_output_folder(folder)
            return good("output", f"The output folder {folder} is writable.")
        require_output_folder(folder.parent)
    except MkisoError as error:
        return bad("output", error)
    return good("output", f"The output folder {folder} is missing; the first run makes it.")


def check_space(job: Job) -> Answer:
    """Say how much room the output folder has."""
    folder = job.output_folder.absolute()
    try:
        free = free_bytes(folder if folder.exists() else folder.parent)
    except OSError as error:
        return bad("space", CantCreateError(f"{folder} cannot be looked at: {error.strerror}."))
    sentence = f"{size_text(free)} are free in {folder}."
    if free < job.minimum_free_bytes:
        kept = size_text(job.minimum_free_bytes)
        return bad("space", DiskError(f"{sentence} {kept} must stay free: make room."))
    if free < _SCARCE_BYTES:
        return doubtful("space", f"{sentence} A disc needs twice its size while it is made.")
    return good("space", sentence)


def check_state(job: Job) -> Answer:
    """Say where logs, reports and the ledger go."""
    try:
        folder = find_state_folder(job.state_folder, job.output_folder)
    except ConfigError as error:
        return bad("state", error)
    if folder is None:
        return doubtful("state", "No state folder is writable: no logs and no ledger are kept.")
    return good("state", f"Logs, reports and the ledger are in {folder}.")


def check_pages(job: Job) -> Answer:
    """Render every page of a disc with a sample."""
    problems = check_templates(job.templates_folder, job.institution.logo)
    if problems:
        return bad("templates", ConfigError(problems[0], details=problems[1:]))
    own = f", those in {job.templates_folder} first" if job.templates_folder else ""
    return good("templates", f"All templates render{own}.")


def check_decoders() -> Answer:
    """Say which decoders are installed: only forwarding to nodes without compression needs them."""
    missing = [what for what, name in _DECODERS.items() if importlib.util.find_spec(name) is None]
    if missing:
        return doubtful(
            "decoders",
            f"No decoder for {', '.join(missing)}: such images cannot be forwarded to a node that "
            "takes only uncompressed ones; pip install 'mkiso[codecs]'. Discs do not need it.",
        )
    return good("decoders", f"Decoders for {', '.join(_DECODERS)} are installed.")

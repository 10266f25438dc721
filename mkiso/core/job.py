"""One job: what is asked for, of whom, and how; every option resolved, nothing left to look up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """DICOM TLS on one line: paths of PEM files; "" means what the comment says."""

    ca_file: str = ""  # who signs the other side's certificates; "": the system's authorities
    certificate: str = ""  # our own, with its chain; "": we show none
    key: str = ""  # "": it is in the file of the certificate
    verify_host: bool = True  # whether the certificate must name the host that we connect to
    names: tuple[str, ...] = ()  # of which a sender's certificate must have one; (): any


@dataclass(frozen=True, slots=True)
class Node:
    """A remote application entity with its time-outs (seconds) and its quirks."""

    name: str  # as configured, or the AET@HOST:PORT given by hand
    ae_title: str
    host: str
    port: int
    calling_ae_title: str = ""  # "": the receiver's AE title
    retrieve: str = "move"  # "move" or "get"
    send_from: tuple[str, ...] = ()  # addresses that may send to us; (): the resolved address
    send_as: tuple[str, ...] = ()  # AE titles that may send to us; (): its AE title
    connect_timeout_seconds: float = 10.0
    find_timeout_seconds: float = 60.0  # between two C-FIND answers
    stall_timeout_seconds: float | None = None  # None: the job's
    deadline_seconds: float | None = None  # None: the job's
    maximum_length: int = 131072  # PDU length we accept from it
    retries: int = 2
    forward_associations: int = 1
    tls: Tls | None = None  # None: not encrypted


@dataclass(frozen=True, slots=True)
class ReceiverAddress:
    """Our own storage SCP: `AET@[BIND:]PORT`. An empty `bind` is all addresses."""

    ae_title: str = "CDRECORD"
    port: int = 10104
    bind: str = ""
    tls: Tls | None = None  # with a `ca_file`, senders must show a certificate


@dataclass(frozen=True, slots=True)
class Institution:
    """Who makes the discs; shown on README.TXT and INDEX.HTM."""

    name: str = ""
    contact: str = ""
    privacy_notice: str = ""
    address: str = ""
    logo: str = ""  # a picture file for INDEX.HTM


@dataclass(frozen=True, slots=True)
class Collector:
    """A syslog collector."""

    host: str
    port: int
    is_tls: bool


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit trail (PS3.15 A.5). Without file and collector no audit messages are made."""

    file: Path | None = None
    collector: Collector | None = None
    tls: Tls = Tls()
    timeout_seconds: float = 5.0  # for one attempt to reach the collector
    source_id: str = ""  # "": the name of this machine
    site: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """What one run has to do. Times in seconds, sizes in bytes."""

    job_id: str
    accession_numbers: tuple[str, ...]
    archive: Node
    receiver: ReceiverAddress = ReceiverAddress()
    study_instance_uids: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    output_folder: Path = Path()
    name: str = ""
    replace: bool = False
    forward: tuple[Node, ...] = ()
    allow_incomplete: bool = False
    skip_not_found: bool = False
    per_patient: bool = False
    same_patient: bool = False
    max_instances: int = 50_000
    max_instance_bytes: int = 64 << 30
    max_bytes: int | None = None  # of all instances; None: what the disk has room for
    stall_timeout_seconds: float = 300.0
    first_instance_timeout_seconds: float = 600.0
    quiet_period_seconds: float = 10.0
    deadline_seconds: float = 4 * 3600.0
    lock_wait_seconds: float = 600.0
    minimum_free_bytes: int = 256 * 1024 * 1024
    requested_by: str = ""
    institution: Institution = Institution()
    templates_folder: Path | None = None  # the site's own templates, looked at first
    viewer: str = "auto"  # "full", "preview", "none", or "auto": what fits the medium
    media_size_bytes: int | None = None  # of the medium; None: the smallest disc that holds it
    medium: str = ""  # a name of core.media; what it holds is in media_size_bytes
    split: bool = True  # False: what does not fit one medium is refused
    profile: str = "as-received"  # a name of core.media_profiles
    compress: bool = False  # images without loss, where the profile has a syntax for it
    icons: bool = False  # in DICOMDIR
    deliver_as: str = "iso"  # "zip", "folder"
    encrypt: str = ""  # file of a pass phrase, or fd:N; "": not encrypted
    label: str = ""  # "svg", "pdf" or "": no label
    robot: str = ""  # "primera", "epson" or "": no job for one
    copies: int = 1  # for the robot
    robot_folder: str = ""  # what its computer calls the output folder; "": as here
    robot_label: str = ""  # its design of the label, a file there; "": nothing is printed
    image_mode: int = 0o640
    state_folder: Path | None = None
    audit: Audit = Audit()
    deidentify: str = ""  # a profile of core.deidentification_rules; "": identities stay
    deidentify_key: str = ""  # file of the key; "": a new one that nobody has
    pseudonyms: str = ""  # list of PatientIDs and what they become; "": by the key
    burned_in: str = "refuse"  # what may show a patient: "leave-out", "keep"
    blank_regions: str = ""  # list of rectangles to blank

"""The typed configuration: the tables that people write, and layers of them over each other.

Every value is None where nothing was written; the defaults are those of `core/job.py`. A layer is
one source (file, environment, options): `core/config_layer.py` checks it, `overlay` joins two,
`core/settings.py` makes the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=30 * 86400)]  # a socket takes no infinite time-out
Count = Annotated[int, Meta(ge=0, le=100)]
Flag = bool
Words = tuple[str, ...]


class NodeTable(Struct, frozen=True, kw_only=True):
    """`[nodes.NAME]`: a remote application entity."""

    ae_title: str | None = None
    host: str | None = None
    port: Port | None = None
    calling_ae_title: str | None = None
    retrieve: Literal["move", "get"] | None = None
    send_from: Words | None = None
    send_as: Words | None = None
    connect_timeout: Seconds | None = None
    find_timeout: Seconds | None = None
    stall_timeout: Seconds | None = None
    deadline: Seconds | None = None
    maximum_length: Annotated[int, Meta(ge=4096, le=1 << 24)] | None = None
    retries: Count | None = None
    forward_associations: Annotated[int, Meta(ge=1, le=16)] | None = None
    tls: Flag | None = None
    tls_ca_file: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_verify_host: Flag | None = None


class ReceiverTable(Struct, frozen=True, kw_only=True):
    """`[receiver]`: our own storage SCP."""

    ae_title: str | None = None
    port: Port | None = None
    bind: str | None = None
    tls: Flag | None = None
    tls_ca_file: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_names: Words | None = None


class JobTable(Struct, frozen=True, kw_only=True):
    """`[job]`: how a disc is made unless an option says otherwise."""

    output: str | None = None
    modality: Words | None = None
    replace: Flag | None = None
    forward: Words | None = None
    skip_not_found: Flag | None = None
    per_patient: Flag | None = None
    max_instances: Annotated[int, Meta(ge=1)] | None = None
    max_instance_size: Annotated[int, Meta(ge=1)] | None = None
    max_size: Annotated[int, Meta(ge=1)] | None = None
    stall_timeout: Seconds | None = None
    first_instance_timeout: Seconds | None = None
    quiet_period: Annotated[float, Meta(ge=0, le=3600)] | None = None
    deadline: Seconds | None = None
    lock_wait: Annotated[float, Meta(ge=0, le=7 * 86400)] | None = None
    minimum_free: Annotated[int, Meta(ge=0)] | None = None
    requested_by: str | None = None
    viewer: Literal["auto", "full", "preview", "none"] | None = None
    media_size: Annotated[int, Meta(ge=16_777_216)] | None = None
    medium: Literal["cd650", "cd700", "dvd", "dvd-dl", "bd25", "bd50", "usb"] | None = None
    split: Flag | None = None
    profile: str | None = None
    compress: Flag | None = None
    icons: Flag | None = None
    deliver_as: Literal["iso", "zip", "folder"] | None = None
    label: Literal["svg", "pdf"] | None = None
    robot: Literal["primera", "epson"] | None = None
    copies: Annotated[int, Meta(ge=1, le=99)] | None = None
    robot_folder: str | None = None
    robot_label: str | None = None
    image_mode: str | None = None
    deidentify: str | None = None
    deidentify_key: str | None = None
    pseudonyms: str | None = None
    burned_in: Literal["refuse", "leave-out", "keep"] | None = None
    blank_regions: str | None = None


class RunTable(Struct, frozen=True, kw_only=True):
    """What somebody decides about one disc: an option or the environment, never a file."""

    name: str | None = None
    allow_incomplete: Flag | None = None
    same_patient: Flag | None = None
    encrypt: str | None = None


class InstitutionTable(Struct, frozen=True, kw_only=True):
    """`[institution]`: who makes the discs."""

    name: str | None = None
    contact: str | None = None
    privacy_notice: str | None = None
    address: str | None = None
    logo: str | None = None


class FolderTable(Struct, frozen=True, kw_only=True):
    """`[templates]` and `[state]`: a folder."""

    folder: str | None = None


class AuditTable(Struct, frozen=True, kw_only=True):
    """`[audit]`: audit messages to a file and to a syslog collector."""

    file: str | None = None
    syslog: str | None = None
    timeout: Annotated[float, Meta(gt=0, le=60)] | None = None
    source_id: str | None = None
    site: str | None = None
    tls_ca_file: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_verify_host: Flag | None = None


class WatchTable(Struct, frozen=True, kw_only=True):
    """`[watch]`: the importer. Times as text, such as 180s or 90d."""

    pattern: str | None = None
    unicode: Flag | None = None
    hash_means: str | None = None
    issuer: str | None = None
    settle: str | None = None
    archive_to: str | None = None
    rejected_to: str | None = None
    keep: str | None = None
    keep_logs: str | None = None
    first_pause: str | None = None
    poll: Flag | None = None


class Config(Struct, frozen=True, kw_only=True):
    """One layer of configuration, or several laid over each other."""

    archive: str | NodeTable | None = None
    receiver: ReceiverTable = ReceiverTable()
    nodes: dict[str, NodeTable] = {}
    job: JobTable = JobTable()
    run: RunTable = RunTable()
    institution: InstitutionTable = InstitutionTable()
    templates: FolderTable = FolderTable()
    state: FolderTable = FolderTable()
    audit: AuditTable = AuditTable()
    watch: WatchTable = WatchTable()


#: Tables of the file by their name; `nodes` holds one NodeTable a name.
TABLES: Mapping[str, type[Struct]] = {
    "archive": NodeTable,
    "receiver": ReceiverTable,
    "job": JobTable,
    "run": RunTable,
    "institution": InstitutionTable,
    "templates": FolderTable,
    "state": FolderTable,
    "audit": AuditTable,
    "watch": WatchTable,
}


def overlay(low: Config, high: Config) -> Config:
    """Return `low` with everything that `high` says laid over it; nodes are joined key by key."""
    joined: Config = _overlay(low, high)
    return joined


def _overlay(low: Any, high: Any) -> Any:
    if isinstance(high, Struct) and type(low) is type(high):
        fields = type(high).__struct_fields__
        return type(high)(**{f: _overlay(getattr(low, f), getattr(high, f)) for f in fields})
    if isinstance(high, dict) and isinstance(low, dict):
        return {**low, **{name: _overlay(low.get(name), value) for name, value in high.items()}}
    return low if high is None else high

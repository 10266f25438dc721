"""Every setting with its key, environment variable and option; and from their values to a job."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkiso.core.accessions import require_accession_numbers, require_study_instance_uids
from mkiso.core.collector import parse_collector
from mkiso.core.config import Config, NodeTable, overlay
from mkiso.core.job import Audit, Institution, Job, Node, ReceiverAddress, Tls
from mkiso.core.media import capacity_bytes
from mkiso.core.media_profiles import AS_RECEIVED, require_profile
from mkiso.core.nodes import BUILT_IN, choose_node
from mkiso.core.tls_settings import tls_keys, tls_of
from mkiso.errors import ConfigError, UsageError


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a job and the ways to give it; without an option it is reached by `--set`."""

    key: str
    option: str
    job_field: str

    @property
    def word(self) -> str:
        """The option's name as a word: `stall_timeout`, "" when there is no option."""
        return self.option.removeprefix("--").replace("-", "_")

    @property
    def environment(self) -> str:
        """The environment variable: MKISO_ and the key, without `job.`, `run.` and `.folder`."""
        words = self.key.removeprefix("job.").removeprefix("run.").removesuffix(".folder")
        return f"MKISO_{words.replace('.', '_').upper()}"


# fmt: off
#: Key in the file (`run.`: never in a file), option, field of the Job.
SETTINGS = (
    Setting("archive",                    "--archive",          "archive"),
    Setting("receiver",                   "--receiver",         "receiver"),
    Setting("job.output",                 "--output",           "output_folder"),
    Setting("job.modality",               "--modality",         "modalities"),
    Setting("job.replace",                "--replace",          "replace"),
    Setting("job.forward",                "--forward",          "forward"),
    Setting("job.skip_not_found",         "--skip-not-found",   "skip_not_found"),
    Setting("job.per_patient",            "--per-patient",      "per_patient"),
    Setting("job.max_instances",          "--max-instances",    "max_instances"),
    Setting("job.max_instance_size",      "",                   "max_instance_bytes"),
    Setting("job.max_size",               "",                   "max_bytes"),
    Setting("job.stall_timeout",          "--stall-timeout",    "stall_timeout_seconds"),
    Setting("job.first_instance_timeout", "",                   "first_instance_timeout_seconds"),
    Setting("job.quiet_period",           "",                   "quiet_period_seconds"),
    Setting("job.deadline",               "--deadline",         "deadline_seconds"),
    Setting("job.lock_wait",              "--lock-wait",        "lock_wait_seconds"),
    Setting("job.minimum_free",           "",                   "minimum_free_bytes"),
    Setting("job.requested_by",           "--requested-by",     "requested_by"),
    Setting("job.viewer",                 "--viewer",           "viewer"),
    Setting("job.media_size",             "--media-size",       "media_size_bytes"),
    Setting("job.medium",                 "--medium",           "medium"),
    Setting("job.split",                  "--split",            "split"),
    Setting("job.profile",                "--profile",          "profile"),
    Setting("job.compress",               "--compress",         "compress"),
    Setting("job.icons",                  "--icons",            "icons"),
    Setting("job.deliver_as",             "--as",               "deliver_as"),
    Setting("job.label",                  "--label",            "label"),
    Setting("job.robot",                  "--robot",            "robot"),
    Setting("job.copies",                 "--copies",           "copies"),
    Setting("job.robot_folder",           "",                   "robot_folder"),
    Setting("job.robot_label",            "",                   "robot_label"),
    Setting("job.image_mode",             "",                   "image_mode"),
    Setting("job.deidentify",             "--deidentify",       "deidentify"),
    Setting("job.deidentify_key",         "--deidentify-key",   "deidentify_key"),
    Setting("job.pseudonyms",             "--pseudonyms",       "pseudonyms"),
    Setting("job.burned_in",              "--burned-in",        "burned_in"),
    Setting("job.blank_regions",          "--blank-regions",    "blank_regions"),
    Setting("run.name",                   "--name",             "name"),
    Setting("run.allow_incomplete",       "--allow-incomplete", "allow_incomplete"),
    Setting("run.same_patient",           "--same-patient",     "same_patient"),
    Setting("run.encrypt",                "--encrypt",          "encrypt"),
    Setting("institution.name",           "",                   "institution"),
    Setting("institution.address",        "",                   "institution"),
    Setting("institution.contact",        "",                   "institution"),
    Setting("institution.privacy_notice", "",                   "institution"),
    Setting("institution.logo",           "",                   "institution"),
    Setting("templates.folder",           "",                   "templates_folder"),
    Setting("state.folder",               "",                   "state_folder"),
    Setting("audit.file",                 "",                   "audit"),
    Setting("audit.syslog",               "",                   "audit"),
    Setting("audit.timeout",              "",                   "audit"),
    Setting("audit.source_id",            "",                   "audit"),
    Setting("audit.site",                 "",                   "audit"),
    Setting("audit.tls_ca_file",          "",                   "audit"),
    Setting("audit.tls_certificate",      "",                   "audit"),
    Setting("audit.tls_key",              "",                   "audit"),
    Setting("audit.tls_verify_host",      "",                   "audit"),
)
# fmt: on


NOTHING_GIVEN = Config()


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables within tables from values by dotted key: `{"job.output": x}` to a job table.

    Raises UsageError when a key is both a value and a table.
    """
    tables: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise UsageError(f"{key}: {part} is given both as a value and as a table.")
        table[last] = value
    return tables


def build_job(
    job_id: str,
    accession_numbers: Sequence[str],
    study_instance_uids: Sequence[str],
    layers: Sequence[Config],
    options: Config = NOTHING_GIVEN,
) -> Job:
    """Return the job of one run: `options` over the last of `layers` over the first, over defaults.

    Raises UsageError for what is asked for or a node named by an option, ConfigError otherwise.
    """
    uids = require_study_instance_uids(study_instance_uids)
    numbers: tuple[str, ...] = ()
    if accession_numbers or not uids:
        numbers = require_accession_numbers(accession_numbers)
    return Job(
        job_id=job_id,
        accession_numbers=numbers,
        study_instance_uids=uids,
        **job_settings(layers, options),
    )


def job_settings(layers: Sequence[Config], options: Config = NOTHING_GIVEN) -> dict[str, Any]:
    """Return the fields of a job that do not say what is asked for. Raises as `build_job` does."""
    config = effective(layers, options)
    archive_error = ConfigError if options.archive is None else UsageError
    forward_error = ConfigError if options.job.forward is None else UsageError
    nodes = [choose_node(name, config, forward_error) for name in config.job.forward or ()]
    archive = choose_node(config.archive or "", config, archive_error)
    return {
        "archive": _with_explicit_times(archive, config.archive, (*layers, options)),
        "receiver": receiver_of(config),
        "forward": tuple(dict.fromkeys(nodes)),
        "institution": Institution(**_given(config.institution)),
        "audit": audit_of(config),
        **_on_media(_plain_values(config), config, options),
    }


def _on_media(values: dict[str, Any], config: Config, options: Config) -> dict[str, Any]:
    """Return the fields with the profile spelled as in the table and the medium's size.

    Raises UsageError or, for what the file says, ConfigError.
    """
    try:
        profile = require_profile(config.job.profile or "")
        size = capacity_bytes(config.job.medium or "", config.job.media_size)
    except UsageError as error:
        if options.job.profile or options.job.medium or options.job.media_size:
            raise
        raise ConfigError(error.message) from error
    return {
        **values,
        "profile": profile.name if profile else AS_RECEIVED,
        "media_size_bytes": size,
    }


#: What a node may say for itself.
_OWN_TIMES = ("stall_timeout", "deadline")


def _with_explicit_times(
    node: Node, chosen: str | NodeTable | None, layers: Sequence[Config]
) -> Node:
    """Return the node without times of its own that a higher layer overrules for the job.

    An option is about this very run: it wins over what the file says of the node.
    """
    for key in _OWN_TIMES:
        for layer in reversed(layers):
            table = layer.nodes.get(chosen) if isinstance(chosen, str) else layer.archive
            if isinstance(table, NodeTable) and getattr(table, key) is not None:
                break
            if getattr(layer.job, key) is not None:
                node = _without_own(node, key)
                break
    return node


def _without_own(node: Node, key: str) -> Node:
    if key == "deadline":
        return dataclasses.replace(node, deadline_seconds=None)
    return dataclasses.replace(node, stall_timeout_seconds=None)


def effective(layers: Sequence[Config], options: Config = NOTHING_GIVEN) -> Config:
    """Return what holds: `options` over the last of `layers` over the first over the built-in."""
    config = BUILT_IN
    for layer in (*layers, options):
        config = overlay(config, layer)
    return config


def receiver_of(config: Config) -> ReceiverAddress:
    """Return our own address as configured; CDRECORD, port 10104, all addresses by default."""
    table = config.receiver
    plain = {k: value for k, value in _given(table).items() if k not in tls_keys(table)}
    return ReceiverAddress(**plain, tls=tls_of(table, "receiver", needs_certificate=True))


def audit_of(config: Config) -> Audit:
    """Return the audit trail as configured; by default there are no audit messages."""
    given = _given(config.audit)
    syslog, file = given.pop("syslog", ""), given.pop("file", "")
    tls = {k.removeprefix("tls_"): given.pop(k) for k in tls_keys(config.audit) if k in given}
    if "timeout" in given:
        given["timeout_seconds"] = given.pop("timeout")
    return Audit(
        file=Path(file) if file else None,
        collector=parse_collector(syslog) if syslog else None,
        tls=Tls(**tls),
        **given,
    )


def _given(table: Any) -> dict[str, Any]:
    names = table.__struct_fields__
    return {name: getattr(table, name) for name in names if getattr(table, name) is not None}


#: Fields that need more than their value: made by hand in `build_job`.
_MADE_BY_HAND = frozenset({"archive", "receiver", "forward", "institution", "audit"})
_CONVERSIONS: Mapping[str, Callable[[str], Any]] = {
    "output_folder": Path,
    "templates_folder": Path,
    "state_folder": Path,
    "image_mode": lambda digits: int(digits.replace("o", ""), 8),
}


def _plain_values(config: Config) -> dict[str, Any]:
    """Return the job fields whose setting was given; the others keep the defaults of Job."""
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.job_field in _MADE_BY_HAND:
            continue
        table, _, name = setting.key.partition(".")
        value = getattr(getattr(config, table), name)
        if value is not None:
            convert = _CONVERSIONS.get(setting.job_field)
            values[setting.job_field] = convert(value) if convert else value
    return values

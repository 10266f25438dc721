"""From everything a person or PHP said to one job: arguments, options, stdin, environment, file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mkiso.cli.streams import text_argument
from mkiso.core.accessions import split_accession_numbers
from mkiso.core.config import Config, overlay
from mkiso.core.job import Job
from mkiso.core.setting_sources import environment_layer, json_layer, option_layer, set_layer
from mkiso.core.settings import build_job, effective, job_settings
from mkiso.errors import DataError

#: Keys of the JSON object on stdin that are not options as words.
_ACCESSIONS, _STUDY_UIDS, _JOB_ID = "accessions", "study_uids", "job_id"
#: What a caller may call its job: it becomes the name of a log and of a folder.
_JOB_IDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")


@dataclass(frozen=True, slots=True)
class StdinRequest:
    """What stdin asks for."""

    accessions: tuple[str, ...] = ()
    study_uids: tuple[str, ...] = ()
    layer: Config = field(default_factory=Config)
    job_id: str = ""  # "": one of ours


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What the command line asks for: arguments, options by their words, `--set` texts."""

    accessions: tuple[str, ...] = ()
    study_uids: tuple[str, ...] = ()
    words: Mapping[str, Any] = field(default_factory=dict)
    assignments: tuple[str, ...] = ()


def resolve_job(
    job_id: str,
    line: CommandLine,
    stdin: StdinRequest,
    file: Config,
    environ: Mapping[str, str],
) -> tuple[Job, tuple[str, ...]]:
    """Return the job, and warnings: command line over stdin over environment over file.

    Raises UsageError, DataError or ConfigError, by the source of what is wrong.
    """
    environment, warnings = environment_layer(environ)
    options = overlay(set_layer(line.assignments), option_layer(line.words))
    job = build_job(
        job_id,
        (*line.accessions, *stdin.accessions),
        (*line.study_uids, *stdin.study_uids),
        (file, environment, stdin.layer),
        options,
    )
    return job, warnings


def resolve_settings(
    line: CommandLine, file: Config, environ: Mapping[str, str]
) -> tuple[Job, Config]:
    """Return a job that asks for nothing, and the configuration, for commands that make no disc."""
    environment, _ = environment_layer(environ)
    options = overlay(set_layer(line.assignments), option_layer(line.words))
    layers = (file, environment)
    job = Job(job_id="", accession_numbers=(), **job_settings(layers, options))
    return job, effective(layers, options)


def command_line(given: Mapping[str, Any]) -> CommandLine:
    """Return what the parameters of a command hold; texts in UTF-8, paths as they came."""
    values = {word: _given(word, value) for word, value in given.items()}
    return CommandLine(
        accessions=values.pop("accessions", None) or (),
        study_uids=values.pop("study_uid", None) or (),
        assignments=values.pop("assignments", None) or (),
        words=values,
    )


def parse_stdin(content: bytes) -> StdinRequest:
    """Return what stdin asks for: a JSON object or array, or one accession number a line.

    Numbers on lines and in arrays are taken verbatim; one string in JSON is split at comma,
    semicolon and newline. Raises DataError.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("What came on stdin is not UTF-8 text.") from error
    if text.lstrip()[:1] not in ("{", "["):
        lines = (line.strip(" \t\r\ufeff") for line in text.split("\n"))
        return StdinRequest(accessions=tuple(line for line in lines if line))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"What came on stdin is not valid JSON: {_fault(error)}.") from error
    if isinstance(value, list):
        return StdinRequest(accessions=_texts(_ACCESSIONS, value))
    own = (_ACCESSIONS, _STUDY_UIDS, _JOB_ID)
    words = {word: given for word, given in value.items() if word not in own}
    return StdinRequest(
        accessions=_texts(_ACCESSIONS, value.get(_ACCESSIONS, [])),
        study_uids=_texts(_STUDY_UIDS, value.get(_STUDY_UIDS, [])),
        layer=json_layer(words),
        job_id=_job_id(value.get(_JOB_ID, "")),
    )


def _job_id(value: Any) -> str:
    if value != "" and not (isinstance(value, str) and _JOB_IDS.fullmatch(value)):
        raise DataError("The JSON key job_id must be 8 to 64 letters, digits, - and _.")
    return str(value)


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return split_accession_numbers(value)
    if not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise DataError(
            f"The JSON key {key} must be a text or an array of texts; numbers lose leading zeros."
        )
    return tuple(value)


def _given(word: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(text_argument(each) for each in value) or None
    return text_argument(value) if isinstance(value, str) and word != "output" else value


def _fault(error: Exception) -> str:
    """Return where JSON is broken, without quoting it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno} column {error.colno}"
    return "it is nested too deeply"

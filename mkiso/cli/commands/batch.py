"""`mkiso batch`: the discs of a whole list, for cron; a second run does only what is not done."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.options import (
    GroupedCommand,
    combine,
    config_options,
    deidentify_option,
    deidentify_options,
    disc_options,
    exit_code_table,
    json_option,
    node_options,
    option,
    progress_option,
    verbose_option,
    wait_options,
    what_options,
)
from mkiso.cli.session import Session, load_config, new_job_id, read_stdin
from mkiso.core.report import Report
from mkiso.errors import CantCreateError, DataError, UsageError

if TYPE_CHECKING:
    from mkiso.batch.worker import World
    from mkiso.core.batch_rules import BatchPolicy
    from mkiso.core.config import Config
    from mkiso.core.job import Job
    from mkiso.storage.job_ledger import LedgerQueue

_HELP = """Make a disc of every line of LIST (a file, or - for stdin); without LIST, of every job of
the ledger that is not settled.

A line has the accession numbers of one disc, or the list is CSV with a header: accession_numbers,
study_uids, patient_id, study_date, modality, forward, output, name. Lines that begin with # are
comments. What is done is not done again; nothing is said on success, one line for each failure.
"""
_LEDGER = "Ledger"
#: Options of `make` that make no sense for a list.
_NOT_HERE = {"stdin", "study_uid", "name"}
_OWN = {"jobs_db", "summary", "max_attempts", "stop_after_unavailable", "first_pause"}
#: How long the ledger keeps the instances of finished discs; the sidecars name them, too.
_KEEP_INSTANCES_SECONDS = 7 * 86400.0

batch_options = combine(
    option("--jobs-db", metavar="FILE", group=_LEDGER,
           help="The ledger of jobs.  [default: ledger.sqlite3 in the state folder]"),
    option("--summary", metavar="FILE", group=_LEDGER,
           help="What became of every line, for the morning mail: FILE as CSV, and the same as JSON"
           " beside it (or FILE.json, and CSV beside it)."),
    option("--max-attempts", type=click.IntRange(1, 100), default=4, show_default=True,
           metavar="N", group=_LEDGER,
           help="Attempts at a job in one run, with pauses; at an incomplete one in all runs."),
    option("--first-pause", type=click.FloatRange(0, 86400), default=30.0, show_default=True,
           metavar="SECONDS", group=_LEDGER,
           help="Before the second attempt at a job; each further pause is twice as long, 900 at"
           " most."),
    option("--stop-after-unavailable", type=click.IntRange(1, 10_000), default=3,
           show_default=True, metavar="N", group=_LEDGER,
           help="When the archive could not be reached so often in a row, leave the rest to the"
           " next run and end with 75."),
)  # fmt: skip


@click.command("batch", cls=GroupedCommand, help=_HELP, epilog=exit_code_table())
@click.argument("list_path", required=False, metavar="[LIST]")
@combine(
    what_options,
    node_options,
    disc_options,
    deidentify_option,
    deidentify_options,
    batch_options,
    wait_options,
    config_options,
    json_option,
    progress_option,
    verbose_option,
)
@click.pass_obj
def command(session: Session, /, **given: Any) -> Report:
    """Read the list, take the lock, do the jobs, write the summary."""
    session.output.configure(
        as_json=given["as_json"], progress=given["progress"], verbose=given["verbose"]
    )
    from mkiso.storage.workspace import harden_process  # noqa: PLC0415 - start-up time

    harden_process()
    content = _content(given.pop("list_path"))
    options = {word: value for word, value in given.items() if word not in _OWN}
    base, config = _settings(session, options)
    return _run(session, base, config, content, given)


command.params = [each for each in command.params if each.name not in _NOT_HERE]


def _settings(session: Session, options: dict[str, Any]) -> tuple[Job, Config]:
    """Return a job with the settings of all lines, and the configuration for what a line names."""
    from mkiso.cli import request  # noqa: PLC0415 - start-up time
    from mkiso.storage.workspace import require_output_folder  # noqa: PLC0415 - start-up time

    line, (file, _) = request.command_line(options), load_config(options["config"])
    base, config = request.resolve_settings(line, file, os.environ)
    if base.encrypt:
        if base.encrypt.startswith("fd:"):
            raise UsageError("Every disc of a batch reads the pass phrase: give --encrypt a file.")
        base = dataclasses.replace(base, encrypt=str(Path(base.encrypt).absolute()))
    base = _deidentifying(base)
    require_output_folder(base.output_folder)  # the state folder may be in it
    return session.begin_job(dataclasses.replace(base, job_id=new_job_id())), config


def _deidentifying(base: Job) -> Job:
    """Return the job with its files named so that a later run from elsewhere finds them.

    Raises UsageError, ConfigError or DataError for the whole list, not once a line.
    """
    if not base.deidentify:
        return base
    from mkiso.stages.deidentify import prepare  # noqa: PLC0415 - start-up time

    prepare(base)
    return dataclasses.replace(
        base,
        deidentify_key=_absolute(base.deidentify_key),
        pseudonyms=_absolute(base.pseudonyms),
        blank_regions=_absolute(base.blank_regions),
    )


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


def _ledger_path(session: Session, named: str | None) -> Path:
    """Return where the ledger is. Raises CantCreateError when there is no place for it."""
    from mkiso.storage.ledger_file import FILE_NAME  # noqa: PLC0415 - start-up time

    if named:
        return Path(named).absolute()
    if session.state_folder is None:
        raise CantCreateError("There is no folder for the ledger; name a file with --jobs-db.")
    return session.state_folder / FILE_NAME


def _content(list_path: str | None) -> bytes | None:
    """Return the bytes of the list; None when the ledger is the list. Raises DataError."""
    if list_path is None:
        return None
    if list_path == "-":
        return read_stdin()
    try:
        return Path(list_path).read_bytes()
    except OSError as error:
        raise DataError(f"The list {list_path} cannot be read: {error.strerror}.") from error


def _run(
    session: Session, base: Job, config: Config, content: bytes | None, given: dict[str, Any]
) -> Report:
    from mkiso.batch.run import Batch, run  # noqa: PLC0415 - only for a batch that can run
    from mkiso.core.batch_jobs import job_of  # noqa: PLC0415 - start-up time
    from mkiso.core.batch_list import JobList, parse_list  # noqa: PLC0415 - start-up time
    from mkiso.storage.batch_files import keep_results, require_summary  # noqa: PLC0415 - start-up time

    summary = Path(given["summary"]) if given["summary"] else None
    require_summary(summary)
    policy = _policy(given)
    with _queue(session, given["jobs_db"], policy) as queue:
        queue.forget_instances(_KEEP_INSTANCES_SECONDS)
        if content is None:
            queue.add_open()
        session.stop.only_note()
        ended = run(
            Batch(
                batch_id=session.job_id,
                listed=parse_list(content) if content is not None else JobList(()),
                job_of=lambda line: job_of(line, base, config, new_job_id()),
                jobs=queue,
                policy=policy,
                world=_world(session, given),
            )
        )
    report = keep_results(ended.report, ended.rows, session.state_folder, summary)
    if not report.code and _is_watched(given):
        session.output.say(report.message)
    return report


def _policy(given: dict[str, Any]) -> BatchPolicy:
    from mkiso.core.batch_rules import BatchPolicy  # noqa: PLC0415 - start-up time

    return BatchPolicy(
        max_attempts=given["max_attempts"],
        stop_after_unavailable=given["stop_after_unavailable"],
        first_pause_seconds=given["first_pause"],
    )


@contextlib.contextmanager
def _queue(session: Session, named: str | None, policy: BatchPolicy) -> Iterator[LedgerQueue]:
    """Give the ledger's queue under the lock of one batch."""
    from mkiso.core.batch_rules import is_given_up  # noqa: PLC0415 - start-up time
    from mkiso.storage.job_ledger import LedgerQueue  # noqa: PLC0415 - start-up time
    from mkiso.storage.ledger_access import BatchLock, LedgerFile  # noqa: PLC0415 - start-up time

    path = _ledger_path(session, named)
    with contextlib.ExitStack() as stack:
        stack.callback(BatchLock(path).release)
        file = LedgerFile(path)
        stack.callback(file.close)
        queue = LedgerQueue(
            file, session.job_id, is_given_up=lambda code, n: is_given_up(code, n, policy)
        )
        stack.callback(queue.close)
        yield queue


def _world(session: Session, given: dict[str, Any]) -> World:
    """Return the outside of the worker: silent unless somebody looks."""
    from mkiso.batch.worker import World  # noqa: PLC0415 - start-up time

    watched = _is_watched(given)
    say: Callable[[str], None] = session.output.say if watched else lambda _sentence: None
    return World(
        say=say,
        progress=session.output.progress if watched else None,
        require_running=session.stop.require_running,
        log_live=session.output.verbose,
    )


def _is_watched(given: dict[str, Any]) -> bool:
    """Return whether somebody looks: a terminal, `-v`, or a program that wants progress."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    wanted = given["verbose"] or given["progress"] == "json"
    return bool(wanted or (given["progress"] == "auto" and on_terminal))

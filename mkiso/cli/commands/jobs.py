"""`mkiso jobs`: what is in the ledger, and what a person decides about a job."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.ledger_options import ledger_of, ledger_options
from mkiso.cli.options import GroupedCommand, combine, json_option, option
from mkiso.cli.session import Session
from mkiso.cli.streams import write_line
from mkiso.core.durations import parse_duration
from mkiso.core.exit_codes import BY_CODE
from mkiso.core.report import Report

if TYPE_CHECKING:
    from mkiso.storage.ledger_access import LedgerFile

_HELP = "List the jobs of the ledger: batches, and single runs that have ended."


#: What each command about a single job takes.
_one_job = combine(
    click.argument("job_id", metavar="JOB"), ledger_options, json_option, click.pass_obj
)


@contextlib.contextmanager
def _ledger(session: Session, given: dict[str, Any]) -> Iterator[LedgerFile]:
    """Give the ledger of a command, and tell the output how it is wanted."""
    session.output.configure(as_json=given["as_json"], progress="none")
    with contextlib.closing(ledger_of(session, given).open()) as file:
        yield file


@click.group("jobs", invoke_without_command=True, help=_HELP)
@option("--state", "states", multiple=True, metavar="STATE", group="Ledger",
        help="Only jobs that are waiting, running, done, failed or cancelled; may be repeated.",
        )  # fmt: skip
@ledger_options
@json_option
@click.pass_context
def command(context: click.Context, /, **given: Any) -> Report | None:
    """List jobs, unless a subcommand follows."""
    if context.invoked_subcommand is not None:
        context.meta["mkiso.jobs"] = given
        return None
    session: Session = context.obj
    from mkiso.storage.job_book import list_jobs  # noqa: PLC0415 - start-up time

    with _ledger(session, given) as file:
        jobs = list_jobs(file, given["states"])
    if not given["as_json"]:
        for job in jobs:
            write_line(sys.stdout, _line(job))
    return Report(code=0, message="", command="jobs", answer={"jobs": jobs})


@command.command("show", cls=GroupedCommand, help="Show all that is known of a job.")
@_one_job
def show(session: Session, /, job_id: str, **given: Any) -> Report:
    """Show one job."""
    from mkiso.storage.job_book import show_job  # noqa: PLC0415 - start-up time

    with _ledger(session, given) as file:
        job = show_job(file, job_id)
    if not given["as_json"]:
        for line in _shown(job):
            write_line(sys.stdout, line)
    return Report(code=0, message="", command="jobs", answer={"job": job})


@command.command(
    "retry",
    cls=GroupedCommand,
    help="Let the next `mkiso batch` try a job again, also one that it would not.",
)
@_one_job
def retry(session: Session, /, job_id: str, **given: Any) -> Report:
    """Put a job back into the queue."""
    from mkiso.storage.job_book import retry_job  # noqa: PLC0415 - start-up time

    with _ledger(session, given) as file:
        retry_job(file, job_id)
    message = f"The job {job_id} waits for the next 'mkiso batch'; without a list it takes all."
    return Report(code=0, message=message, command="jobs", job=job_id)


@command.command("cancel", cls=GroupedCommand, help="Keep a job from running, or stop it.")
@_one_job
def cancel(session: Session, /, job_id: str, **given: Any) -> Report:
    """Cancel a job."""
    from mkiso.storage.job_book import cancel_job  # noqa: PLC0415 - start-up time

    with _ledger(session, given) as file:
        state = cancel_job(file, job_id)
    words = {"cancelled": "is cancelled", "cancelling": "is running and is told to stop"}
    return Report(code=0, message=f"The job {job_id} {words[state]}.", command="jobs", job=job_id)


@command.command(
    "purge", cls=GroupedCommand, help="Forget jobs that ended long ago. Discs are not touched."
)
@option("--older-than", required=True, metavar="AGE", group="Ledger",
        help="Such as 30d, 12h, 4w: counted from the end of a job.")  # fmt: skip
@ledger_options
@json_option
@click.pass_obj
def purge(session: Session, /, older_than: str, **given: Any) -> Report:
    """Remove old rows."""
    from mkiso.storage.job_book import purge_jobs  # noqa: PLC0415 - start-up time

    with _ledger(session, given) as file:
        count = purge_jobs(file, parse_duration(older_than, "--older-than", needs_unit=True))
    what = "1 job was" if count == 1 else f"{count} jobs were"
    return Report(code=0, message=f"{what} forgotten.", command="jobs")


def _line(job: dict[str, Any]) -> str:
    numbers = " ".join(job["accessions"]) or "(by study)"
    code = "" if job["code"] in (None, 0) else f"{job['code']} {BY_CODE[job['code']].name}: "
    what = job["image_path"] if job["state"] == "done" else f"{code}{job['message']}"
    return f"{job['job']}  {job['state']:<9}  {numbers:<18}  {what}".rstrip()


def _shown(job: dict[str, Any]) -> list[str]:
    lines = [_line(job)]
    for attempt in job["attempts"]:
        code = attempt["code"]
        how = "killed, or running" if not attempt["ended"] else f"{code} {BY_CODE[code].name}"
        stage = f" in {attempt['stage']}" if attempt["stage"] and code else ""
        took = ", ".join(f"{name} {spent:g} s" for name, spent in attempt["seconds"].items())
        lines.append(f"  attempt {attempt['number']}, {attempt['started']}: {how}{stage}")
        lines += [f"    {text}" for text in (took, attempt["message"]) if text]
    counts = ", ".join(f"{count} {state}" for state, count in job["instances"].items())
    lines += [f"  instances: {counts}"] if counts else []
    lines += [
        f"  {node}: {each['taken']} taken, {each['failed']} failed"
        for node, each in job["destinations"].items()
    ]
    lines += [f"  missing: {uid}" for uid in job["missing"][:20]]
    lines += [f"  disc: {disc['path']}  sha256 {disc['sha256']}" for disc in job["discs"]]
    return [*lines, f"  log: {job['log']}"] if job["log"] else lines

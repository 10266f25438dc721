"""`mkiso jobs`: what is in the ledger, and what a person decides about a job."""

from __future__ import annotations

import re
import sys
from typing import Any

import click

from mkiso.cli.ledger_options import ledger_of, ledger_options
from mkiso.cli.options import GroupedCommand, json_option, option
from mkiso.cli.session import Session
from mkiso.cli.streams import write_line
from mkiso.core.exit_codes import BY_CODE
from mkiso.core.report import Report
from mkiso.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_HELP = "List the jobs of the ledger: batches, and single runs that have ended."


def _age(text: str) -> float:
    """Return the seconds of an age such as `30d` or `12h`. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,6})([smhdw])", text.strip().lower())
    if match is None:
        raise UsageError(f"--older-than {text}: write a number and s, m, h, d or w, such as 30d.")
    return int(match[1]) * _UNITS[match[2]]


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
    session.output.configure(as_json=given["as_json"], progress="none")
    from mkiso.storage.job_book import list_jobs  # noqa: PLC0415 - start-up time

    file = ledger_of(session, given).open()
    jobs = list_jobs(file, given["states"])
    file.close()
    if not given["as_json"]:
        for job in jobs:
            write_line(sys.stdout, _line(job))
    return Report(code=0, message="", command="jobs", answer={"jobs": jobs})


@command.command("show", cls=GroupedCommand, help="Show all that is known of a job.")
@click.argument("job_id", metavar="JOB")
@ledger_options
@json_option
@click.pass_obj
def show(session: Session, /, job_id: str, **given: Any) -> Report:
    """Show one job."""
    session.output.configure(as_json=given["as_json"], progress="none")
    from mkiso.storage.job_book import show_job  # noqa: PLC0415 - start-up time

    file = ledger_of(session, given).open()
    job = show_job(file, job_id)
    file.close()
    if not given["as_json"]:
        for line in _shown(job):
            write_line(sys.stdout, line)
    return Report(code=0, message="", command="jobs", answer={"job": job})


@command.command(
    "retry",
    cls=GroupedCommand,
    help="Let the next `mkiso batch` try a job again, also one that it would not.",
)
@click.argument("job_id", metavar="JOB")
@ledger_options
@json_option
@click.pass_obj
def retry(session: Session, /, job_id: str, **given: Any) -> Report:
    """Put a job back into the queue."""
    session.output.configure(as_json=given["as_json"], progress="none")
    from mkiso.storage.job_book import retry_job  # noqa: PLC0415 - start-up time

    file = ledger_of(session, given).open()
    retry_job(file, job_id)
    file.close()
    message = f"The job {job_id} waits for the next 'mkiso batch'; without a list it takes all."
    return Report(code=0, message=message, command="jobs", job=job_id)


@command.command("cancel", cls=GroupedCommand, help="Keep a job from running, or stop it.")
@click.argument("job_id", metavar="JOB")
@ledger_options
@json_option
@click.pass_obj
def cancel(session: Session, /, job_id: str, **given: Any) -> Report:
    """Cancel a job."""
    session.output.configure(as_json=given["as_json"], progress="none")
    from mkiso.storage.job_book import cancel_job  # noqa: PLC0415 - start-up time

    file = ledger_of(session, given).open()
    state = cancel_job(file, job_id)
    file.close()
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
    session.output.configure(as_json=given["as_json"], progress="none")
    from mkiso.storage.job_book import purge_jobs  # noqa: PLC0415 - start-up time

    seconds = _age(older_than)
    file = ledger_of(session, given).open()
    count = purge_jobs(file, seconds)
    file.close()
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

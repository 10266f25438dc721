"""`mkiso status`: how far a job is or how it ended, for people and for the PHP pages."""

from __future__ import annotations

from typing import Any

import click

from mkiso.cli.ledger_options import ledger_of, ledger_options
from mkiso.cli.options import GroupedCommand, json_option
from mkiso.cli.session import Session
from mkiso.core.report import Report

_HELP = """Say how far JOB is, or how it ended.

JOB is the identifier in a report, in the name of a log, or in `mkiso jobs`. Ends with 0 when there
is such a job, whatever became of it, and with 66 when there is none.
"""


@click.command("status", cls=GroupedCommand, help=_HELP)
@click.argument("job_id", metavar="JOB")
@ledger_options
@json_option
@click.pass_obj
def command(session: Session, /, job_id: str, **given: Any) -> Report:
    """Look into the ledger and the state folder."""
    session.output.configure(as_json=given["as_json"], progress="none")
    from mkiso.storage.job_status import job_status  # noqa: PLC0415 - start-up time

    place = ledger_of(session, given)
    status = job_status(place.state_folder, place.path, job_id)
    return Report(code=0, message=status.sentence, command="status", answer={"job": status.plain()})

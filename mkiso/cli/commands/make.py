"""`mkiso make`: accession numbers in, one complete and verified disc image out."""

from __future__ import annotations

import gc
import os
from typing import Any

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
    legacy_option,
    node_options,
    progress_option,
    verbose_option,
    wait_options,
    what_options,
)
from mkiso.cli.session import Session, load_config, new_job_id, read_stdin
from mkiso.core.report import Report

_HELP = """Make a disc image of everything that the archive has under the accession numbers.

Several accession numbers of one patient make one disc. The image appears under its name only when
what the archive lists, what arrived, what DICOMDIR lists and what was read back are the same.
An accession number that begins with '-' stands after '--'.
"""
EXAMPLES = (
    "mkiso make A1 --output discs",
    "mkiso make A1 A2 --archive pacs --name both --output discs",
)


@click.command("make", cls=GroupedCommand, help=_HELP, epilog=exit_code_table((), EXAMPLES))
@click.argument("accessions", nargs=-1, metavar="ACCESSION...")
@combine(
    what_options,
    node_options,
    disc_options,
    deidentify_option,
    deidentify_options,
    wait_options,
    config_options,
    json_option,
    progress_option,
    legacy_option,
    verbose_option,
)
@click.pass_obj
def command(session: Session, /, **given: Any) -> Report:
    """Resolve everything into a job, run it, return its report."""
    session.output.configure(
        as_json=given["as_json"],
        progress=given["progress"],
        verbose=given["verbose"],
        legacy=given["legacy_output"],
    )
    return make_disc(session, given)


def make_disc(session: Session, given: dict[str, Any]) -> Report:
    """Run one job with the values of the options in `given`; raises what the options are at."""
    from mkiso.cli import request  # noqa: PLC0415 - start-up time
    from mkiso.storage.workspace import harden_process  # noqa: PLC0415 - start-up time

    harden_process()
    stdin = request.parse_stdin(read_stdin()) if given["stdin"] else request.StdinRequest()
    line, (file, _) = request.command_line(given), load_config(given["config"])
    job, warnings = request.resolve_job(stdin.job_id or new_job_id(), line, stdin, file, os.environ)
    for warning in warnings:
        session.output.say(f"warning: {warning}")
    job = session.begin_job(job)
    from mkiso.pipeline import Surroundings, run  # noqa: PLC0415 - only for a job that can run

    surroundings = Surroundings(
        say=session.output.say,
        progress=session.output.progress,
        log_live=session.output.verbose,
        require_running=session.stop.require_running,
    )
    session.stop.only_note()
    _collect_garbage_seldom()
    return run(job, surroundings=surroundings)


def _collect_garbage_seldom() -> None:
    """Spare the collector what lives as long as the job: looking for cycles took 5 % of its time.

    There are hardly any cycles in what a job makes; its memory is the same.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)

"""`mkiso plan`: which discs a job would make, without moving an image."""

from __future__ import annotations

import os
from typing import Any

import click

from mkiso.cli.options import (
    GroupedCommand,
    combine,
    config_options,
    disc_options,
    exit_code_table,
    json_option,
    node_options,
    verbose_option,
    wait_options,
    what_options,
)
from mkiso.cli.session import Session, load_config, new_job_id, read_stdin
from mkiso.core.report import Report

_HELP = """Say which discs 'make' would make of the accession numbers, and make none.

The archive is asked what it has, nothing is moved. It tells series and numbers of instances, but
no archive tells sizes: they are estimated from the modality, and may be wrong by far for what was
compressed or is unusual. 'make' plans anew with the real sizes before it writes.
"""
EXAMPLES = ("mkiso plan A1 --medium cd700", "mkiso plan A1 A2 --json")


@click.command("plan", cls=GroupedCommand, help=_HELP, epilog=exit_code_table((), EXAMPLES))
@click.argument("accessions", nargs=-1, metavar="ACCESSION...")
@combine(
    what_options,
    node_options,
    disc_options,
    wait_options,
    config_options,
    json_option,
    verbose_option,
)
@click.pass_obj
def command(session: Session, /, **given: Any) -> Report:
    """Ask the archive and return the plan."""
    session.output.configure(as_json=given["as_json"], progress="none", verbose=given["verbose"])
    from mkiso.cli import request  # noqa: PLC0415 - start-up time
    from mkiso.core.disc_plan import planned_discs, unknown_counts  # noqa: PLC0415
    from mkiso.storage.workspace import harden_process  # noqa: PLC0415

    harden_process()
    stdin = request.parse_stdin(read_stdin()) if given["stdin"] else request.StdinRequest()
    line, (file, _) = request.command_line(given), load_config(given["config"])
    job, warnings = request.resolve_job(new_job_id(), line, stdin, file, os.environ)
    from mkiso.pipeline import Surroundings, look_up  # noqa: PLC0415 - only for a job that can run

    found, said = look_up(
        job,
        Surroundings(say=session.output.say, require_running=session.stop.require_running),
    )
    discs = planned_discs(found, job.media_size_bytes, job.viewer)
    unknown = unknown_counts(found)
    if unknown:
        said = (
            *said,
            f"Of {unknown} series the archive does not say how many instances they have.",
        )
    if len(discs) > 1 and not job.split:
        said = (*said, "With --no-split `make` would end with 85 and make no disc.")
    count = "1 disc" if len(discs) == 1 else f"{len(discs)} discs"
    return Report(
        code=0,
        message=f"{count} by estimate: sizes are known when the images are here.",
        command="plan",
        accessions=job.accession_numbers,
        plan=discs,
        not_found=found.not_found,
        warnings=(*warnings, *said),
    )

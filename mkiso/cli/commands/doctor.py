"""`mkiso doctor`: everything that a disc needs, asked and answered."""

from __future__ import annotations

import os
from typing import Any

import click

from mkiso.cli.options import (
    GroupedCommand,
    archive_option,
    combine,
    config_options,
    exit_code_table,
    json_option,
    option,
    receiver_option,
    verbose_option,
)
from mkiso.cli.session import Session, load_config
from mkiso.cli.streams import text_argument
from mkiso.core.findings import NOTE, Finding
from mkiso.core.report import NOT_TESTED, Report

_HELP = """Check everything that a disc needs, and say what to change.

Configuration, archive (connection, C-ECHO, C-FIND), our port and addresses, output folder and disk
space, templates, decoders, state folder, the nodes of --forward. Whether the archive's move
destination leads back to us is only shown by moving something: --test-move.
"""
EXAMPLES = ("mkiso doctor", "mkiso doctor --test-move A1")
_NOT_TESTED = Finding(
    NOTE,
    f"move-destination{NOT_TESTED}",
    "whether the archive's move destination leads back to us; give --test-move ACCESSION.",
)
_NOTHING_TO_TEST = Finding(
    NOTE,
    f"move-destination{NOT_TESTED}",
    'a move: with retrieve = "get" the images come on our own connection, and the archive needs no '
    "destination for us.",
)
_CANNOT_TEST = Finding(
    NOTE,
    f"move-destination{NOT_TESTED}",
    "whether the archive's move destination leads back to us; the faults above come first.",
)


@click.command(
    "doctor",
    cls=GroupedCommand,
    help=_HELP,
    epilog=exit_code_table((0, 64, 66, 73, 74, 75, 76, 78), EXAMPLES),
)
@combine(
    option("--test-move", metavar="ACCESSION", group="What",
           help="Move one instance of this accession number to us, and throw it away."),
    archive_option,
    receiver_option,
    option("--forward", multiple=True, metavar="NODE", group="Nodes",
           help="Ask this node, too; may be repeated."),
    option("--output", metavar="FOLDER", group="Disc", help="Folder of the disc images."),
    config_options,
    json_option,
    verbose_option,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, **given: Any) -> Report:
    """Ask everything and return the answers."""
    session.output.configure(as_json=given["as_json"], progress="none", verbose=given["verbose"])
    from mkiso.cli import request  # noqa: PLC0415 - start-up time
    from mkiso.core.accessions import require_accession_number  # noqa: PLC0415
    from mkiso.core.answer import first_code  # noqa: PLC0415
    from mkiso.stages import doctor, move_test  # noqa: PLC0415
    from mkiso.storage.workspace import harden_process  # noqa: PLC0415

    accession = given.pop("test_move")
    if accession is not None:
        accession = require_accession_number(text_argument(accession))
    harden_process()
    file, path = load_config(given["config"])
    job, _ = request.resolve_settings(request.command_line(given), file, os.environ)
    log = session.output.say if given["verbose"] else _silent
    answers = doctor.run(doctor.Patient(job, path, log))
    line_is_good = not any(a.code for a in answers if a.finding.id in doctor.LINE_QUESTIONS)
    if accession is not None and line_is_good and job.archive.retrieve == "move":
        answers = (*answers, move_test.run(job, accession, log))
    findings = tuple(answer.finding for answer in answers)
    if job.archive.retrieve == "move" and not (accession and line_is_good):
        findings = (*findings, _NOT_TESTED if line_is_good else _CANNOT_TEST)
    elif job.archive.retrieve == "get" and accession is not None:
        findings = (*findings, _NOTHING_TO_TEST)
    code = first_code(answers)
    bad = sum(1 for answer in answers if answer.code)
    return Report(
        code=code,
        message=_summary(bad, len(answers)),
        command="doctor",
        accessions=(accession,) if accession else (),
        findings=findings,
        details=tuple(line for answer in answers for line in answer.details),
    )


def _summary(bad: int, all_answers: int) -> str:
    if not bad:
        return "Ready to make discs."
    what = "line that begins" if bad == 1 else "lines that begin"
    return (
        f"{bad} of {all_answers} answers must change before discs can be made: see the {what} with "
        "'error'."
    )


def _silent(_line: str) -> None:
    """Without -v nobody reads the log."""

"""`mkiso deidentify`: copies of nobody, by PS3.15 Annex E."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.options import (
    GroupedCommand,
    combine,
    deidentify_options,
    exit_code_table,
    option,
)
from mkiso.cli.query_options import long_tool_options, sort_option
from mkiso.cli.session import Session
from mkiso.cli.tools import open_tools
from mkiso.core.display_text import counted
from mkiso.core.report import Report
from mkiso.errors import DataError, UsageError

if TYPE_CHECKING:
    from mkiso.toolbox.deidentifying import Copies

_HELP = """Write de-identified copies of DICOM files: PS3.15 Annex E, Basic Profile.

IN is a DICOM file, a folder, a DICOMDIR, an ISO image or a ZIP archive; OUT is a folder. Nothing is
written when an object is refused. With the same key, the same copies are made again; without one
nobody can tell which is whose. Options of the profile: clean-pixel-data, clean-graphics,
clean-structured-content, clean-descriptors, retain-full-dates, retain-modified-dates,
retain-patient-characteristics, retain-device-identity, retain-uids, retain-safe-private,
retain-institution-identity.
"""
EXAMPLES = (
    "mkiso deidentify images nobody --deidentify-key site.key",
    "mkiso deidentify images nobody --deidentify basic,retain-modified-dates --pseudonyms ids.csv",
)
_CODES = (0, 64, 65, 73, 74, 78, 85, 87)
#: Settings of a job that are options here, too.
WORDS = ("deidentify", "deidentify_key", "pseudonyms", "burned_in", "blank_regions")


@click.command(
    "deidentify", cls=GroupedCommand, help=_HELP, epilog=exit_code_table(_CODES, EXAMPLES)
)
@click.argument("source", metavar="IN")
@click.argument("output", metavar="OUT")
@combine(
    option("--deidentify", metavar="PROFILE", default="basic", show_default=True,
           group="De-identification", help="The profile: basic, and options after commas."),
    deidentify_options,
    sort_option,
    long_tool_options,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, source: str, output: str, **given: Any) -> Report:
    """De-identify, and say what was left out."""
    tools = open_tools(session, given, *WORDS)
    _require_apart(Path(source), Path(output))
    job = dataclasses.replace(tools.job, output_folder=Path(output))
    from mkiso.stages.deidentify import prepare  # noqa: PLC0415 - start-up time
    from mkiso.toolbox.deidentifying import (  # noqa: PLC0415
        deidentify_all,
        disguised_world,
        failures_disguised,
    )

    disguise = prepare(job)
    assert disguise is not None  # noqa: S101 - the option has a default
    world = disguised_world(tools.world(job.output_folder), disguise)
    session.stop.only_note()
    with failures_disguised(disguise):
        copies = deidentify_all((Path(source),), job, disguise, given["sort"], world)
    lacking = copies.lacking
    return Report(
        code=DataError.code if lacking else 0,
        message=good_news(copies, output) if not lacking else bad_news(copies, output),
        command="deidentify",
        **world.report_fields(),
        answer=answer(copies),
    )


def _require_apart(source: Path, output: Path) -> None:
    """Raise UsageError when originals would lie among the copies, or copies be read again."""
    given, made = source.resolve(), output.resolve()
    if given.is_relative_to(made) or made.is_relative_to(given):
        raise UsageError(
            f"{output} and {source} are not apart: copies of nobody would lie among files that "
            "name patients. Choose an OUT of its own."
        )


def good_news(copies: Copies, output: str) -> str:
    """Return the sentence of a success."""
    left = sum(copies.left_out.values())
    out = f"; {left} objects were left out" if left else ""
    made = f"{len(copies.paths)} de-identified instances of {copies.studies} studies"
    return f"{made} in {output}{out}."


def bad_news(copies: Copies, output: str) -> str:
    """Return the sentence for copies of less than what was there."""
    lacking = counted(copies.lacking, "file or folder", "files or folders")
    return f"{good_news(copies, output)[:-1]}; {lacking} could not be read: the warnings say why."


def answer(copies: Copies) -> dict[str, Any]:
    """Return the counts for programs."""
    return {
        "deidentified": len(copies.paths),
        "left_out": dict(copies.left_out),
        "not_read": dict(copies.not_read),
    }

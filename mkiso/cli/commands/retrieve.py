"""`mkiso retrieve`: studies into a folder of files, complete or an error."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.commands.deidentify import WORDS, answer
from mkiso.cli.completing import node_names
from mkiso.cli.options import (
    GroupedCommand,
    combine,
    deidentify_option,
    deidentify_options,
    exit_code_table,
    option,
    wait_options,
)
from mkiso.cli.query_options import (
    list_option,
    long_tool_options,
    requested_by_option,
    selections,
    series_keys,
    sort_option,
    study_keys,
)
from mkiso.cli.session import Session
from mkiso.cli.tools import Tools, open_tools
from mkiso.core.display_text import counted
from mkiso.core.report import Report
from mkiso.errors import UsageError

if TYPE_CHECKING:
    from mkiso.core.job import Job
    from mkiso.core.study_list import Selection
    from mkiso.toolbox.retrieving import Outcome
    from mkiso.toolbox.world import World

_HELP = """Retrieve studies from a node into a folder of DICOM files.

NODE is AET@HOST:PORT or a configured name. Everything that the node lists is there at the end, or
the command fails and says what is missing; run it again and it asks for the rest only. The files
are STUDY/SERIES/INSTANCE.dcm, named by their UIDs. With --from, each line of a CSV list (head:
PatientID, StudyDate, AccessionNumber, StudyInstanceUID) is retrieved; a line that fails stops no
other.
"""
EXAMPLES = (
    "mkiso retrieve pacs --accession A1 --output images",
    "mkiso retrieve pacs --patient-id P1 --date 20260101- --modality CT --output images",
    "mkiso retrieve pacs --from list.csv --method get --sort patient --output images",
)
_OUTPUT = "Output"
_CODES = (0, 10, 64, 65, 66, 73, 74, 75, 76, 77, 78, 80, 81, 82, 85)


@click.command("retrieve", cls=GroupedCommand, help=_HELP, epilog=exit_code_table(_CODES, EXAMPLES))
@click.argument("node", shell_complete=node_names)
@combine(
    study_keys,
    series_keys,
    list_option,
    option("--output", metavar="FOLDER", required=True, group=_OUTPUT,
           help="Where the files go; one further folder is made."),
    sort_option,
    option("--method", type=click.Choice(["move", "get"]), group=_OUTPUT,
           help="C-MOVE (the node connects to us) or C-GET.  [default: what the node's"
           " configuration says]"),
    option("--max-instances", type=int, metavar="N", group=_OUTPUT,
           help="Refuse a line or study list of more instances.  [default: 50000]"),
    deidentify_option,
    option("--send", "send_to", metavar="NODE", group="De-identification",
           help="Send the de-identified copies to this node, too."),
    deidentify_options,
    wait_options,
    requested_by_option,
    long_tool_options,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, node: str, **given: Any) -> Report:
    """Retrieve all that is asked for."""
    tools = open_tools(
        session,
        {**given, "archive": node},
        "stall_timeout",
        "deadline",
        "lock_wait",
        "max_instances",
        "modality",
        *WORDS,
    )
    chosen = tools.job.archive
    if given["method"]:
        chosen = dataclasses.replace(chosen, retrieve=given["method"])
    wanted = selections(given)
    if given["list_file"] and any(given[word] for word in ("series",)):
        raise UsageError("--series and --from exclude each other; the list may have a column.")
    from mkiso.toolbox.retrieving import retrieve_all  # noqa: PLC0415 - start-up time

    job = dataclasses.replace(tools.job, archive=chosen, output_folder=Path(given["output"]))
    if job.deidentify:
        return _pass_on(tools, job, wanted, given)
    if given["send_to"]:
        raise UsageError("--send belongs to --deidentify; for files as they are use mkiso send.")
    world = tools.world(job.output_folder, has_trail=True)
    session.stop.outcome = (
        f"what arrived is in {given['output']}, and the same command asks for the rest"
    )
    session.stop.only_note()
    outcomes = retrieve_all(job, wanted, given["sort"], world)
    return _report(outcomes, tools, given, world)


def _pass_on(
    tools: Tools, job: Job, wanted: tuple[Selection, ...], given: dict[str, Any]
) -> Report:
    """Retrieve, de-identify and send on; the report names nobody."""
    from mkiso.stages.deidentify import prepare  # noqa: PLC0415 - start-up time
    from mkiso.toolbox.deidentifying import disguised_world  # noqa: PLC0415
    from mkiso.toolbox.disguised_retrieving import pass_on  # noqa: PLC0415

    disguise = prepare(job)
    assert disguise is not None  # noqa: S101 - the job de-identifies
    to = tools.node(given["send_to"]) if given["send_to"] else None
    world = disguised_world(tools.world(job.output_folder, has_trail=True), disguise)
    tools.session.stop.only_note()
    passed = pass_on(job, wanted, given["sort"], disguise, world, to=to)
    report = _report(passed.outcomes, tools, given, world)
    copies, sent = passed.copies, passed.sent
    made = len(copies.paths) if copies else 0
    told: dict[str, Any] = {"answer": {**report.answer, **(answer(copies) if copies else {})}}
    if not report.code:
        took = f"; {sent.node.name} took {sent.taken}" if sent and not passed.error else ""
        told["message"] = f"{made} de-identified instances in {given['output']}{took}."
    if passed.error and not report.code:
        told |= {"code": passed.error.code, "message": passed.error.message,
                 "details": passed.error.details}  # fmt: skip
    if sent is not None:
        told["forwarded"] = (sent.report(),)
    return disguise.report(dataclasses.replace(report, **told))


def _report(
    outcomes: tuple[Outcome, ...], tools: Tools, given: dict[str, Any], world: World
) -> Report:
    from mkiso.toolbox.outcomes import joined, line_results  # noqa: PLC0415 - start-up time

    code, message, details = joined([outcome.error for outcome in outcomes])
    here = sum(outcome.instances for outcome in outcomes)
    before = sum(outcome.already_there for outcome in outcomes)
    studies = sum(len(o.found.studies) for o in outcomes if o.found is not None)
    good = (
        f"{counted(here, 'instance')} of {counted(studies, 'study', 'studies')} "
        f"in {given['output']}."
    )
    if before:
        good = f"{good[:-1]}; {before} of them were there already."
    lines = line_results(outcomes) if given["list_file"] else []
    for line in lines:
        if line["code"]:
            tools.session.output.say(f"line {line['line']}: {line['message']}")
    return Report(
        code=code,
        message=message or good,
        details=details if len(outcomes) > 1 else (),
        command="retrieve",
        received=here,
        **world.report_fields(),
        answer={"already_there": before, **({"lines": lines} if lines else {})},
        **(_studies(outcomes[0]) if len(outcomes) == 1 else {}),
    )


def _studies(outcome: Outcome) -> dict[str, Any]:
    from mkiso.core.report_parts import study_reports  # noqa: PLC0415 - start-up time

    return study_reports(outcome.found, outcome.retrieved)

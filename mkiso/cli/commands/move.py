"""`mkiso move`: a node sends studies to a third one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.completing import node_names
from mkiso.cli.options import GroupedCommand, combine, exit_code_table, option, wait_options
from mkiso.cli.query_options import (
    list_option,
    long_tool_options,
    requested_by_option,
    selections,
    series_keys,
    study_keys,
)
from mkiso.cli.session import Session
from mkiso.cli.streams import text_argument
from mkiso.cli.tools import open_tools
from mkiso.core.display_text import counted
from mkiso.core.report import Report

if TYPE_CHECKING:
    from mkiso.toolbox.moving import Moved

_HELP = """Let a node send studies to a third one with C-MOVE.

NODE must know the AE title of --to with its address. What it says of its sub-operations is its own
word: with --look-at the destination is asked what it has, and that decides.
"""
EXAMPLES = (
    "mkiso move pacs --to BACKUP --accession A1",
    "mkiso move pacs --to BACKUP --look-at backup --from list.csv",
)
_CODES = (0, 10, 64, 65, 66, 75, 76, 77, 78, 80, 82)


@click.command("move", cls=GroupedCommand, help=_HELP, epilog=exit_code_table(_CODES, EXAMPLES))
@click.argument("node", shell_complete=node_names)
@combine(
    option("--to", "destination", required=True, metavar="AET", group="Nodes",
           help="AE title of the destination, as NODE has registered it."),
    option("--look-at", metavar="NODE", group="Nodes",
           help="The destination as a node of its own: ask it afterwards what it has."),
    study_keys,
    series_keys,
    list_option,
    wait_options,
    requested_by_option,
    long_tool_options,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, node: str, **given: Any) -> Report:
    """Move all that is asked for."""
    tools = open_tools(session, {**given, "archive": node}, "stall_timeout", "deadline", "modality")
    chosen = tools.job.archive
    look_at = tools.node(given["look_at"]) if given["look_at"] else None
    wanted = selections(given)
    from mkiso.core.addresses import require_ae_title  # noqa: PLC0415 - start-up time
    from mkiso.toolbox.moving import move_all  # noqa: PLC0415

    destination = require_ae_title(text_argument(given["destination"]))
    world = tools.world(has_trail=True)
    session.stop.outcome = "what was sent until then was sent"
    session.stop.only_note()
    job = dataclasses.replace(tools.job, archive=chosen)
    moves = move_all(job, wanted, destination, look_at, world)
    from mkiso.toolbox.outcomes import joined, line_results  # noqa: PLC0415 - start-up time

    code, message, details = joined([moved.error for moved in moves])
    lines = line_results(moves) if given["list_file"] else []
    for line in lines:
        if line["code"]:
            session.output.say(f"line {line['line']}: {line['message']}")
    return Report(
        code=code,
        message=message or _good_news(moves, chosen.name, destination),
        command="move",
        details=details,
        **world.report_fields(),
        answer={
            "moved": [request for moved in moves for request in moved.requests],
            **({"lines": lines} if lines else {}),
        },
    )


def _good_news(moves: tuple[Moved, ...], name: str, destination: str) -> str:
    completed = sum(moved.completed for moved in moves)
    listed = sum(len(moved.found.expected) for moved in moves if moved.found)
    said = f"{name} says that it sent {completed} of {counted(listed, 'instance')} to {destination}"
    if all(moved.seen is not None for moved in moves):
        seen = sum(moved.seen or 0 for moved in moves)
        return f"{said}; {seen} of them are there."
    return f"{said}; whether they arrived was not looked at (--look-at)."

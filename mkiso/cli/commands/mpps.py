"""`mkiso mpps`: tell a node that a procedure step has begun, and how it has ended."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.completing import node_names
from mkiso.cli.options import GroupedCommand, combine, exit_code_table, option
from mkiso.cli.query_options import tool_options, work_keys, work_values
from mkiso.cli.session import Session
from mkiso.cli.tools import Tools, open_tools, today
from mkiso.core.display_text import counted
from mkiso.core.report import Report
from mkiso.errors import UsageError

if TYPE_CHECKING:
    from mkiso.core.job import Node

_HELP = """Tell a node of a performed procedure step (MPPS): start, complete or discontinue.

'start' looks the worklist item up by the options (at --worklist, or at NODE itself), sends N-CREATE
and prints the UID of the step. 'complete' and 'discontinue' send N-SET for the --uid, with what the
files at --produced are.
"""
EXAMPLES = (
    "mkiso mpps ris start --accession A1 --step-id S1",
    "mkiso mpps ris complete --uid 2.25.1 --produced images/1.2.3",
)
_STEP = "Step"
_CODES = (0, 64, 65, 66, 75, 76, 77, 78, 82)


@click.command("mpps", cls=GroupedCommand, help=_HELP, epilog=exit_code_table(_CODES, EXAMPLES))
@click.argument("node", shell_complete=node_names)
@click.argument("what", type=click.Choice(["start", "complete", "discontinue"]))
@combine(
    option("--uid", metavar="UID", group=_STEP,
           help="SOP Instance UID of the step; 'start' makes one unless it is given."),
    option("--produced", multiple=True, metavar="PATH", group=_STEP,
           help="Files or folders that the step has produced; may be repeated."),
    option("--worklist", metavar="NODE", group=_STEP,
           help="Where the worklist is.  [default: NODE]"),
    work_keys,
    tool_options,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, node: str, what: str, **given: Any) -> Report:
    """Say it."""
    tools = open_tools(session, given)
    chosen = tools.node(node)
    if given["uid"]:
        from mkiso.core.contexts import is_uid  # noqa: PLC0415 - start-up time

        if not is_uid(given["uid"]):
            raise UsageError("--uid is not a UID: digits and single dots, at most 64 characters.")
    if what == "start":
        return _start(chosen, tools, given)
    if not given["uid"]:
        raise UsageError(f"'{what}' needs the --uid that 'start' printed.")
    from mkiso.toolbox.working import end_step, produced_by  # noqa: PLC0415 - start-up time

    produced = produced_by([Path(path) for path in given["produced"]])
    end_step(
        chosen,
        given["uid"],
        "COMPLETED" if what == "complete" else "DISCONTINUED",
        produced,
        calling_ae_title=tools.calling_ae_title(chosen),
        now=datetime.now().astimezone(),
    )
    ended = "completed" if what == "complete" else "discontinued"
    message = (
        f"{chosen.name} knows that the step is {ended}, with {counted(len(produced), 'instance')}."
    )
    return _report(given["uid"], message)


def _start(chosen: Node, tools: Tools, given: dict[str, Any]) -> Report:
    from mkiso.toolbox.working import find_work, one_item, start_step  # noqa: PLC0415 - start-up time

    asked = tools.node(given["worklist"]) if given["worklist"] else chosen
    values = work_values(given, today())
    if not any(values.values()):
        raise UsageError("Name the worklist item: --accession, --patient-id, --step-id ...")
    found = find_work(
        asked,
        values,
        calling_ae_title=tools.calling_ae_title(asked),
        limit=2,
        log=tools.log,
        require_running=tools.session.stop.require_running,
    )
    uid = start_step(
        chosen,
        one_item(found.rows, asked.name),
        calling_ae_title=tools.calling_ae_title(chosen),
        now=datetime.now().astimezone(),
        sop_instance_uid=given["uid"] or "",
    )
    return _report(uid, uid)


def _report(uid: str, message: str) -> Report:
    return Report(code=0, message=message, command="mpps", answer={"sop_instance_uid": uid})

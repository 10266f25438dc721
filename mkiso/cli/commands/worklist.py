"""`mkiso worklist`: the modality worklist of a node."""

from __future__ import annotations

from typing import Any

import click

from mkiso.cli.completing import node_names
from mkiso.cli.options import GroupedCommand, combine, exit_code_table
from mkiso.cli.query_options import shown_options, tool_options, work_keys, work_values
from mkiso.cli.session import Session
from mkiso.cli.tools import open_tools, print_lines, terminal_width, today
from mkiso.core.display_text import counted
from mkiso.core.report import Report
from mkiso.errors import NotFoundError, UsageError

_HELP = """Ask a node for its modality worklist.

The result is patients' data: it goes to stdout and nowhere else. --uids prints the Study Instance
UID of each item.
"""
EXAMPLES = (
    "mkiso worklist ris --date today --modality CT",
    "mkiso worklist ris --station CT1 --csv",
)


@click.command(
    "worklist",
    cls=GroupedCommand,
    help=_HELP,
    epilog=exit_code_table((0, 64, 66, 75, 76, 77, 78), EXAMPLES),
)
@click.argument("node", shell_complete=node_names)
@combine(work_keys, shown_options, tool_options)
@click.pass_obj
def command(session: Session, /, node: str, **given: Any) -> Report:
    """Ask, and show the items."""
    if sum((given["as_csv"], given["uids"], given["as_json"])) > 1:
        raise UsageError("--csv, --json and --uids exclude each other.")
    tools = open_tools(session, given)
    chosen = tools.node(node)
    from mkiso.core import worklist  # noqa: PLC0415 - start-up time
    from mkiso.core.listing import csv_text, table_lines  # noqa: PLC0415
    from mkiso.toolbox.working import find_work  # noqa: PLC0415

    found = find_work(
        chosen,
        work_values(given, today()),
        calling_ae_title=tools.calling_ae_title(chosen),
        limit=given["limit"],
        log=tools.log,
        require_running=session.stop.require_running,
    )
    if not found.rows and given["require"]:
        raise NotFoundError(f"{chosen.name} has no worklist item that matches.")
    if given["uids"]:
        print_lines(row["StudyInstanceUID"] for row in found.rows)
    elif given["as_csv"]:
        print_lines(csv_text(worklist.KEYWORDS, found.rows).splitlines())
    elif found.rows and not given["as_json"]:
        print_lines(table_lines(worklist.columns(), found.rows, terminal_width()))
    return Report(
        code=0,
        message=f"{counted(len(found.rows), 'worklist item')} at {chosen.name}.",
        command="worklist",
        warnings=found.warnings(given["limit"], chosen.name),
        answer={"matches": found.rows} if given["as_json"] else {},
    )

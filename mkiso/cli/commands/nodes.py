"""`mkiso nodes`: the nodes that are configured, and whether they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.options import (
    GroupedCommand,
    combine,
    config_options,
    exit_code_table,
    json_option,
    option,
    receiver_option,
)
from mkiso.cli.session import Session
from mkiso.cli.tools import Tools, open_tools, print_lines, terminal_width
from mkiso.core.display_text import counted
from mkiso.core.report import Report

if TYPE_CHECKING:
    from mkiso.core.job import Node

_HELP = """List the nodes of the configuration; with --check, ask all of them with C-ECHO at once.

The archive has a '*'.
"""
EXAMPLES = ("mkiso nodes", "mkiso nodes --check")


@click.command(
    "nodes", cls=GroupedCommand, help=_HELP, epilog=exit_code_table((0, 64, 75, 76, 78), EXAMPLES)
)
@option("--check", is_flag=True, group="What", help="Ask each with C-ECHO.")
@combine(receiver_option, config_options, json_option)
@click.pass_obj
def command(session: Session, /, *, check: bool, **given: Any) -> Report:
    """List, perhaps ask."""
    tools = open_tools(session, given)
    from mkiso.core.answer import first_code  # noqa: PLC0415 - start-up time
    from mkiso.toolbox.echoing import echo_all  # noqa: PLC0415

    nodes = [tools.node(name) for name in sorted(tools.config.nodes)]
    if not any(node == tools.job.archive for node in nodes):
        nodes.insert(0, tools.job.archive)
    answers = echo_all(nodes, tools.calling_ae_title) if check else []
    rows = [_row(node, tools) for node in nodes]
    for row, answer in zip(rows, answers, strict=False):
        row["Answer"] = answer.finding.message if answer.code else "ok"
    if not given["as_json"]:
        _show(rows, check=check)
    failed = sum(1 for answer in answers if answer.code)
    if failed:
        message = f"Nodes that do not answer: {failed} of {len(nodes)}."
    else:
        message = f"{counted(len(nodes), 'node')}{', all answer' if check else ''}."
    return Report(
        code=first_code(answers),
        message=message,
        command="nodes",
        findings=tuple(answer.finding for answer in answers) if given["as_json"] else (),
        answer={"nodes": rows} if given["as_json"] else {},
    )


def _row(node: Node, tools: Tools) -> dict[str, str]:
    return {
        "Archive": "*" if node == tools.job.archive else "",
        "Name": node.name,
        "AETitle": node.ae_title,
        "Host": node.host,
        "Port": str(node.port),
        "CallingAETitle": tools.calling_ae_title(node),
        "Retrieve": f"C-{node.retrieve.upper()}",
        "TLS": "TLS" if node.tls else "",
    }


def _show(rows: list[dict[str, str]], *, check: bool) -> None:
    from mkiso.core.listing import Column, table_lines  # noqa: PLC0415 - start-up time

    columns = [
        Column("Archive", ""),
        Column("Name", "Name"),
        Column("AETitle", "AE title"),
        Column("Host", "Host"),
        Column("Port", "Port", is_number=True),
        Column("CallingAETitle", "As"),
        Column("Retrieve", "Retrieve"),
        *([Column("TLS", "TLS")] if any(row["TLS"] for row in rows) else []),
        *([Column("Answer", "Answer", is_elastic=True)] if check else []),
    ]
    print_lines(table_lines(columns, rows, terminal_width()))

"""`mkiso echo`: whether nodes are there and know us."""

from __future__ import annotations

import os
from typing import Any

import click

from mkiso.cli.completing import node_names
from mkiso.cli.options import (
    GroupedCommand,
    combine,
    config_options,
    exit_code_table,
    json_option,
    receiver_option,
    verbose_option,
)
from mkiso.cli.session import Session, load_config
from mkiso.core.report import Report
from mkiso.errors import UsageError

_HELP = """Ask nodes with C-ECHO whether they are there and know us.

A NODE is AET@HOST:PORT or a configured name; without any, the archive is asked.
"""
EXAMPLES = ("mkiso echo", "mkiso echo pacs backup")


@click.command(
    "echo", cls=GroupedCommand, help=_HELP, epilog=exit_code_table((0, 64, 75, 76, 78), EXAMPLES)
)
@click.argument("nodes", nargs=-1, metavar="[NODE]...", shell_complete=node_names)
@combine(receiver_option, config_options, json_option, verbose_option)
@click.pass_obj
def command(session: Session, /, nodes: tuple[str, ...], **given: Any) -> Report:
    """Ask each node and return the answers."""
    session.output.configure(as_json=given["as_json"], progress="none", verbose=given["verbose"])
    from mkiso.cli import request  # noqa: PLC0415 - start-up time
    from mkiso.core.answer import first_code  # noqa: PLC0415
    from mkiso.core.display_text import counted  # noqa: PLC0415
    from mkiso.core.nodes import choose_node  # noqa: PLC0415
    from mkiso.stages.doctor import calling_ae_title  # noqa: PLC0415
    from mkiso.toolbox.echoing import echo_all  # noqa: PLC0415

    file, _ = load_config(given["config"])
    job, config = request.resolve_settings(request.command_line(given), file, os.environ)
    chosen = [choose_node(node, config, UsageError) for node in nodes] or [job.archive]
    answers = echo_all(chosen, lambda node: calling_ae_title(node, job))
    failed = sum(1 for answer in answers if answer.code)
    bad_news = (
        f"{failed} of {counted(len(answers), 'node')} did not answer: see the lines with 'error'."
    )
    return Report(
        code=first_code(answers),
        message=bad_news if failed else "All answer.",
        command="echo",
        findings=tuple(answer.finding for answer in answers),
    )

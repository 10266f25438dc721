"""`mkiso send`: files, folders, discs and ZIP archives to a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.completing import node_names
from mkiso.cli.options import GroupedCommand, combine, exit_code_table, option
from mkiso.cli.query_options import long_tool_options, requested_by_option
from mkiso.cli.session import Session
from mkiso.cli.tools import open_tools
from mkiso.core.display_text import counted
from mkiso.core.report import Report
from mkiso.errors import UsageError

if TYPE_CHECKING:
    from mkiso.toolbox.sending import Sent

_HELP = """Send DICOM files to a node with C-STORE.

A PATH is a DICOM file, a folder, a DICOMDIR (the files it names), an ISO image or a ZIP archive.
Files go as they are; only for a node that takes no compression they are decoded. What may pass (no
room, a lost association) is tried again. --commit asks the node to commit itself to keep what it
took, and hears the answer on the same or on a new association (to our --receiver address).
"""
EXAMPLES = (
    "mkiso send backup images",
    "mkiso send backup disc.iso --associations 2 --report sent.json",
    "mkiso send backup images --commit",
)
_SENDING = "Sending"
_CODES = (0, 64, 65, 73, 74, 75, 76, 77, 78, 84, 85)


@click.command("send", cls=GroupedCommand, help=_HELP, epilog=exit_code_table(_CODES, EXAMPLES))
@click.argument("node", shell_complete=node_names)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@combine(
    option("--associations", type=click.IntRange(1, 16), metavar="N", group=_SENDING,
           help="Associations at a time.  [default: the node's forward_associations]"),
    option("--report", "report_file", metavar="FILE", group=_SENDING,
           help="Write what became of each instance, as JSON."),
    option("--resume", is_flag=True, group=_SENDING,
           help="Do not send what --report says was taken by an earlier run."),
    option("--commit/--no-commit", default=False, group=_SENDING,
           help="Ask for storage commitment."),
    option("--commit-wait", type=click.FloatRange(1, 86400), default=60.0, show_default=True,
           metavar="SECONDS", group=_SENDING, help="How long to wait for the answer."),
    requested_by_option,
    long_tool_options,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, node: str, paths: tuple[str, ...], **given: Any) -> Report:
    """Send, and say what became of each."""
    if given["resume"] and not given["report_file"]:
        raise UsageError("--resume needs the --report of the earlier run.")
    tools = open_tools(session, given)
    chosen = tools.node(node)
    from mkiso.toolbox.sending import Sending, send_all  # noqa: PLC0415 - start-up time

    world = tools.world(has_trail=True)
    session.stop.outcome = "what the node took it has; --report and --resume go on from there"
    session.stop.only_note()
    sent = send_all(
        Sending(
            chosen,
            tools.calling_ae_title(chosen),
            tuple(map(Path, paths)),
            associations=given["associations"] or chosen.forward_associations,
            report_file=Path(given["report_file"]) if given["report_file"] else None,
            resume=given["resume"],
            commit=given["commit"],
            commit_seconds=given["commit_wait"],
            receiver=tools.job.receiver,
        ),
        world,
    )
    for reason, count in sorted(sent.not_sent.items()):
        world.warn(f"Files not sent: {count} ({reason}).")
    return Report(
        code=sent.error.code if sent.error else 0,
        message=sent.error.message if sent.error else _good_news(sent),
        details=sent.error.details if sent.error else (),
        command="send",
        forwarded=(sent.report(),),
        **world.report_fields(),
        answer=_answer(sent),
    )


def _good_news(sent: Sent) -> str:
    before = f", {sent.taken_before} before" if sent.taken_before else ""
    kept = " and is committed to keep them" if sent.commitment else ""
    return f"{sent.node.name} took {counted(sent.taken, 'instance')}{before}{kept}."


def _answer(sent: Sent) -> dict[str, Any]:
    answer: dict[str, Any] = {"not_sent": sent.not_sent} if sent.not_sent else {}
    if sent.commitment is not None:
        answer["committed"] = len(sent.commitment.committed)
        answer["not_committed"] = dict(sent.commitment.failed)
    return answer

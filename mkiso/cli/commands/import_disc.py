"""`mkiso import-disc`: a disc of others, compared with its directory and sent on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mkiso.cli.options import GroupedCommand, combine, exit_code_table, option
from mkiso.cli.query_options import long_tool_options, requested_by_option
from mkiso.cli.session import Session
from mkiso.cli.tools import open_tools
from mkiso.core.report import Report

_HELP = """Read a disc that somebody else made and send it to a node.

PATH is an image, a mounted or extracted disc, a drive, or a ZIP archive. Its DICOMDIR is read,
however it was written, and compared with the files; what is broken is told. Every DICOM file goes
to the node, whether DICOMDIR names it or not. 80 when it names files that are not there.
"""
EXAMPLES = ("mkiso import-disc /media/cdrom --forward backup",)
_CODES = (0, 64, 65, 66, 74, 75, 76, 77, 78, 80, 82, 84)


@click.command(
    "import-disc", cls=GroupedCommand, help=_HELP, epilog=exit_code_table(_CODES, EXAMPLES)
)
@click.argument("path", type=click.Path(path_type=Path))
@combine(
    option("--forward", required=True, metavar="NODE", group="Sending",
           help="Where it goes: AET@HOST:PORT or a configured name."),
    option("--associations", type=click.IntRange(1, 16), metavar="N", group="Sending",
           help="Associations at a time.  [default: the node's forward_associations]"),
    option("--several-patients", is_flag=True, group="Sending",
           help="A person has looked: the disc may hold objects of several patients."),
    requested_by_option,
    long_tool_options,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, path: Path, **given: Any) -> Report:
    """Judge, compare, send, and say how it went."""
    tools = open_tools(session, given)
    node = tools.node(given["forward"])
    from mkiso.toolbox.importing import import_disc  # noqa: PLC0415 - start-up time
    from mkiso.toolbox.sending import Sending  # noqa: PLC0415

    world = tools.world(has_trail=True)
    session.stop.only_note()
    sending = Sending(
        node,
        tools.calling_ae_title(node),
        (path,),
        associations=given["associations"] or node.forward_associations,
        receiver=tools.job.receiver,
    )
    done = import_disc(path, sending, world, several_patients=given["several_patients"])
    error = done.error
    return Report(
        code=error.code if error else 0,
        message=error.message if error else f"{node.name} took {done.sent.taken} instances.",
        details=error.details if error else (),
        command="import-disc",
        received=len(done.result.instances),
        findings=done.result.findings,
        forwarded=(done.sent.report(),),
        **world.report_fields(),
    )

"""`mkiso receive`: a storage SCP that runs until it is stopped."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.options import GroupedCommand, combine, exit_code_table, option
from mkiso.cli.query_options import sort_option, tool_options
from mkiso.cli.session import Session
from mkiso.cli.streams import text_argument
from mkiso.cli.tools import open_tools, print_lines
from mkiso.core.display_text import counted

if TYPE_CHECKING:
    from mkiso.core.audit_alerts import Stranger
    from mkiso.toolbox.receiving import Receiving
    from mkiso.toolbox.study_journal import StudyEvent

_HELP = """Receive what is sent to us with C-STORE, until SIGTERM or Ctrl-C.

A study that has been quiet for a while is an event: a line on stdout (with --json an object), and
a run of the --exec program. The program gets one JSON object on its stdin (study_instance_uid,
accession_number, modalities, instances, folder, files) and no arguments; it is tried three times.
Without --allow and --from everybody who reaches the port may send.
"""
EXAMPLES = (
    "mkiso receive --output incoming --sort patient",
    "mkiso receive --output incoming --quiet 60 --exec /usr/local/bin/new-study --allow CT1",
)
_WHO, _STUDY = "Who may send", "Studies"
_TICK_SECONDS = 0.2


@click.command(
    "receive",
    cls=GroupedCommand,
    help=_HELP,
    epilog=exit_code_table((0, 64, 70, 73, 74, 75, 77, 78), EXAMPLES),
)
@combine(
    option("--output", metavar="FOLDER", default=".", show_default=True, group="Output",
           help="Where the files go."),
    sort_option,
    option("--quiet", type=click.FloatRange(1, 86400), default=30.0, show_default=True,
           metavar="SECONDS", group=_STUDY, help="A study is an event after so long without an"
           " instance."),
    option("--exec", "program", metavar="PROGRAM", group=_STUDY,
           help="Run this for each event."),
    option("--exec-timeout", type=click.FloatRange(1, 86400), default=600.0, show_default=True,
           metavar="SECONDS", group=_STUDY, help="Kill the program after so long."),
    option("--allow", multiple=True, metavar="AET", group=_WHO,
           help="This AE title may send; may be repeated."),
    option("--from", "networks", multiple=True, metavar="ADDRESS", group=_WHO,
           help="From this address or network (10.1.0.0/16); may be repeated."),
    option("--sync/--no-sync", default=True, show_default=True, group="Output",
           help="Answer with success when an instance is on the disk, safe from a power cut;"
           " without it sooner, safe from our own end alone."),
    option("--associations", type=click.IntRange(1, 1000), default=64, show_default=True,
           metavar="N", group=_WHO, help="At most so many at a time; others are asked to wait."),
    tool_options,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, **given: Any) -> int:
    """Receive until a signal comes."""
    tools = open_tools(session, given)
    from mkiso.stages.audit import strangers_of  # noqa: PLC0415 - start-up time
    from mkiso.toolbox.receiving import StudyReceiver, transfers_of  # noqa: PLC0415

    receiving = _receiving(given, tools.job)
    as_json = given["as_json"]

    def show(event: StudyEvent) -> None:
        print_lines([json.dumps(event.content) if as_json else _line(event.content)])

    def tell(event: StudyEvent) -> None:
        show(event)
        message = f"{counted(event.content['instances'], 'instance')} received."
        transfers = transfers_of(event, receiving.folder)
        for warning in trail.end(world.job_id, 0, message, transfers, world.log):
            session.output.say(f"warning: {warning}")

    def tell_of_strangers(seen: list[Stranger]) -> None:
        new = [stranger for stranger in dict.fromkeys(seen) if stranger not in told]
        if not new:
            return
        told.update(new)
        message = f"{counted(len(new), 'sender')} turned away."
        for warning in trail.end(world.job_id, 77, message, (), world.log, strangers=new):
            session.output.say(f"warning: {warning}")

    def failed(error: Exception) -> None:
        session.record_crash(error)

    session.stop.only_note()
    world = tools.world(receiving.folder)
    trail = tools.trail()
    told: set[Stranger] = set()
    with StudyReceiver(receiving, world, event=tell, failed=failed) as running:
        address = receiving.address
        session.output.say(
            f"{address.ae_title} listening on {address.bind or 'all addresses'}, port "
            f"{address.port}, into {receiving.folder}."
        )
        while not session.stop.signal_number:
            time.sleep(_TICK_SECONDS)
            running.tick()
            tell_of_strangers(strangers_of(running.receiver.reception))
    return 0


def _receiving(given: dict[str, Any], job: Any) -> Receiving:
    from mkiso.core.addresses import require_ae_title  # noqa: PLC0415 - start-up time
    from mkiso.toolbox.receiving import Receiving, require_networks  # noqa: PLC0415
    from mkiso.toolbox.study_program import require_program  # noqa: PLC0415

    return Receiving(
        address=job.receiver,
        folder=Path(given["output"]),
        sort=given["sort"],
        program=require_program(given["program"]) if given["program"] else "",
        quiet_seconds=given["quiet"],
        program_seconds=given["exec_timeout"],
        ae_titles=tuple(require_ae_title(text_argument(title)) for title in given["allow"]),
        networks=require_networks(given["networks"]),
        minimum_free_bytes=job.minimum_free_bytes,
        maximum_associations=given["associations"],
        durable=given["sync"],
    )


def _line(content: dict[str, Any]) -> str:
    modalities = ", ".join(content["modalities"]) or "?"
    return (
        f"study {content['study_instance_uid']}: {counted(content['instances'], 'instance')} "
        f"({modalities}) in {content['folder']}"
    )

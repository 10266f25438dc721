"""`mkiso archive`: a folder of DICOM files as an archive, for the demo, tests and small sites."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.options import GroupedCommand, exit_code_table, option
from mkiso.cli.progress import make_view
from mkiso.cli.session import Session
from mkiso.cli.streams import write_line
from mkiso.core.addresses import parse_node, require_ae_title
from mkiso.core.context import Progress
from mkiso.errors import MkisoError

if TYPE_CHECKING:
    from mkiso.archive.index import Contents
    from mkiso.archive.server import EmbeddedArchive

_HELP = """Serve the DICOM files in FOLDER, and below it, as an archive, until SIGTERM or Ctrl-C.

Everybody who reaches the port can read everything: it listens on this machine only unless --bind
says otherwise. What is sent to it is kept in FOLDER/received.
"""
_OPTIONS = "Options"
_TICK_SECONDS = 0.2


@click.command(
    "archive",
    cls=GroupedCommand,
    help=_HELP,
    epilog=exit_code_table((0, 64, 70, 73, 75, 77, 78, 130, 143)),
)
@click.argument("folder")
@option("--aet", default="ABPACS", show_default=True, metavar="AET", group=_OPTIONS,
        help="The archive's AE title.")  # fmt: skip
@option("--port", type=click.IntRange(0, 65535), default=11112, show_default=True, group=_OPTIONS,
        help="The port; 0 takes a free one.")  # fmt: skip
@option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", group=_OPTIONS,
        help="The address to listen on; 0.0.0.0 or :: is all of them.")  # fmt: skip
@option("--destination", "destinations", multiple=True, metavar="AET=HOST:PORT", group=_OPTIONS,
        help="A node that a C-MOVE may name; may be repeated.")  # fmt: skip
@option("--index", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", group=_OPTIONS,
        help="Where to keep the index.  [default: in FOLDER; in memory where that is not"
        " writable]")  # fmt: skip
@option("-v", "--verbose", is_flag=True, group=_OPTIONS,
        help="Say what goes wrong with associations.")  # fmt: skip
@click.pass_obj
def command(session: Session, /, folder: str, **given: Any) -> int:
    """Serve until a signal comes."""
    from mkiso.archive.server import EmbeddedArchive  # noqa: PLC0415 - start-up time
    from mkiso.storage.workspace import harden_process  # noqa: PLC0415 - start-up time

    harden_process()  # the index holds names

    view = make_view("auto")

    def failed(error: Exception) -> None:
        session.record_crash(error)

    def peer_failed(address: str, error: MkisoError) -> None:
        if given["verbose"]:
            view.line(f"{address}: {error.message}")

    archive = EmbeddedArchive(
        Path(folder),
        require_ae_title(given["aet"]),
        "" if given["bind"] in ("0.0.0.0", "::") else given["bind"],
        given["port"],
        dict(map(_destination, given["destinations"])),
        index_file=given["index"],
        progress=lambda done, total: view.show(Progress("index", done, total)),
        failed=failed,
        peer_failed=peer_failed,
    )
    session.stop.only_note()
    view.close()
    with archive:
        write_line(sys.stdout, ready_line(archive, given["bind"]))
        if archive.index_file is None:
            view.line("warning: FOLDER is not writable; the index is lost when the archive stops.")
        while not session.stop.signal_number:
            time.sleep(_TICK_SECONDS)
    return 0


def ready_line(archive: EmbeddedArchive, address: str) -> str:
    """Return the line that says where the archive listens and what it holds."""
    contents = archive.contents
    destinations = ", ".join(
        f"{d.ae_title}={d.host}:{d.port}" for d in archive.destinations.values()
    )
    return (
        f"{archive.ae_title} listening on {address}:{archive.port}, "
        f"{contents.instances} instances of {contents.studies} studies"
        f"{_not_served(contents)}; destinations {destinations or 'none'}"
    )


def _not_served(contents: Contents) -> str:
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(contents.skipped.items()))
    return f" (not served: {skipped})" if skipped else ""


def _destination(text: str) -> tuple[str, tuple[str, int]]:
    """Return a destination written AET=HOST:PORT (or AET@HOST:PORT)."""
    node = parse_node(text if "@" in text else text.replace("=", "@", 1))
    return node.ae_title, (node.host, node.port)

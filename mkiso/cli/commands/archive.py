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
from mkiso.core.job import Tls
from mkiso.errors import MkisoError, UsageError

if TYPE_CHECKING:
    from mkiso.archive.index import Contents
    from mkiso.archive.server import EmbeddedArchive

_HELP = """Serve the DICOM files in FOLDER, and below it, as an archive.

SIGTERM or Ctrl-C end it in good order, with code 0.

Everybody who reaches the port can read everything, unless --allow says who may do what: it listens
on this machine only unless --bind says otherwise. What is sent to it is kept in FOLDER/received.
Storage commitment is answered where it was asked for, or at the --destination that has the AE title
of the one who asks.
"""
EXAMPLES = (
    "mkiso archive images --destination CDRECORD=127.0.0.1:10104",
    "mkiso archive images --allow 'CT1=store,commit' --allow 'WS1@10.1.0.0/16=find,move'",
    "mkiso archive images --worklist orders --mpps steps",
)
_OPTIONS = "Options"
_TICK_SECONDS = 0.2


@click.command(
    "archive",
    cls=GroupedCommand,
    help=_HELP,
    epilog=exit_code_table((0, 64, 70, 73, 75, 77, 78), EXAMPLES),
)
@click.argument("folder")
@option("--aet", "ae_titles", multiple=True, default=("ABPACS",), show_default=True, metavar="AET",
        group=_OPTIONS, help="The archive's AE title; may be repeated.")  # fmt: skip
@option("--port", type=click.IntRange(0, 65535), default=11112, show_default=True, group=_OPTIONS,
        help="The port; 0 takes a free one.")  # fmt: skip
@option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", group=_OPTIONS,
        help="The address to listen on; 0.0.0.0 or :: is all of them.")  # fmt: skip
@option("--destination", "destinations", multiple=True, metavar="AET=HOST:PORT", group=_OPTIONS,
        help="A node that a C-MOVE may name; may be repeated.")  # fmt: skip
@option("--allow", "rules", multiple=True, metavar="RULE", group=_OPTIONS,
        help="AET[@ADDRESS][=find,move,get,store,commit,worklist,mpps]: who may do what; * is any"
        " AE title; may be repeated.  [default: everybody everything]")  # fmt: skip
@option("--worklist", type=click.Path(path_type=Path), metavar="FOLDER", group=_OPTIONS,
        help="Offer a modality worklist: the items in the JSON and CSV files of FOLDER.",
        )  # fmt: skip
@option("--mpps", type=click.Path(path_type=Path), metavar="FOLDER", group=_OPTIONS,
        help="Take performed procedure steps into FOLDER, a JSON file each.")  # fmt: skip
@option("--tls-certificate", metavar="FILE", group=_OPTIONS,
        help="DICOM TLS, to us and to all destinations, with this certificate.")  # fmt: skip
@option("--tls-key", metavar="FILE", group=_OPTIONS,
        help="Its private key.  [default: in the file of the certificate]")  # fmt: skip
@option("--tls-ca-file", metavar="FILE", group=_OPTIONS,
        help="Who signs the certificates of the others; who connects must show one.")  # fmt: skip
@option("--index", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", group=_OPTIONS,
        help="Where to keep the index.  [default: in FOLDER; in memory where that is not"
        " writable]")  # fmt: skip
@option("-v", "--verbose", is_flag=True, group=_OPTIONS,
        help="Say what goes wrong with associations.")  # fmt: skip
@click.pass_obj
def command(session: Session, /, folder: str, **given: Any) -> int:
    """Serve until a signal comes."""
    from mkiso.archive.access import AccessRules, parse_rule  # noqa: PLC0415 - start-up time
    from mkiso.archive.server import EmbeddedArchive, Extras  # noqa: PLC0415
    from mkiso.storage.workspace import harden_process  # noqa: PLC0415 - start-up time

    ae_titles = tuple(map(require_ae_title, given["ae_titles"]))
    rules = [parse_rule(text) for text in given["rules"]]
    harden_process()  # the index holds names

    view = make_view("auto")

    def failed(error: Exception) -> None:
        session.record_crash(error)

    def peer_failed(address: str, error: MkisoError) -> None:
        if given["verbose"]:
            view.line(f"{address}: {error.message}")

    archive = EmbeddedArchive(
        Path(folder),
        ae_titles[0],
        "" if given["bind"] in ("0.0.0.0", "::") else given["bind"],
        given["port"],
        dict(map(_destination, given["destinations"])),
        extras=Extras(ae_titles[1:], AccessRules(rules), given["worklist"], given["mpps"]),
        tls=_tls(given["tls_certificate"], given["tls_key"], given["tls_ca_file"]),
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
        f"{', '.join(archive.ae_titles)} listening on {address}:{archive.port}, "
        f"{contents.instances} instances of {contents.studies} studies"
        f"{_not_served(contents)}; destinations {destinations or 'none'}"
    )


def _not_served(contents: Contents) -> str:
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(contents.skipped.items()))
    return f" (not served: {skipped})" if skipped else ""


def _tls(certificate: str | None, key: str | None, ca_file: str | None) -> Tls | None:
    """Return the TLS of the options. Raises UsageError when only the certificate is missing."""
    if certificate is None:
        if key or ca_file:
            raise UsageError("TLS needs a certificate: --tls-certificate FILE.")
        return None
    return Tls(ca_file or "", certificate, key or "")


def _destination(text: str) -> tuple[str, tuple[str, int]]:
    """Return a destination written AET=HOST:PORT (or AET@HOST:PORT)."""
    node = parse_node(text if "@" in text else text.replace("=", "@", 1))
    return node.ae_title, (node.host, node.port)

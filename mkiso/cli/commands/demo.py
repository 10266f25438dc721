"""`mkiso demo`: an archive with made-up patients, a real disc from it, and a refusal."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import mkiso
from mkiso.cli.options import GroupedCommand, exit_code_table, option
from mkiso.cli.progress import make_view
from mkiso.cli.session import Session
from mkiso.cli.streams import write_line
from mkiso.core.context import Progress
from mkiso.core.display_text import size_text
from mkiso.errors import AmbiguousError, InternalError

_HELP = """Make a disc from made-up patients, without any archive of yours.

An archive with their images is started on this machine; the disc comes from it over the network,
by the command that is printed. Then an accession number that two patients have is refused.
Settings of yours are not used, and the job's log is in FOLDER/.mkiso-state.
"""
_AE_TITLE, _RECEIVER = "ABPACS", "CDRECORD"
_STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class _Run:
    """How a run of `mkiso make` ended."""

    code: int
    report: dict[str, Any]


@click.command("demo", cls=GroupedCommand, help=_HELP, epilog=exit_code_table())
@option("--output", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"),
        show_default=True, metavar="FOLDER", group="Options",
        help="Folder of the disc image.")  # fmt: skip
@option("--progress", type=click.Choice(["auto", "json", "none"]), default="auto",
        show_default=True, group="Options",
        help="On stderr: bars when it is a terminal, JSON lines, or nothing.")  # fmt: skip
@click.pass_obj
def command(session: Session, /, output: Path, progress: str) -> int:
    """Show both; 0 when the disc was made and the ambiguous number was refused."""
    from mkiso.archive import demo_patient  # noqa: PLC0415 - start-up time
    from mkiso.archive.server import EmbeddedArchive  # noqa: PLC0415

    session.output.configure(progress="none")
    with tempfile.TemporaryDirectory(prefix="mkiso-demo-") as name:
        folder = Path(name)
        _write_patients(folder / "images", progress)
        receiver_port = _free_port()
        with EmbeddedArchive(
            folder / "images",
            _AE_TITLE,
            destinations={_RECEIVER: ("127.0.0.1", receiver_port)},
        ) as archive:
            options = [
                *("--archive", f"{_AE_TITLE}@127.0.0.1:{archive.port}"),
                *("--receiver", f"{_RECEIVER}@127.0.0.1:{receiver_port}"),
                *("--output", str(output)),
            ]
            run = _Runner(options, _settings(folder, output), progress)
            write_line(
                sys.stdout, "\nAn archive runs on this machine while the demonstration lasts."
            )
            made = run.make(demo_patient.ACCESSION_NUMBER)
            if made.code != 0:
                return made.code
            _show_disc(made.report)
            refused = run.make(demo_patient.AMBIGUOUS_ACCESSION_NUMBER)
            _show_refusal(refused, demo_patient.AMBIGUOUS_ACCESSION_NUMBER)
    return 0


def _write_patients(folder: Path, progress: str) -> None:
    from mkiso.archive.demo_patient import write_demo_patients  # noqa: PLC0415 - start-up time

    view = make_view(progress)
    view.line("Writing the images of made-up patients ...")
    write_demo_patients(folder, lambda done, total: view.show(Progress("images", done, total)))
    view.close()


def _settings(folder: Path, output: Path) -> dict[str, str]:
    """Return an environment without the site's settings, and with a state folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MKISO_")}
    package = str(Path(mkiso.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH", ""))))
    empty = folder / "empty.toml"
    empty.touch()
    state = output.absolute() / ".mkiso-state"
    return {**kept, "PYTHONPATH": path, "MKISO_CONFIG": str(empty), "MKISO_STATE": str(state)}


@dataclass(frozen=True, slots=True)
class _Runner:
    """Runs `mkiso make` as a program of its own, its progress on our stderr."""

    options: Sequence[str]
    environment: Mapping[str, str]
    progress: str

    def make(self, accession_number: str) -> _Run:
        """Say what is run, run it, return how it ended."""
        arguments = ["make", accession_number, *self.options]
        write_line(sys.stdout, f"\nRunning: mkiso {shlex.join(arguments)}")
        process = subprocess.Popen(
            [sys.executable, "-m", "mkiso", *arguments, "--json", "--progress", self.progress],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=self.environment,
        )
        try:
            stdout, _ = process.communicate()
        except BaseException:  # a signal: the run cleans up behind itself
            process.terminate()
            process.communicate(timeout=_STOP_SECONDS)
            raise
        try:
            return _Run(process.returncode, json.loads(stdout))
        except json.JSONDecodeError as error:
            raise InternalError(
                f"mkiso make ended with {process.returncode} and without a report."
            ) from error


def _show_disc(report: dict[str, Any]) -> None:
    """Print what is on the disc and how to open it."""
    modalities: dict[str, int] = {}
    for study in report["studies"]:
        for modality, count in study["modalities"].items():
            modalities[modality] = modalities.get(modality, 0) + count
    rows = [(modality, str(count)) for modality, count in sorted(modalities.items())]
    rows.append(("all", str(report["received"])))
    write_line(sys.stdout, "")
    _print_table(("Modality", "Instances"), rows)
    for disc in report["discs"]:
        path = disc["path"]
        write_line(sys.stdout, f"\nThe disc: {path} ({size_text(disc['size_bytes'])})")
        write_line(sys.stdout, _HOW_TO_OPEN.format(path=shlex.quote(path)))


_HOW_TO_OPEN = """
Open it: double-click it (Windows, macOS), or
  sudo mount -o loop,ro {path} /mnt        then open /mnt/INDEX.HTM in a browser
  xorriso -osirrox on -indev {path} -extract / disc    without root
  mkiso verify {path}                      judges it as mkiso did
Burn it: mkiso burn {path} --device /dev/sr0"""


def _print_table(head: tuple[str, str], rows: list[tuple[str, str]]) -> None:
    """Print two columns: a drawn table on a terminal, plain text otherwise."""
    if sys.stdout is not None and sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - start-up time
        from rich.table import Table  # noqa: PLC0415

        table = Table()
        table.add_column(head[0])
        table.add_column(head[1], justify="right")
        for row in rows:
            table.add_row(*row)
        Console().print(table)
        return
    for left, right in (head, *rows):
        write_line(sys.stdout, f"{left:<10}{right:>10}")


def _show_refusal(run: _Run, accession_number: str) -> None:
    """Print why there is no second disc. Raises InternalError when there is one."""
    if run.code != AmbiguousError.code:
        raise InternalError(
            f"{accession_number} is two patients' number, and mkiso make ended with {run.code} "
            f"instead of {AmbiguousError.code}."
        )
    write_line(
        sys.stdout,
        f"\nRefused, as it must be: exit code {run.code}, {run.report['name']}.",
    )


def _free_port() -> int:
    """Return a port of this machine that is free at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])

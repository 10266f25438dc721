"""`mkiso watch`: folders of patients in, corrected, sent, archived."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.options import GroupedCommand, combine, exit_code_table, option
from mkiso.cli.query_options import tool_options
from mkiso.cli.session import Session, new_job_id
from mkiso.cli.tools import Tools, open_tools, print_lines
from mkiso.core.report import Report
from mkiso.errors import CantCreateError, ConfigError, MkisoError, TemporaryError, UsageError

if TYPE_CHECKING:
    from mkiso.core.config import WatchTable
    from mkiso.importer.logs import ImportLogs
    from mkiso.importer.outcome import ImportOutcome
    from mkiso.importer.settings import ImportSettings
    from mkiso.importer.watching import Importer

_HELP = """Import the patients' folders that are put into FOLDER, until SIGTERM or Ctrl-C.

A folder's name says whose images it holds, such as #12345-HongGildong: PatientID and PatientName
are set in copies of its files, which are sent to every --forward node. Only a folder that nobody
has changed for --settle is touched; when every node has everything it is moved to the archive.
What cannot be imported is moved to rejected/ with a reason file. docs/importer.md has the rest.
"""
EXAMPLES = (
    "mkiso watch /dicom/import --forward pacs --forward backup --archive-to /dicom/archived",
    "mkiso watch /dicom/import --forward pacs --once --keep 90d",
    "mkiso watch /dicom/import --make-disc --output /srv/discs",
)
_HOW, _WHERE, _DISC = "Watching", "Where to", "Disc"
_CODES = (0, 10, 64, 65, 70, 73, 74, 75, 77, 78, 81, 84, 143)
_SETTLE, _KEEP_LOGS, _PAUSE = "180s", "90d", "60s"


@click.command("watch", cls=GroupedCommand, help=_HELP, epilog=exit_code_table(_CODES, EXAMPLES))
@click.argument("folder")
@combine(
    option("--forward", multiple=True, metavar="NODE", group=_WHERE,
           help="Send to this node; may be repeated, all at once.  [default: as configured]"),
    option("--archive-to", metavar="DIR", group=_WHERE,
           help="Where folders go that every node has.  [default: FOLDER/archived]"),
    option("--rejected-to", metavar="DIR", group=_WHERE,
           help="Where goes what cannot be imported.  [default: FOLDER/rejected]"),
    option("--settle", metavar="TIME", group=_HOW,
           help="How long nobody must have changed a folder.  [default: 180s]"),
    option("--once", is_flag=True, group=_HOW,
           help="Import what has settled and end, for cron. What still changes is left."),
    option("--poll/--no-poll", default=None, group=_HOW,
           help="Look every few seconds instead of waiting for events.  [default: on network"
           " shares]"),
    option("--keep", metavar="TIME", group=_HOW,
           help="Remove archived folders that are older, such as 90d.  [default: never]"),
    option("--keep-logs", metavar="TIME", group=_HOW,
           help="Remove logs of imports that are older.  [default: 90d]"),
    option("--pattern", metavar="REGEX", group=_HOW,
           help="How folders are named, with the groups patient_id and patient_name."),
    option("--unicode/--no-unicode", default=None, group=_HOW,
           help="Allow names beyond ASCII, such as #12345-홍길동."),
    option("--make-disc", is_flag=True, group=_DISC,
           help="Make a disc of each folder, too; without --forward nothing else."),
    option("--output", metavar="FOLDER", group=_DISC,
           help="Folder of the disc images.  [default: as configured]"),
    tool_options,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, folder: str, **given: Any) -> Report | int:
    """Watch, or import once."""
    tools = open_tools(session, given, "forward", "output")
    table = _table(tools, given)
    settings = _settings(Path(folder).absolute(), tools, table, make_disc=given["make_disc"])
    logs = _logs(tools, table)
    logs.remove_old()
    outcomes: list[ImportOutcome] = []

    trail = tools.trail()

    def audit(job_id: str, code: int, message: str) -> None:
        moved, logs.transfers = logs.transfers, []
        for warning in trail.end(job_id, code, message, moved, logs.combined):
            session.output.say(f"warning: {warning}")

    def audit_the_unfinished() -> None:
        if logs.transfers:
            audit(logs.job_id, TemporaryError.code, "Stopped; the next run goes on.")

    def ended(outcome: ImportOutcome) -> None:
        logs.combined(outcome.line())
        if logs.transfers or not outcome.is_open:
            audit(outcome.job_id, outcome.code, outcome.message)
        _keep_report(session, outcome)
        logs.close()
        logs.remove_old()
        if given["once"]:
            outcomes.append(outcome)
        elif given["as_json"]:
            print_lines([json.dumps(outcome.plain())])
        else:
            print_lines([outcome.line()])

    session.stop.only_note()
    with contextlib.ExitStack() as stack:
        importer = _importer(tools, settings, logs, ended, stack)
        stack.callback(logs.close)
        stack.callback(audit_the_unfinished)
        if given["once"]:
            importer.round()
            return _once_report(session, outcomes, importer.left)
        _watch(importer, session)
    return 0


def _watch(importer: Importer, session: Session) -> None:
    """Watch until a signal comes, which is how it is meant to end."""
    places = importer.settings.places
    how = "looking every few seconds" if importer.settings.poll else "by events"
    session.output.say(
        f"Watching {places.root} {how}; archive {places.archive}, rejected {places.rejected}."
    )
    try:
        importer.watch()
    except MkisoError:
        if not session.stop.signal_number:
            raise
        session.output.say("Stopped; what is not done is done by the next run.")


def _importer(
    tools: Tools, settings: ImportSettings, logs: ImportLogs, ended: Any, stack: Any
) -> Importer:
    """Return the importer, holding its folder and its ledger until `stack` ends."""
    from mkiso.importer.logs import PREFIX  # noqa: PLC0415 - start-up time
    from mkiso.importer.watching import Importer  # noqa: PLC0415
    from mkiso.storage.import_ledger import ImportLedger  # noqa: PLC0415
    from mkiso.storage.ledger_file import FILE_NAME  # noqa: PLC0415
    from mkiso.toolbox.world import World  # noqa: PLC0415

    session = tools.session
    assert session.state_folder is not None  # noqa: S101 - `_logs` has seen to it
    ledger = ImportLedger(session.state_folder / FILE_NAME)
    stack.callback(ledger.close)
    importer = Importer(
        settings,
        ledger,
        World(
            say=session.output.say,
            log=logs.combined,
            require_running=session.stop.require_running,
        ),
        make_job_id=lambda: f"{PREFIX}{new_job_id()}",
        make_disc_id=new_job_id,
        job_world=logs.world,
        ended=ended,
    )
    stack.enter_context(importer.open())
    return importer


def _table(tools: Tools, given: dict[str, Any]) -> WatchTable:
    """Return the options over the configuration's [watch]."""
    from mkiso.core.config import Config, WatchTable, overlay  # noqa: PLC0415 - start-up time

    words = {word: given[word] for word in WatchTable.__struct_fields__ if word in given}
    return overlay(tools.config, Config(watch=WatchTable(**words))).watch


def _settings(root: Path, tools: Tools, table: WatchTable, *, make_disc: bool) -> ImportSettings:
    """Return how to import. Raises UsageError or ConfigError."""
    from mkiso.core.durations import parse_duration  # noqa: PLC0415 - start-up time
    from mkiso.core.folder_names import FolderNames  # noqa: PLC0415
    from mkiso.importer.delivering import Destinations  # noqa: PLC0415
    from mkiso.importer.places import Places  # noqa: PLC0415
    from mkiso.importer.settings import ImportSettings  # noqa: PLC0415
    from mkiso.storage.folder_events import is_remote  # noqa: PLC0415

    job = tools.job
    if not job.forward and not make_disc:
        raise UsageError("There is nowhere to send to: give --forward NODE, or --make-disc.")
    if job.deidentify:
        raise ConfigError(
            "The configuration says [job] deidentify, and an importer does not de-identify: what "
            "it sends has the folder's name. For this run, say --set job.deidentify= (nothing)."
        )
    places = Places(
        root,
        _place(table.archive_to, root / "archived"),
        _place(table.rejected_to, root / "rejected"),
    )
    return ImportSettings(
        places,
        Destinations(_distinct(job.forward), job.receiver.ae_title),
        FolderNames(
            table.pattern or "", unicode=bool(table.unicode), hash_means=table.hash_means or "#"
        ),
        settle_seconds=parse_duration(table.settle or _SETTLE, "--settle"),
        issuer=table.issuer or "",
        keep_seconds=parse_duration(table.keep, "--keep") if table.keep else None,
        first_pause_seconds=parse_duration(table.first_pause or _PAUSE, "watch.first_pause"),
        poll=is_remote(root) if table.poll is None else table.poll,
        disc=job if make_disc else None,
    )


def _place(given: str | None, default: Path) -> Path:
    return Path(given).absolute() if given else default


def _distinct(nodes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the nodes, each application entity once."""
    return tuple({(node.ae_title, node.host, node.port): node for node in nodes}.values())


def _logs(tools: Tools, table: WatchTable) -> ImportLogs:
    """Return where the logs go. Raises CantCreateError when there is no state folder."""
    import dataclasses  # noqa: PLC0415 - start-up time

    from mkiso.core.durations import parse_duration  # noqa: PLC0415
    from mkiso.importer.logs import ImportLogs  # noqa: PLC0415

    session = tools.session
    session.begin_job(dataclasses.replace(tools.job, job_id=""))
    if session.state_folder is None:
        raise CantCreateError("There is no folder for logs and ledger; name one: [state] folder.")
    return ImportLogs(
        session.state_folder,
        parse_duration(table.keep_logs or _KEEP_LOGS, "--keep-logs", ConfigError),
        live=session.output.say if session.output.verbose else None,
        progress=session.output.progress,
        require_running=session.stop.require_running,
    )


def _keep_report(session: Session, outcome: ImportOutcome) -> None:
    """Write the report that `mkiso status` shows."""
    from mkiso.storage.state_folder import write_report  # noqa: PLC0415 - start-up time

    report = Report(
        code=outcome.code,
        message=outcome.message,
        command="watch",
        job=outcome.job_id,
        accessions=outcome.accession_numbers,
        received=outcome.instances,
        discs=outcome.discs,
        forwarded=outcome.forwarded,
        details=outcome.reasons,
        log=outcome.log,
    )
    if session.state_folder is not None:
        with contextlib.suppress(OSError):
            write_report(session.state_folder, outcome.job_id, report.to_dict())


def _once_report(session: Session, outcomes: list[ImportOutcome], left: int) -> Report:
    from mkiso.importer.outcome import conclusion  # noqa: PLC0415 - start-up time

    session.stop.require_running()
    code, message = conclusion(outcomes, left)
    return Report(
        code=code,
        message=message,
        command="watch",
        details=tuple(each.line() for each in outcomes if each.code),
        discs=tuple(disc for each in outcomes for disc in each.discs),
        answer={"imports": [each.plain() for each in outcomes], "left": left},
    )

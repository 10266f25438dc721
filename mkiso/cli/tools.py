"""What the commands of the toolbox have in common: configuration, nodes, the job's surroundings."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.session import Session, load_config
from mkiso.cli.streams import text_argument, write_line

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from mkiso.core.config import Config
    from mkiso.core.job import Job, Node
    from mkiso.core.report import Report
    from mkiso.toolbox.trail import Trail
    from mkiso.toolbox.world import World

#: Options of the toolbox that are settings of a job, too, under these words.
_SETTING_WORDS = ("receiver", "assignments", "archive", "requested_by")


@dataclass(frozen=True, slots=True)
class Tools:
    """The settings of a run: a job that asks for nothing, and the whole configuration."""

    job: Job
    config: Config
    session: Session

    def node(self, text: str | None) -> Node:
        """Return the node of an argument; the archive when there is none. Raises UsageError."""
        from mkiso.core.nodes import choose_node  # noqa: PLC0415 - start-up time
        from mkiso.errors import UsageError  # noqa: PLC0415

        if text is None:
            return self.job.archive
        return choose_node(text_argument(text), self.config, UsageError)

    def calling_ae_title(self, node: Node) -> str:
        """Return the AE title that we have towards a node."""
        return node.calling_ae_title or self.job.receiver.ae_title

    def world(self, output_folder: Path | None = None, *, has_trail: bool = False) -> World:
        """Return the surroundings of a tool, with a log of its own in the state folder.

        `output_folder` is where that folder may be when there is none elsewhere. `has_trail`: what
        it moves goes into the audit trail when the command has ended, however it ends.
        """
        import dataclasses  # noqa: PLC0415 - start-up time

        from mkiso.cli.session import new_job_id  # noqa: PLC0415
        from mkiso.storage.job_log import JobLog  # noqa: PLC0415
        from mkiso.storage.state_folder import log_path, remove_old  # noqa: PLC0415
        from mkiso.toolbox.world import World  # noqa: PLC0415

        session = self.session
        folder = output_folder or self.job.output_folder
        job = dataclasses.replace(self.job, job_id=new_job_id(), output_folder=folder)
        state = session.begin_job(job).state_folder
        if state is not None:
            remove_old(state)
        log = JobLog(
            log_path(state, job.job_id) if state else None,
            session.output.say if session.output.verbose else None,
        )
        click.get_current_context().call_on_close(log.close)
        log(f"{session.command} {job.job_id}")
        world = World(
            say=session.output.say,
            log=log,
            progress=session.output.progress,
            require_running=session.stop.require_running,
            job_id=job.job_id,
            log_path=str(log.path or ""),
        )
        if has_trail:
            session.trail = functools.partial(_audited, self.trail(), world)
        return world

    def trail(self) -> Trail:
        """Return the audit trail of the command; the state folder is known when `world` is."""
        from mkiso.toolbox.trail import Trail  # noqa: PLC0415 - start-up time

        return Trail(self.session.command, self.job, self.session.state_folder)

    @property
    def log(self) -> Callable[[str], None]:
        """What takes the lines of the log: a person, with -v."""
        return self.session.output.say if self.session.output.verbose else _silent


def _audited(trail: Trail, world: World, report: Report) -> Report:
    import dataclasses  # noqa: PLC0415 - start-up time

    warnings = trail.end(
        world.job_id,
        report.code,
        report.message,
        world.transfers,
        world.log,
        strangers=world.strangers,
    )
    return dataclasses.replace(report, warnings=(*report.warnings, *warnings))


def open_tools(session: Session, given: Mapping[str, Any], *words: str) -> Tools:
    """Configure the output and return the settings; `words` are further options that are some."""
    session.output.configure(
        as_json=given.get("as_json", False),
        progress=given.get("progress", "none"),
        verbose=given.get("verbose", False),
    )
    session.stop.outcome = ""  # of a question; who moves instances says more
    from mkiso.cli import request  # noqa: PLC0415 - start-up time
    from mkiso.storage.workspace import harden_process  # noqa: PLC0415

    harden_process()
    file, _ = load_config(given.get("config"))
    line = request.command_line(
        {word: given[word] for word in (*_SETTING_WORDS, *words) if word in given}
    )
    job, config = request.resolve_settings(line, file, os.environ)
    return Tools(job, config, session)


def today() -> date:
    """Return the day it is here."""
    from datetime import datetime  # noqa: PLC0415 - start-up time

    return datetime.now().astimezone().date()


def print_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    for line in lines:
        write_line(sys.stdout, line)


def terminal_width() -> int | None:
    """Return the width of the terminal in cells; None when stdout is none."""
    import shutil  # noqa: PLC0415 - start-up time

    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def _silent(_line: str) -> None:
    """Without -v nobody reads the log."""

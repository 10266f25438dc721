"""What the commands of the toolbox have in common: configuration, nodes, the job's surroundings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mkiso.cli.session import Session, load_config
from mkiso.cli.streams import text_argument, write_line

if TYPE_CHECKING:
    from datetime import date

    from mkiso.core.config import Config
    from mkiso.core.job import Job, Node
    from mkiso.toolbox.world import World

#: Options of the toolbox that are settings of a job, too, under these words.
_SETTING_WORDS = ("receiver", "assignments", "archive")


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

    def world(self) -> World:
        """Return the surroundings of a tool."""
        from mkiso.toolbox.world import World  # noqa: PLC0415 - start-up time

        return World(
            say=self.session.output.say,
            log=self.log,
            progress=self.session.output.progress,
            require_running=self.session.stop.require_running,
        )

    @property
    def log(self) -> Callable[[str], None]:
        """What takes the lines of the log: a person, with -v."""
        return self.session.output.say if self.session.output.verbose else _silent


def open_tools(session: Session, given: Mapping[str, Any], *words: str) -> Tools:
    """Configure the output and return the settings; `words` are further options that are some."""
    session.output.configure(
        as_json=given.get("as_json", False),
        progress=given.get("progress", "none"),
        verbose=given.get("verbose", False),
    )
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

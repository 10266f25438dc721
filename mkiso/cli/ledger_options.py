"""Where the ledger and the state folder are, for commands that look at jobs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkiso.cli.options import combine, config_options, option
from mkiso.cli.session import Session, load_config
from mkiso.errors import NotFoundError

if TYPE_CHECKING:
    from mkiso.storage.ledger_access import LedgerFile

ledger_options = combine(
    option("--jobs-db", metavar="FILE", group="Ledger",
           help="The ledger of jobs.  [default: ledger.sqlite3 in the state folder]"),
    option("--output", metavar="FOLDER", group="Ledger",
           help="Folder of the disc images, where the state folder may be.  [default: as"
           " configured]"),
    config_options,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """The state folder, if there is one, and the ledger, which may be elsewhere."""

    state_folder: Path | None
    path: Path | None

    def open(self) -> LedgerFile:
        """Open the ledger. Raises NotFoundError when there is none, DiskError."""
        from mkiso.storage.ledger_access import LedgerFile  # noqa: PLC0415 - start-up time

        if self.path is None or not self.path.is_file():
            where = f" at {self.path}" if self.path else ""
            raise NotFoundError(f"There is no ledger{where}; name it with --jobs-db.")
        return LedgerFile(self.path)


def ledger_of(session: Session, given: dict[str, Any]) -> LedgerPlace:
    """Return where the ledger is, by options, configuration and environment."""
    from mkiso.cli import request  # noqa: PLC0415 - start-up time
    from mkiso.storage.ledger_file import FILE_NAME  # noqa: PLC0415 - start-up time

    options = {word: given[word] for word in ("output", "assignments")}
    file, _ = load_config(given["config"])
    base, _ = request.resolve_settings(request.command_line(options), file, os.environ)
    session.begin_job(base)
    folder = session.state_folder
    named = Path(given["jobs_db"]).absolute() if given["jobs_db"] else None
    return LedgerPlace(folder, named or (folder / FILE_NAME if folder else None))

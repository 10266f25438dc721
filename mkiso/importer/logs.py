"""The log of each import, and all of them in one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from mkiso.core.audit_transfers import Transfer
from mkiso.core.context import Progress
from mkiso.storage.combined_log import CombinedLog
from mkiso.storage.job_log import JobLog
from mkiso.storage.state_folder import log_path
from mkiso.toolbox.world import World

#: Imports are told from other jobs by it: their logs have an age of their own.
PREFIX = "import-"
COMBINED = "import.log"


class ImportLogs:
    """One log an import in the state folder, every line in the combined one as well."""

    def __init__(
        self,
        state_folder: Path,
        keep_seconds: float,
        *,
        live: Callable[[str], None] | None,
        progress: Callable[[Progress], None],
        require_running: Callable[[], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Write into `state_folder`; `live` gets each line as well."""
        self.combined = CombinedLog(state_folder / COMBINED, keep_seconds, now)
        self._state_folder = state_folder
        self._keep_seconds = keep_seconds
        self._live = live
        self._progress = progress
        self._require_running = require_running
        self._now = now
        self._log = JobLog(None)
        self.job_id = ""  # of the import that `world` was made for last
        self.transfers: list[Transfer] = []  # of the same, for the audit trail

    def world(self, job_id: str) -> World:
        """Return the surroundings of an import; the log of the one before is closed."""
        self.close()
        self._log = log = JobLog(log_path(self._state_folder, job_id))
        self.job_id, self.transfers = job_id, []

        def write(line: str) -> None:
            shown = log.note(line)
            self.combined(f"{job_id}: {shown}")
            if self._live is not None:
                self._live(shown)

        return World(
            say=write,
            log=write,
            progress=self._progress,
            require_running=self._require_running,
            job_id=job_id,
            log_path=str(log.path or ""),
            transfers=self.transfers,
        )

    def close(self) -> None:
        """Close the log of the last import."""
        self._log.close()

    def remove_old(self) -> None:
        """Remove logs and reports of imports that are too old."""
        oldest = self._now() - self._keep_seconds
        jobs = log_path(self._state_folder, PREFIX).parent
        for path in jobs.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime < oldest:
                    path.unlink()

"""What people and programs see: the result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys

from mkiso.cli.progress import ProgressView, Silent, make_view
from mkiso.cli.streams import write_line
from mkiso.core.context import Progress
from mkiso.core.report import Report, legacy_lines, message_lines, result_lines
from mkiso.errors import DiskError


class Output:
    """The output of one run: text or one JSON object, with or without progress."""

    def __init__(self, *, as_json: bool = False) -> None:
        """Begin silently; `configure` follows when the options are known."""
        self.as_json = as_json
        self.legacy = False
        self.verbose = False
        self._view: ProgressView = Silent()

    def configure(
        self,
        *,
        as_json: bool = False,
        progress: str = "auto",
        verbose: bool = False,
        legacy: bool = False,
    ) -> None:
        """Take over the options of a command."""
        self.as_json = as_json
        self.verbose = verbose
        self.legacy = legacy and not as_json
        self._view = make_view(progress)

    def say(self, sentence: str) -> None:
        """Tell a person something on stderr."""
        self._view.line(sentence)

    def progress(self, progress: Progress) -> None:
        """Show how far a stage is."""
        self._view.show(progress)

    def result(self, report: Report) -> int:
        """Print the end of a run: one JSON object, or the result and the sentence about it.

        Return the exit code: a success that nobody could be told of is a failure to the caller,
        though what was made stays.
        """
        self._view.close()
        lost = [reason for line in self._lines(report) if (reason := write_line(sys.stdout, line))]
        for line in message_lines(report):
            self._view.line(line)
        if not lost or report.code:
            return report.code
        made = "".join(f"; {disc.path} is there, and good" for disc in report.discs)
        failure = DiskError(f"The result could not be written to stdout ({lost[0]}){made}.")
        self._view.line(f"mkiso: {failure.message} [{failure.code} {failure.name}]")
        return failure.code

    def _lines(self, report: Report) -> list[str]:
        """Return what belongs on stdout."""
        if self.as_json:
            return [json.dumps(report.to_dict())]
        return [*(legacy_lines(report) if self.legacy else ()), *result_lines(report)]

"""What people and programs see: the result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys

from mkiso.cli.progress import ProgressView, Silent, make_view
from mkiso.cli.streams import write_line
from mkiso.core.context import Progress
from mkiso.core.report import Report, legacy_lines, message_lines, result_lines


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

    def result(self, report: Report) -> None:
        """Print the end of a run: one JSON object, or the result and the sentence about it."""
        self._view.close()
        if self.as_json:
            write_line(sys.stdout, json.dumps(report.to_dict()))
        else:
            if self.legacy:
                for line in legacy_lines(report):
                    write_line(sys.stdout, line)
            for line in result_lines(report):
                write_line(sys.stdout, line)
        for line in message_lines(report):
            self._view.line(line)

"""SIGINT, SIGTERM and SIGHUP: the first asks the run to stop and clean up, the second ends it."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

from mkiso.errors import InterruptedJobError, MkisoError, TerminatedJobError

#: A shell and a supervisor may both pass on one signal: so soon it is the same one.
_SAME_SIGNAL_SECONDS = 0.5


class Stop:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        """Nobody did, yet."""
        self.signal_number = 0
        self.outcome = "nothing was published"  # what a stop means for what was begun
        self._since = 0.0
        self._flag_only = False

    def install(self) -> None:
        """Handle the signals, but for those that the caller ignores (nohup)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._received)

    def only_note(self) -> None:
        """From now on a signal is noted for `require_running`, and interrupts nothing."""
        self._flag_only = True

    def require_running(self) -> None:
        """Raise InterruptedJobError or TerminatedJobError when a signal came."""
        if self.signal_number:
            raise self.error()

    def error(self) -> MkisoError:
        """Return the failure that the signal means."""
        outcome = f"; {self.outcome}" if self.outcome else ""
        if self.signal_number == signal.SIGINT:
            return InterruptedJobError(f"Interrupted{outcome}.")
        return TerminatedJobError(f"Terminated{outcome}.")

    def _received(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.signal_number:
            self.signal_number, self._since = number, now
            if not self._flag_only:
                raise self.error()
        elif now - self._since > _SAME_SIGNAL_SECONDS:
            os._exit(self.error().code)  # the next run sweeps what is left

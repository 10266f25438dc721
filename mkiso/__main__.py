"""The program, as `mkiso` and as `python -m mkiso`."""

import os
import signal
import sys
from types import FrameType


def run() -> int:
    """Run the command line and return the exit code.

    Its modules take a moment to import: a signal then has nothing to clean up, but its own code
    and no traceback.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from mkiso.cli.main import main  # noqa: PLC0415 - after the handlers

    return main()


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(130 if number == signal.SIGINT else 143)


if __name__ == "__main__":
    sys.exit(run())

"""What is tried again, how often, and how long to wait in between.

Only a TemporaryError is worth another attempt: a peer that is unreachable, busy or stalled. A
refusal that names its reason (unknown AE title, unsupported context, not authorised) stays one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from mkiso.errors import TemporaryError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries` further attempts after the first, with doubling waits (seconds)."""

    retries: int = 2
    first_seconds: float = 2.0
    factor: float = 2.0
    maximum_seconds: float = 30.0

    def delays(self) -> Iterator[float]:
        """Yield the wait before each further attempt, in seconds."""
        seconds = self.first_seconds
        for _ in range(self.retries):
            yield min(seconds, self.maximum_seconds)
            seconds *= self.factor


def retry(
    action: Callable[[], Result],
    policy: RetryPolicy,
    wait: Callable[[float, TemporaryError], None],
) -> Result:
    """Return what `action` returns, trying again after each TemporaryError as `policy` says.

    `wait(seconds, error)` sleeps and may raise to end it all (a deadline, a stopped job). The last
    error is raised when the attempts are used up; any other error at once.
    """
    for seconds in policy.delays():
        try:
            return action()
        except TemporaryError as error:  # noqa: PERF203 - a request a loop, not a value
            wait(seconds, error)
    return action()

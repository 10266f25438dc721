"""What a queue of jobs keeps between the attempts at one of them, and what it hears of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mkiso.core.model import ReceivedInstance

#: Exit codes after which another attempt may need what has arrived: busy or stalled, incomplete.
KEEP_AFTER = frozenset({75, 80})


@dataclass(frozen=True, slots=True)
class KeptInstance:
    """An instance that an earlier attempt received, as it was written down then."""

    file_name: str  # in the work folder
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size_bytes: int  # of the whole file
    sha256: str  # hex, of the whole file


def _forget(_instance: ReceivedInstance) -> None:
    """Write nothing down."""


@dataclass(frozen=True, slots=True)
class Custody:
    """A job in the care of a queue, which writes down what becomes of it.

    With one, the work folder of a run that was killed or ended with one of `keep_after` stays for
    the next attempt, and `kept` of it is not asked for again.
    """

    kept: tuple[KeptInstance, ...] = ()
    arrived: Callable[[ReceivedInstance], None] = _forget  # called from the receiver's threads
    keep_after: frozenset[int] = KEEP_AFTER
    #: Whether the study has grown is asked when the port is free again, not before.
    check_later: bool = False

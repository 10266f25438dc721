"""Why instances are missing: decided by what was seen, since a status alone does not tell.

Orthanc answers C000H (or aborts) alike for an unknown study, an unknown destination, a destination
that is down and an object that was refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from mkiso.errors import ConfigError, MkisoError, TemporaryError


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a retrieval that left a gap."""

    archive: str  # the node's name
    receiver: str  # our AE title and port
    by_get: bool
    associations_seen: int
    turned_away: tuple[str, ...]  # "AE title at address" of senders that may not send to us
    arrived: int
    status: int | None  # of the last request; None: no final response came
    error: MkisoError | None  # what the last request ended with by itself
    aborted: bool  # the last request ended with an abort


def failure_of(evidence: Evidence) -> MkisoError | None:
    """Return the failure behind a gap, or None when the gap itself is what has to be reported."""
    if evidence.status == 0:
        return None
    nobody_came = not (evidence.associations_seen or evidence.arrived or evidence.by_get)
    if nobody_came and evidence.turned_away:
        return ConfigError(
            f"{evidence.archive} did not send; somebody who is not known as the archive tried to: "
            f"{', '.join(evidence.turned_away)}. If that is the archive, add it to send_from and "
            "send_as of its node."
        )
    answered_busy = isinstance(evidence.error, TemporaryError) and evidence.status is not None
    if evidence.arrived and (evidence.aborted or answered_busy):
        return None  # dcmqrscp answers A702H when each object of a request failed
    if evidence.error is not None and not (nobody_came and evidence.aborted):
        return evidence.error
    if nobody_came:
        return ConfigError(
            f"{evidence.archive} gave up, and nobody ever connected to our receiver "
            f"({evidence.receiver}): register it there as a move destination with this machine's "
            "address, check firewalls, and try `mkiso doctor --test-move`."
        )
    return None


def ends_round(error: MkisoError | None, status: int | None, *, arrived: int) -> bool:
    """Whether further requests of a round make no sense after one that ended like this.

    An archive that is away stays so for a moment; a request of a kind that it does not take is not
    taken a second time. That one object of a request failed says nothing about the next.
    """
    if error is None:
        return False
    if isinstance(error, TemporaryError):
        return status is None or not arrived
    return True

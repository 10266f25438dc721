"""Why instances are missing: decided by what was seen, since a status alone does not tell.

Orthanc answers C000H (or aborts) alike for an unknown study, an unknown destination, a destination
that is down and an object that was refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from mkiso.errors import ConfigError, MkisoError, ProtocolError, TemporaryError

#: PS3.4 C.4-2, "unable to perform sub-operations": dcmqrscp's answer when each object of a request
#: failed, whatever the reason, and when it cannot reach the destination.
CANNOT_SEND = 0xA702
#: When nobody connected to our receiver after so many requests, nobody will: as deep as halving
#: goes from 500 instances to the first one.
MOST_UNANSWERED = 12


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a retrieval so far."""

    archive: str  # the node's name
    receiver: str  # our AE title and port
    by_get: bool
    associations_seen: int
    turned_away: tuple[str, ...]  # "AE title at address" of senders that may not send to us
    arrived: int
    status: int | None  # of the last request; None: no final response came
    error: MkisoError | None  # what the last request ended with by itself
    aborted: bool  # the archive ended the association of the last request before its answer
    tls_failures: tuple[str, ...] = ()  # who connected and could not begin TLS with us, and why

    @property
    def nobody_came(self) -> bool:
        """Whether the archive never connected to our receiver."""
        return not (self.associations_seen or self.arrived or self.by_get)

    @property
    def is_away(self) -> bool:
        """Whether the last request may go better after a pause: unreachable, stalled or busy."""
        if not isinstance(self.error, TemporaryError):
            return False
        return self.status != CANNOT_SEND or self.nobody_came

    @property
    def others_may_come(self) -> bool:
        """Whether other requests may bring what the last one did not: it failed for its objects.

        An archive may break its association at an object that it cannot read.
        """
        if self.error is None:
            return True
        if isinstance(self.error, TemporaryError):
            return not self.is_away or (self.aborted and not self.nobody_came)
        return isinstance(self.error, ProtocolError) and self.status is not None

    @property
    def ends_round(self) -> bool:
        """Whether further requests of a round make no sense after the last one.

        An archive that is away stays so for a moment; a request of a kind that it does not take is
        not taken a second time. That one object of a request failed says nothing about the next.
        """
        return self.error is not None and (
            self.is_away or not isinstance(self.error, TemporaryError)
        )


def failure_of(evidence: Evidence) -> MkisoError | None:
    """Return the failure behind a gap, or None when the gap itself is what has to be reported."""
    if evidence.status == 0 and not evidence.tls_failures:
        return None
    nobody_came, error = evidence.nobody_came, evidence.error
    if nobody_came and (evidence.tls_failures or evidence.turned_away):
        return ConfigError(nobody_hint(evidence))
    if evidence.arrived and _is_of_objects(evidence):
        return None
    if evidence.status == CANNOT_SEND and not nobody_came:
        return None  # it connected, and each object failed: a gap to be looked at, not a busy hour
    if error is not None and not (nobody_came and evidence.aborted):
        return error
    return ConfigError(nobody_came_hint(evidence)) if nobody_came else None


def nobody_hint(evidence: Evidence) -> str:
    """Return what to do when no association came about, by what was seen instead."""
    if evidence.tls_failures:
        return tls_hint(evidence)
    return (turned_away_hint if evidence.turned_away else nobody_came_hint)(evidence)


def tls_hint(evidence: Evidence) -> str:
    """Return what to do when somebody connected and no TLS came of it."""
    return (
        f"{evidence.archive} did not send; whoever connected to our receiver did not come to terms "
        f"about TLS: {' '.join(evidence.tls_failures)} See to tls and tls_ca_file of [receiver], "
        "and to the certificates and TLS settings of the archive."
    )


def turned_away_hint(evidence: Evidence) -> str:
    """Return what to do when somebody unknown tried to send."""
    return (
        f"{evidence.archive} did not send; somebody who is not known as the archive tried to: "
        f"{', '.join(evidence.turned_away)}. If that is the archive, add it to send_from and "
        "send_as of its node."
    )


def nobody_came_hint(evidence: Evidence) -> str:
    """Return what to do when nobody connected."""
    said = "reports success" if evidence.status == 0 else "gave up"
    return (
        f"{evidence.archive} {said}, and nobody ever connected to our receiver "
        f"({evidence.receiver}): register it there as a move destination with this machine's "
        "address, check firewalls, and try `mkiso doctor --test-move`."
    )


def _is_of_objects(evidence: Evidence) -> bool:
    """Whether the last request, after others that brought something, failed for its objects."""
    if evidence.aborted:
        return True
    return evidence.status is not None and isinstance(evidence.error, ProtocolError)

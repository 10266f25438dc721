"""Who was turned away: a Security Alert (PS3.15 A.5.3.11) each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mkiso.core.audit_message import (
    Event,
    Participant,
    ParticipantObject,
    Source,
    audit_message,
)
from mkiso.core.audit_parts import NODE_AUTHENTICATION, NODE_ID, SECURITY_ALERT


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who was turned away, and why; no patient data in the reason."""

    address: str
    reason: str


def alert_messages(
    strangers: Iterable[Stranger], us: Participant, source: Source, moment: str
) -> list[str]:
    """Return a message for each; outcome 4: what was done against it has worked."""
    return [
        audit_message(
            Event(SECURITY_ALERT, "E", moment, 4, (NODE_AUTHENTICATION,)),
            [
                replace(us, is_requestor=True),
                Participant(stranger.address, address=stranger.address, address_type=2),
            ],
            source,
            [
                ParticipantObject(
                    stranger.address, NODE_ID, 2, 13,
                    details=(("Alert Description", stranger.reason),),
                )
            ],
        )
        for stranger in strangers
    ]  # fmt: skip

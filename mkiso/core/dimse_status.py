"""DIMSE status codes: what each means for a service, and which error a final one becomes."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

from mkiso.errors import (
    ConfigError,
    MkisoError,
    PermissionDeniedError,
    ProtocolError,
    TemporaryError,
)


class Service(enum.Enum):
    """The DIMSE services that mkiso uses."""

    ECHO = "C-ECHO"
    FIND = "C-FIND"
    GET = "C-GET"
    MOVE = "C-MOVE"
    STORE = "C-STORE"
    EVENT_REPORT = "N-EVENT-REPORT"
    ACTION = "N-ACTION"
    CREATE = "N-CREATE"
    SET = "N-SET"


class Outcome(enum.Enum):
    """What a status means for the one who asked."""

    SUCCESS = "success"
    PENDING = "pending"
    WARNING = "warning"  # done, with something to say; for a retrieval: look at what arrived
    CANCELLED = "cancelled"
    BUSY = "busy"  # the same request may succeed later
    UNKNOWN_DESTINATION = "unknown destination"
    NOT_AUTHORISED = "not authorised"
    REFUSED = "refused"  # the request itself is not acceptable to this peer
    FAILED = "failed"  # the peer could not: evidence must tell why


@dataclass(frozen=True, slots=True)
class StatusMeaning:
    """One row of a status table: a range of codes, what it means, the source."""

    first: int
    last: int
    outcome: Outcome
    meaning: str
    source: str


def _row(first: int, last: int, outcome: Outcome, meaning: str, source: str) -> StatusMeaning:
    return StatusMeaning(first, last, outcome, meaning, source)


_O = Outcome

#: PS3.7 Annex C (all services), and its classes by range (C.1 to C.5) at the end.
_GENERAL = (
    _row(0x0000, 0x0000, _O.SUCCESS, "Success", "PS3.7 C.1"),
    _row(0x0001, 0x0001, _O.WARNING, "Optional attributes not supported", "PS3.7 C.4"),
    _row(0x0105, 0x0105, _O.REFUSED, "No such attribute", "PS3.7 C.5"),
    _row(0x0106, 0x0106, _O.REFUSED, "Invalid attribute value", "PS3.7 C.5"),
    _row(0x0107, 0x0107, _O.WARNING, "Attribute list error", "PS3.7 C.4"),
    _row(0x0110, 0x0110, _O.FAILED, "Processing failure", "PS3.7 C.5"),
    _row(0x0111, 0x0111, _O.REFUSED, "Duplicate SOP instance", "PS3.7 C.5"),
    _row(0x0112, 0x0112, _O.REFUSED, "No such SOP instance", "PS3.7 C.5"),
    _row(0x0113, 0x0113, _O.REFUSED, "No such event type", "PS3.7 C.5"),
    _row(0x0114, 0x0114, _O.REFUSED, "No such argument", "PS3.7 C.5"),
    _row(0x0115, 0x0115, _O.REFUSED, "Invalid argument value", "PS3.7 C.5"),
    _row(0x0116, 0x0116, _O.WARNING, "Attribute value out of range", "PS3.7 C.4"),
    _row(0x0117, 0x0117, _O.REFUSED, "Invalid SOP instance", "PS3.7 C.5"),
    _row(0x0118, 0x0118, _O.REFUSED, "No such SOP class", "PS3.7 C.5"),
    _row(0x0119, 0x0119, _O.REFUSED, "Class-instance conflict", "PS3.7 C.5"),
    _row(0x0120, 0x0120, _O.REFUSED, "Missing attribute", "PS3.7 C.5"),
    _row(0x0121, 0x0121, _O.REFUSED, "Missing attribute value", "PS3.7 C.5"),
    _row(0x0122, 0x0122, _O.REFUSED, "Refused: SOP class not supported", "PS3.7 C.5"),
    _row(0x0123, 0x0123, _O.REFUSED, "No such action", "PS3.7 C.5"),
    _row(0x0124, 0x0124, _O.NOT_AUTHORISED, "Refused: not authorised", "PS3.7 C.5"),
    _row(0x0210, 0x0210, _O.REFUSED, "Duplicate invocation", "PS3.7 C.5"),
    _row(0x0211, 0x0211, _O.REFUSED, "Unrecognised operation", "PS3.7 C.5"),
    _row(0x0212, 0x0212, _O.REFUSED, "Mistyped argument", "PS3.7 C.5"),
    _row(0x0213, 0x0213, _O.BUSY, "Resource limitation", "PS3.7 C.5"),
    _row(0x0100, 0x02FF, _O.REFUSED, "Failure: unknown general status", "PS3.7 C.5"),
    _row(0xA000, 0xAFFF, _O.FAILED, "Failure: unknown service status", "PS3.7 C.5"),
    _row(0xB000, 0xBFFF, _O.WARNING, "Warning: unknown service status", "PS3.7 C.4"),
    _row(0xC000, 0xCFFF, _O.FAILED, "Failure: unable to process", "PS3.7 C.5"),
    _row(0xFE00, 0xFE00, _O.CANCELLED, "Cancelled", "PS3.7 C.3"),
    _row(0xFF00, 0xFF01, _O.PENDING, "Pending", "PS3.7 C.2"),
    _row(0x0000, 0xFFFF, _O.FAILED, "Status unknown to the standard", "PS3.7 C"),
)

#: PS3.4 Table C.4-1.
_FIND = (
    _row(0xA700, 0xA7FF, _O.BUSY, "Refused: out of resources", "PS3.4 C.4-1"),
    _row(0xA900, 0xA9FF, _O.REFUSED, "Identifier does not match SOP class", "PS3.4 C.4-1"),
    _row(0xC000, 0xCFFF, _O.FAILED, "Failed: unable to process", "PS3.4 C.4-1"),
    _row(0xFE00, 0xFE00, _O.CANCELLED, "Matching terminated by a cancel", "PS3.4 C.4-1"),
    _row(0xFF01, 0xFF01, _O.PENDING, "Matches continue, some keys not supported", "PS3.4 C.4-1"),
)

#: PS3.4 Tables C.4-2 and C.4-3.
_RETRIEVE = (
    _row(0xA701, 0xA701, _O.BUSY, "Out of resources: cannot count the matches", "PS3.4 C.4-2"),
    _row(0xA702, 0xA702, _O.BUSY, "Out of resources: cannot send the instances", "PS3.4 C.4-2"),
    _row(0xA700, 0xA7FF, _O.BUSY, "Refused: out of resources", "PS3.7 C.5"),
    _row(0xA801, 0xA801, _O.UNKNOWN_DESTINATION, "Move destination unknown", "PS3.4 C.4-2"),
    _row(0xA900, 0xA9FF, _O.REFUSED, "Identifier does not match SOP class", "PS3.4 C.4-2"),
    _row(0xAA00, 0xAA04, _O.REFUSED, "Frames cannot be extracted", "PS3.4 C.4-2"),
    _row(0xB000, 0xB000, _O.WARNING, "One or more sub-operations failed or warned", "PS3.4 C.4-2"),
    _row(0xC000, 0xCFFF, _O.FAILED, "Failed: unable to process", "PS3.4 C.4-2"),
    _row(0xFE00, 0xFE00, _O.CANCELLED, "Sub-operations terminated by a cancel", "PS3.4 C.4-2"),
)

#: PS3.4 Table B.2-1. Orthanc answers an instance that it has already with 0111H: it is there.
_STORE = (
    _row(0x0111, 0x0111, _O.WARNING, "Duplicate SOP instance", "PS3.7 C.5"),
    _row(0xA700, 0xA7FF, _O.BUSY, "Refused: out of resources", "PS3.4 B.2-1"),
    _row(0xA900, 0xA9FF, _O.REFUSED, "Data set does not match SOP class", "PS3.4 B.2-1"),
    _row(0xB000, 0xB000, _O.WARNING, "Coercion of data elements", "PS3.4 B.2-1"),
    _row(0xB006, 0xB006, _O.WARNING, "Elements discarded", "PS3.4 B.2-1"),
    _row(0xB007, 0xB007, _O.WARNING, "Data set does not match SOP class", "PS3.4 B.2-1"),
    _row(0xC000, 0xCFFF, _O.FAILED, "Cannot understand", "PS3.4 B.2-1"),
)

STATUS_TABLES: dict[Service, tuple[StatusMeaning, ...]] = {
    Service.ECHO: _GENERAL,
    Service.FIND: _FIND + _GENERAL,
    Service.GET: _RETRIEVE + _GENERAL,
    Service.MOVE: _RETRIEVE + _GENERAL,
    Service.STORE: _STORE + _GENERAL,
    Service.EVENT_REPORT: _GENERAL,
    Service.ACTION: _GENERAL,
    Service.CREATE: _GENERAL,
    Service.SET: _GENERAL,
}


@functools.lru_cache(maxsize=256)
def meaning_of(service: Service, status: int) -> StatusMeaning:
    """Return the row of a status: the service's own first, then PS3.7 Annex C with its ranges."""
    rows = STATUS_TABLES[service]
    return next((row for row in rows if row.first <= status <= row.last), rows[-1])


def describe(service: Service, status: int) -> str:
    """Return a status in words, e.g. `A801H (Move destination unknown)`."""
    return f"{status:04X}H ({meaning_of(service, status).meaning})"


def error_for(
    service: Service, status: int, *, peer: str, calling_ae_title: str, destination: str = ""
) -> MkisoError | None:
    """Return the error that a final status is by itself, or None when evidence must decide.

    None stands for success, for warnings and for FAILED (C000H): Orthanc answers C000H alike for
    an unknown study, an unknown destination, a dead destination and a refused object. `peer` is
    the node's name, `destination` the move destination (`CDRECORD, port 10104`).
    """
    what = f"{peer} answered the {service.value} with status {describe(service, status)}"
    outcome = meaning_of(service, status).outcome
    if outcome is Outcome.UNKNOWN_DESTINATION:
        return ConfigError(
            f"{what}: register the destination {destination or calling_ae_title} there, with this "
            "machine's address."
        )
    if outcome is Outcome.NOT_AUTHORISED:
        return PermissionDeniedError(f"{what}: allow it for the AE title {calling_ae_title} there.")
    if outcome is Outcome.CANCELLED:
        return TemporaryError(f"{what}, which was not asked for; try again later.")
    if outcome is Outcome.BUSY:
        hint = (
            f"; if nothing ever arrives, check the address registered there for {destination}"
            if destination
            else ""
        )
        return TemporaryError(f"{what}; try again later{hint}.")
    if outcome is Outcome.REFUSED:
        return ProtocolError(f"{what}: it does not take this request; its log has the reason.")
    return None

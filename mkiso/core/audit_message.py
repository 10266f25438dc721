"""One audit message as XML, by the schema of PS3.15 A.5.1: its parts, and how they are written."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
#: What XML 1.0 has no way to write (2.2), and the white space that attributes would lose.
_NOT_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffc\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value: `csd-code`, `codeSystemName` and `originalText` of the schema."""

    value: str
    meaning: str
    scheme: str = "DCM"


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. `outcome`: 0 success, 4 minor, 8 serious failure; `action`: C, R, U, D, E."""

    event: Code
    action: str
    moment: str  # ISO 8601 with a time zone
    outcome: int = 0
    types: tuple[Code, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Participant:
    """A person, process, node or medium that took part."""

    user_id: str
    is_requestor: bool = False
    roles: tuple[Code, ...] = ()
    alternative_user_id: str = ""
    user_name: str = ""
    address: str = ""
    address_type: int = 0  # 1 machine name, 2 IP address, 5 URI; 0: no address
    media_type: Code | None = None


@dataclass(frozen=True, slots=True)
class ParticipantObject:
    """What it was done to. `role`: 1 patient, 3 report (a study), 13 security resource, 20 job."""

    object_id: str
    id_type: Code
    object_type: int  # 1 person, 2 system object
    role: int
    name: str = ""
    life_cycle: int = 0  # 10 export or copy to target; 0: not said
    details: tuple[tuple[str, str], ...] = ()  # type and text; written in base64
    accession_numbers: tuple[str, ...] = ()
    sop_classes: tuple[tuple[str, int], ...] = ()  # SOP Class UID, number of instances


@dataclass(frozen=True, slots=True)
class Source:
    """Which installation reports it."""

    source_id: str
    site: str = ""


def audit_message(
    event: Event,
    participants: Sequence[Participant],
    source: Source,
    objects: Sequence[ParticipantObject] = (),
) -> str:
    """Return the message on one line, with its XML declaration."""
    site = {"AuditEnterpriseSiteID": source.site} if source.site else {}
    children = [
        _event(event),
        *map(_participant, participants),
        _element(
            "AuditSourceIdentification",
            {**site, "AuditSourceID": source.source_id},
            # 4: application server process (A.5.1.2.1)
            [_element("AuditSourceTypeCode", {"csd-code": "4"})],
        ),
        *map(_object, objects),
    ]
    return '<?xml version="1.0" encoding="UTF-8"?>' + _element("AuditMessage", {}, children)


def _event(event: Event) -> str:
    children = [
        _code("EventID", event.event),
        *(_code("EventTypeCode", code) for code in event.types),
    ]
    if event.description:
        children.append(_element("EventOutcomeDescription", {}, [_escaped(event.description)]))
    return _element(
        "EventIdentification",
        {
            "EventActionCode": event.action,
            "EventDateTime": event.moment,
            "EventOutcomeIndicator": str(event.outcome),
        },
        children,
    )


def _participant(participant: Participant) -> str:
    attributes = {
        "UserID": participant.user_id,
        "AlternativeUserID": participant.alternative_user_id,
        "UserName": participant.user_name,
        "UserIsRequestor": "true" if participant.is_requestor else "false",
    }
    if participant.address_type:
        attributes["NetworkAccessPointID"] = participant.address
        attributes["NetworkAccessPointTypeCode"] = str(participant.address_type)
    must = ("UserID", "UserIsRequestor")
    children = [_code("RoleIDCode", code) for code in participant.roles]
    if participant.media_type is not None:
        media = _code("MediaType", participant.media_type)
        children.append(_element("MediaIdentifier", {}, [media]))
    given = {key: value for key, value in attributes.items() if value or key in must}
    return _element("ActiveParticipant", given, children)


def _object(item: ParticipantObject) -> str:
    attributes = {
        "ParticipantObjectID": item.object_id,
        "ParticipantObjectTypeCode": str(item.object_type),
        "ParticipantObjectTypeCodeRole": str(item.role),
    }
    if item.life_cycle:
        attributes["ParticipantObjectDataLifeCycle"] = str(item.life_cycle)
    children = [
        _code("ParticipantObjectIDTypeCode", item.id_type),
        _element("ParticipantObjectName", {}, [_escaped(item.name)]),  # the schema wants one
        *(
            _element("ParticipantObjectDetail", {"type": kind, "value": _base64(text)})
            for kind, text in item.details
        ),
    ]
    described = [
        *(_element("Accession", {"Number": number}) for number in item.accession_numbers),
        *(
            _element("SOPClass", {"UID": uid, "NumberOfInstances": str(count)})
            for uid, count in item.sop_classes
        ),
    ]
    if described:
        children.append(_element("ParticipantObjectDescription", {}, described))
    return _element("ParticipantObjectIdentification", attributes, children)


def _code(name: str, code: Code) -> str:
    return _element(
        name,
        {
            "csd-code": code.value,
            "codeSystemName": code.scheme,
            "displayName": code.meaning,
            "originalText": code.meaning,
        },
    )


def _element(name: str, attributes: Mapping[str, str], children: Iterable[str] = ()) -> str:
    written = "".join(f' {key}="{_escaped(value)}"' for key, value in attributes.items())
    inside = "".join(children)
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def _escaped(text: str) -> str:
    return _clean(text).translate(_ENTITIES)


def _clean(text: str) -> str:
    """Make what XML cannot hold visible, and keep the message on one line."""
    return _NOT_XML.sub("\ufffd", " ".join(text.split()))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")

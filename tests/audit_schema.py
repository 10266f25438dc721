"""The schema of audit messages (RELAX NG of PS3.15 A.5.1) as a checker, read by another way."""

import base64
import re
import xml.etree.ElementTree as ET

_ANY = re.compile(r"(?s).*")
_TOKEN = re.compile(r"(?! )[^\t\r\n]*(?<! )")
_FLAG = re.compile("true|false|0|1")
_WHOLE = re.compile("-?[0-9]+")
_MOMENT = re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")


def one_of(*words):
    return re.compile("|".join(map(str, words)))


_CODED = {
    "csd-code": (True, _TOKEN),
    "codeSystemName": (True, _TOKEN),
    "displayName": (False, _TOKEN),
    "originalText": (True, _TOKEN),
}
#: Element path -> (attributes: name -> (required, pattern), children: (name, least, most), text)
_MANY = 10**6
_OBJECT = "ParticipantObjectIdentification"
_SCHEMA = {
    "AuditMessage": (
        {},
        [
            ("EventIdentification", 1, 1),
            ("ActiveParticipant", 1, _MANY),
            ("AuditSourceIdentification", 1, 1),
            (_OBJECT, 0, _MANY),
        ],
    ),
    "EventIdentification": (
        {
            "EventActionCode": (False, one_of(*"CRUDE")),
            "EventDateTime": (True, _MOMENT),
            "EventOutcomeIndicator": (True, one_of(0, 4, 8, 12)),
        },
        [("EventID", 1, 1), ("EventTypeCode", 0, _MANY), ("EventOutcomeDescription", 0, 1)],
    ),
    "EventID": (_CODED, []),
    "EventTypeCode": (_CODED, []),
    "EventOutcomeDescription": ({}, None),
    "ActiveParticipant": (
        {
            "UserID": (True, _ANY),
            "AlternativeUserID": (False, _ANY),
            "UserName": (False, _ANY),
            "UserIsRequestor": (True, _FLAG),
            "NetworkAccessPointID": (False, _TOKEN),
            "NetworkAccessPointTypeCode": (False, one_of(1, 2, 3, 4, 5)),
        },
        [("RoleIDCode", 0, _MANY), ("MediaIdentifier", 0, 1)],
    ),
    "RoleIDCode": (_CODED, []),
    "MediaIdentifier": ({}, [("MediaType", 1, 1)]),
    "MediaType": (_CODED, []),
    "AuditSourceIdentification": (
        {"AuditEnterpriseSiteID": (False, _TOKEN), "AuditSourceID": (True, _TOKEN)},
        [("AuditSourceTypeCode", 0, _MANY)],
    ),
    "AuditSourceTypeCode": ({"csd-code": (True, _TOKEN)}, []),
    _OBJECT: (
        {
            "ParticipantObjectID": (True, _TOKEN),
            "ParticipantObjectTypeCode": (False, one_of(1, 2, 3, 4)),
            "ParticipantObjectTypeCodeRole": (False, one_of(*range(1, 27))),
            "ParticipantObjectDataLifeCycle": (False, one_of(*range(1, 16))),
            "ParticipantObjectSensitivity": (False, _TOKEN),
        },
        [
            ("ParticipantObjectIDTypeCode", 1, 1),
            ("ParticipantObjectName", 1, 1),  # or a query, which is not for our messages
            ("ParticipantObjectDetail", 0, _MANY),
            ("ParticipantObjectDescription", 0, _MANY),
        ],
    ),
    "ParticipantObjectIDTypeCode": (_CODED, []),
    "ParticipantObjectName": ({}, None),
    "ParticipantObjectDetail": ({"type": (True, _TOKEN), "value": (True, _BASE64)}, []),
    "ParticipantObjectDescription": (
        {},
        [
            ("MPPS", 0, _MANY),
            ("Accession", 0, _MANY),
            ("SOPClass", 0, _MANY),
            ("ParticipantObjectContainsStudy", 0, 1),
            ("Encrypted", 0, 1),
            ("Anonymized", 0, 1),
        ],
    ),
    "Accession": ({"Number": (True, _TOKEN)}, []),
    "SOPClass": (
        {"UID": (False, _TOKEN), "NumberOfInstances": (True, _WHOLE)},
        [("Instance", 0, _MANY)],
    ),
    "Instance": ({"UID": (True, _TOKEN)}, []),
}


def checked(text):
    """Parse an audit message and return its root; AssertionError where it breaks the schema."""
    root = ET.fromstring(text)
    assert root.tag == "AuditMessage"
    _check(root)
    return root


def _check(element):
    attributes, children = _SCHEMA[element.tag]
    for name, (required, pattern) in attributes.items():
        assert name in element.attrib or not required, f"{element.tag} has no {name}"
        if name in element.attrib:
            value = element.attrib[name]
            assert pattern.fullmatch(value), f"{element.tag}/{name}={value!r}"
    assert set(element.attrib) <= set(attributes), f"{element.tag}: {set(element.attrib)}"
    if children is None:
        assert not len(element)
        return
    assert not (element.text or "").strip()
    given = [child.tag for child in element]
    position = 0
    for name, least, most in children:
        count = 0
        while position < len(given) and given[position] == name:
            count, position = count + 1, position + 1
        assert least <= count <= most, f"{element.tag}: {count} {name}"
    assert position == len(given), f"{element.tag}: {given[position]} does not belong here"
    for child in element:
        _check(child)


def event_of(root):
    """Event code, action and outcome."""
    event = root.find("EventIdentification")
    return (
        event.find("EventID").get("csd-code"),
        event.get("EventActionCode"),
        event.get("EventOutcomeIndicator"),
    )


def participants(root, role):
    """The participants of a role."""
    return [
        p
        for p in root.findall("ActiveParticipant")
        if role in [c.get("csd-code") for c in p.findall("RoleIDCode")]
    ]


def objects(root, id_type):
    """The objects of a kind of identifier, by identifier."""
    return {
        o.get("ParticipantObjectID"): o
        for o in root.findall(_OBJECT)
        if o.find("ParticipantObjectIDTypeCode").get("csd-code") == id_type
    }


def details(element):
    return [
        (d.get("type"), base64.b64decode(d.get("value")).decode())
        for d in element.findall("ParticipantObjectDetail")
    ]

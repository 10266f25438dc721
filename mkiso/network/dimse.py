"""DIMSE command sets: dictionaries to bytes and back (PS3.7 Annex E).

They are always in Implicit VR Little Endian (PS3.7 6.3.1).
Hand-coded with struct: a general data set encoder took longer for one command than the socket takes
for a whole CT slice.
"""

from __future__ import annotations

import struct
from typing import Any

from mkiso.errors import ProtocolError

#: A command set keyed by DICOM keyword. UI, AE and LO are str, US and UL int, AT tuple[int, ...].
Command = dict[str, Any]

# Command Field values, PS3.7 E.1-1
C_STORE_RQ = 0x0001
C_STORE_RSP = 0x8001
C_GET_RQ = 0x0010
C_GET_RSP = 0x8010
C_FIND_RQ = 0x0020
C_FIND_RSP = 0x8020
C_MOVE_RQ = 0x0021
C_MOVE_RSP = 0x8021
C_ECHO_RQ = 0x0030
C_ECHO_RSP = 0x8030
C_CANCEL_RQ = 0x0FFF
N_EVENT_REPORT_RQ = 0x0100
N_EVENT_REPORT_RSP = 0x8100
N_SET_RQ = 0x0120
N_SET_RSP = 0x8120
N_ACTION_RQ = 0x0130
N_ACTION_RSP = 0x8130
N_CREATE_RQ = 0x0140
N_CREATE_RSP = 0x8140

#: Set in the Command Field of every response.
RESPONSE_BIT = 0x8000

# Command Data Set Type, PS3.7 E.1-1: 0101H means none, anything else means one follows.
NO_DATA_SET = 0x0101
DATA_SET = 0x0001

# Priority, PS3.7 E.1-1
PRIORITY_MEDIUM = 0x0000

#: A command set is a few hundred bytes; a longer one is an attack or nonsense.
MAXIMUM_COMMAND_BYTES = 64 * 1024

# Element numbers of group 0000, PS3.7 E.1-1, with their VR
_ELEMENTS: tuple[tuple[int, str, str], ...] = (
    (0x0002, "AffectedSOPClassUID", "UI"),
    (0x0003, "RequestedSOPClassUID", "UI"),
    (0x0100, "CommandField", "US"),
    (0x0110, "MessageID", "US"),
    (0x0120, "MessageIDBeingRespondedTo", "US"),
    (0x0600, "MoveDestination", "AE"),
    (0x0700, "Priority", "US"),
    (0x0800, "CommandDataSetType", "US"),
    (0x0900, "Status", "US"),
    (0x0901, "OffendingElement", "AT"),
    (0x0902, "ErrorComment", "LO"),
    (0x0903, "ErrorID", "US"),
    (0x1000, "AffectedSOPInstanceUID", "UI"),
    (0x1001, "RequestedSOPInstanceUID", "UI"),
    (0x1002, "EventTypeID", "US"),
    (0x1005, "AttributeIdentifierList", "AT"),
    (0x1008, "ActionTypeID", "US"),
    (0x1020, "NumberOfRemainingSuboperations", "US"),
    (0x1021, "NumberOfCompletedSuboperations", "US"),
    (0x1022, "NumberOfFailedSuboperations", "US"),
    (0x1023, "NumberOfWarningSuboperations", "US"),
    (0x1030, "MoveOriginatorApplicationEntityTitle", "AE"),
    (0x1031, "MoveOriginatorMessageID", "US"),
)
_BY_ELEMENT = {element: (keyword, vr) for element, keyword, vr in _ELEMENTS}
_BY_KEYWORD = {keyword: (element, vr) for element, keyword, vr in _ELEMENTS}

_HEADER = struct.Struct("<HHL")
_US_ELEMENT = struct.Struct("<HHLH")
_GROUP_LENGTH = struct.Struct("<HHLL")
_US = struct.Struct("<H")


def encode_command(command: Command) -> bytes:
    """Return the bytes of a command set, with its group length, elements in ascending order.

    Keywords outside PS3.7 E.1-1 are a programming error: KeyError.
    """
    parts: list[tuple[int, bytes]] = []
    for keyword, value in command.items():
        element, vr = _BY_KEYWORD[keyword]
        if value is None:
            continue
        if vr == "US":
            parts.append((element, _US_ELEMENT.pack(0, element, 2, value)))
            continue
        raw = _encode_value(vr, value)
        parts.append((element, _HEADER.pack(0, element, len(raw)) + raw))
    parts.sort()
    body = b"".join([part for _, part in parts])
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def decode_command(raw: bytes | bytearray | memoryview) -> Command:
    """Return the command set in `raw`; elements that PS3.7 does not know are left out.

    Raises ProtocolError when the bytes are not a command set, or when it lacks the Command Field or
    the Command Data Set Type, without which nobody can tell what follows on the association.
    """
    raw = bytes(raw)
    command: Command = {}
    offset, end = 0, len(raw)
    while offset < end:
        if end - offset < 8:
            raise ProtocolError("The peer sent a command set that ends inside an element.")
        group, element, length = _HEADER.unpack_from(raw, offset)
        if group != 0 and offset == _end_of_group(raw):
            break  # Orthanc puts the failed instances of a C-GET behind it (1.10), in here
        offset += 8
        if group != 0 or length > end - offset:
            raise ProtocolError("The peer sent bytes that are not a DIMSE command set.")
        known = _BY_ELEMENT.get(element)
        if known is not None and length:
            keyword, vr = known
            if keyword in command:
                raise ProtocolError(f"The peer sent a command set with two values of {keyword}.")
            if vr == "US" and length == 2:
                (command[keyword],) = _US.unpack_from(raw, offset)
            else:
                command[keyword] = _decode_value(keyword, vr, raw[offset : offset + length])
        offset += length
    for keyword in ("CommandField", "CommandDataSetType"):
        if keyword not in command:
            raise ProtocolError(f"The peer sent a command set without {keyword}.")
    return command


def _end_of_group(raw: bytes) -> int:
    """Return where group 0000 ends by its own Group Length, 0 when it does not say."""
    if len(raw) < _GROUP_LENGTH.size:
        return 0
    *tag_and_size, length = _GROUP_LENGTH.unpack_from(raw)
    return _GROUP_LENGTH.size + int(length) if tag_and_size == [0, 0, 4] else 0


def response_to(request: Command, status: int, **more: Any) -> Command:
    """Return the response command to `request`: field, message ID and affected UIDs taken over."""
    command: Command = {
        "CommandField": request["CommandField"] | RESPONSE_BIT,
        "MessageIDBeingRespondedTo": request.get("MessageID", 0),
        "Status": status,
    }
    for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID"):
        if keyword in request:
            command[keyword] = request[keyword]
    command.update(more)
    return command


def _encode_value(vr: str, value: Any) -> bytes:
    if vr == "AT":
        return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)
    # latin-1: a UID that a peer sent with odd bytes goes back to it unchanged
    raw = str(value).encode("latin-1", "replace")
    return raw + (b"\0" if vr == "UI" else b" ") if len(raw) % 2 else raw


def _decode_value(keyword: str, vr: str, raw: bytes) -> Any:
    if vr == "US" or (vr == "AT" and len(raw) % 4):
        raise ProtocolError(f"The peer sent a {keyword} of {len(raw)} bytes in a command set.")
    if vr == "AT":
        return tuple(group << 16 | element for group, element in struct.iter_unpack("<HH", raw))
    # latin-1 is lossless: two different UIDs stay different, whatever bytes a peer sends
    return raw.decode("latin-1").strip("\0 ")

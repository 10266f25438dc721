"""A syslog message that carries an audit message (RFC 5424; PS3.15 A.6), and its frame."""

from __future__ import annotations

#: Facility 10, security and authorization; severity 5 is notice, 4 warning (RFC 5424 6.2.1).
_FACILITY = 10
_NOTICE, _WARNING = 5, 4
_APPLICATION = "mkiso"
#: PS3.15 A.6.2: what tells a collector that the message is an audit message.
_MESSAGE_ID = "DICOM+RFC3881"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NIL = "-"
#: Longest host name and process ID of the header, RFC 5424 6.
_LONGEST_HOST, _LONGEST_PROCESS = 255, 128


def syslog_message(
    content: str, *, moment: str, host: str, process_id: str, is_failure: bool = False
) -> bytes:
    """Return a syslog message; `moment` is ISO 8601 with at most 6 digits of a second's part."""
    priority = _FACILITY * 8 + (_WARNING if is_failure else _NOTICE)
    words = (
        f"<{priority}>1",
        moment,
        _printable(host)[:_LONGEST_HOST] or _NIL,
        _APPLICATION,
        _printable(process_id)[:_LONGEST_PROCESS] or _NIL,
        _MESSAGE_ID,
        _NIL,
    )
    return " ".join(words).encode("ascii") + b" " + _BYTE_ORDER_MARK + content.encode("utf-8")


def framed(message: bytes) -> bytes:
    """Return a message with its length before it (RFC 6587 3.4.1, RFC 5425 4.3)."""
    return str(len(message)).encode("ascii") + b" " + message


def _printable(text: str) -> str:
    return "".join(c for c in text if "!" <= c <= "~")

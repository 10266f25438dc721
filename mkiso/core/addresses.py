"""Addresses as people write them: `AET@HOST:PORT` for a node, `AET@[BIND:]PORT` for ourselves."""

from __future__ import annotations

from mkiso.core.accessions import printable
from mkiso.core.job import Node, ReceiverAddress
from mkiso.errors import MkisoError, UsageError

#: Value representation AE, PS3.5 6.2: at most 16 characters of the default repertoire.
MAXIMUM_AE_TITLE_LENGTH = 16
HIGHEST_PORT = 65535


def require_ae_title(text: str, error: type[MkisoError] = UsageError) -> str:
    """Return the AE title in `text` without the spaces around it, which have no meaning.

    Raises `error` when it is empty or all spaces, longer than 16 characters, or holds a backslash,
    a control character or anything outside ASCII (PS3.5 6.2).
    """
    title = text.strip(" ")
    if not title:
        raise error("An AE title is empty; give 1 to 16 characters, such as CDRECORD.")
    if len(title) > MAXIMUM_AE_TITLE_LENGTH:
        raise error(f"The AE title {printable(title)} has {len(title)} characters; at most 16 fit.")
    if "\\" in title or not title.isascii() or not title.isprintable():
        raise error(
            f"The AE title {printable(title)} holds a character that DICOM does not allow there; "
            "use ASCII without backslash and control characters."
        )
    return title


def is_address(text: str) -> bool:
    """Return whether `text` is written like an address rather than like a configured name."""
    return "@" in text


def parse_node(text: str, error: type[MkisoError] = UsageError) -> Node:
    """Return the node that `AET@HOST:PORT` describes, named by that text; IPv6 hosts in brackets.

    The last `@` divides, since an AE title may hold one. Raises `error` with an example.
    """
    ae_title, at, where = text.strip().rpartition("@")
    host, colon, port = where.rpartition(":")
    if not at or not colon:
        raise error(
            f"{printable(text)} is not the address of a node; write AET@HOST:PORT, such as "
            "ABPACS@localhost:11112, or AET@[::1]:11112 for IPv6."
        )
    return Node(
        name=text.strip(),
        ae_title=require_ae_title(ae_title, error),
        host=require_host(host, text, error),
        port=_port(port, text, error),
    )


def parse_receiver(text: str, error: type[MkisoError] = UsageError) -> ReceiverAddress:
    """Return our own address: `AET:PORT`, `AET@PORT` or `AET@BIND:PORT`; no BIND is all addresses.

    Raises `error` with the fault and an example.
    """
    ae_title, at, where = text.strip().rpartition("@")
    if at:
        bind, colon, port = where.rpartition(":")
    else:
        ae_title, colon, port = where.rpartition(":")
        bind = ""
    if not port or not (at or colon):
        raise error(
            f"{printable(text)} is not an address of our own; write AET:PORT, such as "
            "CDRECORD:10104, or AET@BIND:PORT to listen on one address only."
        )
    return ReceiverAddress(
        ae_title=require_ae_title(ae_title, error),
        port=_port(port, text, error),
        bind=require_host(bind, text, error) if bind else "",
    )


def require_host(host: str, text: str, error: type[MkisoError] = UsageError) -> str:
    """Return a host name or address without IPv6 brackets. Raises `error` naming `text`."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare and bare == host:
        raise error(f"The IPv6 address in {printable(text)} must stand in brackets: [::1].")
    if not bare or not bare.isprintable() or any(c in bare for c in " []@/\\"):
        raise error(f"{printable(text)} names no usable host; write AET@HOST:PORT.")
    return bare


def _port(digits: str, text: str, error: type[MkisoError]) -> int:
    few = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(HIGHEST_PORT))
    if not few or not 1 <= int(digits) <= HIGHEST_PORT:
        raise error(
            f"The port in {printable(text)} must be a whole number from 1 to {HIGHEST_PORT}."
        )
    return int(digits)

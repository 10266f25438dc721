"""When a certificate begins and ceases to be valid (RFC 5280 4.1.2.5), read from its PEM file."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
# Tags of DER (X.690 8.1.2): what a certificate has before its validity, and the two forms of time
_SEQUENCE = 0x30
_VERSION = 0xA0
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18


@dataclass(frozen=True, slots=True)
class Validity:
    """The time in which a certificate holds, in seconds since 1970."""

    begins: float
    ends: float


def validity_of(pem: bytes) -> Validity:
    """Return the validity of the first certificate of a PEM file: our own, its chain follows it.

    Raises ValueError when there is none that can be read.
    """
    match = _PEM.search(pem)
    if match is None:
        raise ValueError("no certificate in PEM form")
    try:
        der = base64.b64decode(match[1], validate=False)
        ((_, certificate),) = _elements(der)
        fields = list(_elements(next(_elements(certificate))[1]))
        # TBSCertificate: [version], serialNumber, signature, issuer, validity, ...
        tag, validity = fields[4 if fields[0][0] == _VERSION else 3]
        begins, ends = (_seconds(tag, text) for tag, text in _elements(validity))
    except (binascii.Error, IndexError, StopIteration) as error:
        raise ValueError("the certificate cannot be read") from error
    if tag != _SEQUENCE:
        raise ValueError("the certificate cannot be read")
    return Validity(begins, ends)


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Give tag and value of each element of a constructed value."""
    position = 0
    while position < len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[position : position + size], "big")
            position += size
        if position + length > len(der):
            raise ValueError("the certificate is cut short")
        yield tag, der[position : position + length]
        position += length


def _seconds(tag: int, text: bytes) -> float:
    forms = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
    if tag not in forms:
        raise ValueError("the certificate has no times")
    moment = datetime.strptime(text.decode("ascii"), forms[tag]).replace(tzinfo=timezone.utc)
    return moment.timestamp()

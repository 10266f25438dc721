"""Values, errors and numbers of the DICOM upper layer (PS3.8)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mkiso.core.contexts import ContextDecision, RequestedContext
from mkiso.errors import ConfigError, ProtocolError, TemporaryError
from mkiso.network.dimse import Command

# PDU types, PS3.8 9.3.1
A_ASSOCIATE_RQ = 0x01
A_ASSOCIATE_AC = 0x02
A_ASSOCIATE_RJ = 0x03
P_DATA_TF = 0x04
A_RELEASE_RQ = 0x05
A_RELEASE_RP = 0x06
A_ABORT = 0x07
PDU_TYPES = frozenset(range(A_ASSOCIATE_RQ, A_ABORT + 1))  # PS3.8 9.3.1

#: PDU type, reserved, length
PDU_HEADER = struct.Struct(">BxL")
#: PDV item length, presentation context ID, message control header (PS3.8 9.3.5.1, Annex E)
PDV_HEADER = struct.Struct(">LBB")

RELEASE_RQ_PDU = PDU_HEADER.pack(A_RELEASE_RQ, 4) + bytes(4)
RELEASE_RP_PDU = PDU_HEADER.pack(A_RELEASE_RP, 4) + bytes(4)

# A-ABORT source and reason, PS3.8 Table 9-26
ABORT_BY_USER = (0, 0)
ABORT_UNEXPECTED_PDU = (2, 2)
ABORT_INVALID_PARAMETER = (2, 6)

#: The PDU length we offer. A larger one saves system calls; above 128 KiB nothing more was gained.
MAXIMUM_LENGTH = 131072
#: An A-ASSOCIATE PDU with 128 contexts of 45 syntaxes each is about 150 KB.
MAXIMUM_ASSOCIATE_LENGTH = 1024 * 1024
#: A data set without a sink is collected in memory up to here.
MAXIMUM_DATA_SET_BYTES = 16 * 1024 * 1024


class AssociationLostError(TemporaryError):
    """The peer aborted or closed the connection, or `abort()` was called here."""


class TlsHandshakeError(ProtocolError):
    """Somebody connected to us, and the TLS handshake failed."""


class PeerStalledError(TemporaryError):
    """The peer let a deadline pass."""


class AssociationRejectedError(ConfigError):
    """The peer rejected the association for good (PS3.8 9.3.4, result 1)."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long to wait, in seconds on the monotonic clock."""

    connect_seconds: float = 10.0  # name resolution and TCP connect, all addresses together
    association_seconds: float = 30.0  # requestor: TLS, request and answer
    request_seconds: float = 10.0  # acceptor: TLS and the whole A-ASSOCIATE-RQ
    pdu_seconds: float = 60.0  # a PDU whose first byte came; a message in memory; each PDU sent
    idle_seconds: float = 60.0  # until the next PDU, unless `receive` is told otherwise
    release_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """One presentation context to propose; the roles are the requestor's."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    scu_role: bool = True
    scp_role: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """One accepted presentation context; the roles are those the requestor may take."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    scu_role: bool = True
    scp_role: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One whole DIMSE message. `data` is None when there is no data set or it went to a sink."""

    context: AcceptedContext
    command: Command
    data: bytes | None


class DataSink(Protocol):
    """Takes the fragments of one data set in order."""

    def write(self, fragment: memoryview, /) -> object:
        """Take the next bytes; the memory is reused afterwards. Must not raise."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an association is rejected: result, source and reason of PS3.8 Table 9-21."""

    result: int
    source: int
    reason: int


REJECT_APPLICATION_CONTEXT = Rejection(1, 1, 2)
REJECT_CALLING_AE_TITLE = Rejection(1, 1, 3)
REJECT_CALLED_AE_TITLE = Rejection(1, 1, 7)
REJECT_PROTOCOL_VERSION = Rejection(1, 2, 2)
REJECT_LOCAL_LIMIT = Rejection(2, 3, 2)

#: PS3.8 Table 9-21 in words, by (source, reason)
REJECTION_WORDS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}

#: The acceptor's answers to the contexts of one A-ASSOCIATE-RQ.
Negotiate = Callable[[Sequence[RequestedContext]], Sequence[ContextDecision]]


@dataclass(frozen=True, slots=True)
class AcceptPolicy:
    """Whom an acceptor lets in, and to what."""

    #: By IP address, asked before a thread is made; False: the connection is dropped.
    peer_allowed: Callable[[str], bool]
    #: By calling AE title, called AE title and IP address; None: welcome.
    ae_titles_allowed: Callable[[str, str, str], Rejection | None]
    negotiate: Negotiate

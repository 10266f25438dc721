"""Which presentation contexts a storage SCP accepts, and in which transfer syntax (PS3.8 7.1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Result of one presentation context, PS3.8 Table 9-18
ACCEPTED = 0
USER_REJECTION = 1
NO_REASON = 2
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"  # Push Model, PS3.4 Annex J
PERFORMED_PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"  # Modality PPS, PS3.4 F.7
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

#: Transfer syntaxes that are never accepted.
REFUSED_TRANSFER_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian: 299 KiB unpacked to 600 MiB
        "1.2.840.10008.1.2.4.94",  # JPIP Referenced: the pixels are elsewhere
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.204",  # JPIP HTJ2K Referenced
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
    }
)

#: SOP classes of PS3.6 Table A-1 that are services and not objects to store. Everything that is
#: not here is taken for storage: private classes, and the standard's next ones.
SERVICE_SOP_CLASSES = frozenset(
    {
        "1.2.840.10008.1.3.10",  # Media Storage Directory Storage: a DICOMDIR, on media only
        "1.2.840.10008.1.9",  # Basic Study Content Notification
        "1.2.840.10008.1.20.1",  # Storage Commitment Push Model
        "1.2.840.10008.1.20.2",  # Storage Commitment Pull Model
        "1.2.840.10008.1.40",  # Procedural Event Logging
        "1.2.840.10008.1.42",  # Substance Administration Logging
        "1.2.840.10008.3.1.2.1.1",  # Detached Patient Management
        "1.2.840.10008.3.1.2.1.4",  # Detached Patient Management Meta
        "1.2.840.10008.3.1.2.2.1",  # Detached Visit Management
        "1.2.840.10008.3.1.2.3.1",  # Detached Study Management
        "1.2.840.10008.3.1.2.3.2",  # Study Component Management
        "1.2.840.10008.3.1.2.3.3",  # Modality Performed Procedure Step
        "1.2.840.10008.3.1.2.3.4",  # Modality Performed Procedure Step Retrieve
        "1.2.840.10008.3.1.2.3.5",  # Modality Performed Procedure Step Notification
        "1.2.840.10008.3.1.2.5.1",  # Detached Results Management
        "1.2.840.10008.3.1.2.5.4",  # Detached Results Management Meta
        "1.2.840.10008.3.1.2.5.5",  # Detached Study Management Meta
        "1.2.840.10008.3.1.2.6.1",  # Detached Interpretation Management
        "1.2.840.10008.4.2",  # Storage Service Class
        "1.2.840.10008.5.1.1.1",  # Basic Film Session
        "1.2.840.10008.5.1.1.2",  # Basic Film Box
        "1.2.840.10008.5.1.1.4",  # Basic Grayscale Image Box
        "1.2.840.10008.5.1.1.4.1",  # Basic Color Image Box
        "1.2.840.10008.5.1.1.4.2",  # Referenced Image Box
        "1.2.840.10008.5.1.1.9",  # Basic Grayscale Print Management Meta
        "1.2.840.10008.5.1.1.9.1",  # Referenced Grayscale Print Management Meta
        "1.2.840.10008.5.1.1.14",  # Print Job
        "1.2.840.10008.5.1.1.15",  # Basic Annotation Box
        "1.2.840.10008.5.1.1.16",  # Printer
        "1.2.840.10008.5.1.1.16.376",  # Printer Configuration Retrieval
        "1.2.840.10008.5.1.1.18",  # Basic Color Print Management Meta
        "1.2.840.10008.5.1.1.18.1",  # Referenced Color Print Management Meta
        "1.2.840.10008.5.1.1.22",  # VOI LUT Box
        "1.2.840.10008.5.1.1.23",  # Presentation LUT
        "1.2.840.10008.5.1.1.24",  # Image Overlay Box
        "1.2.840.10008.5.1.1.24.1",  # Basic Print Image Overlay Box
        "1.2.840.10008.5.1.1.26",  # Print Queue Management
        "1.2.840.10008.5.1.1.31",  # Pull Print Request
        "1.2.840.10008.5.1.1.32",  # Pull Stored Print Management Meta
        "1.2.840.10008.5.1.1.33",  # Media Creation Management
        "1.2.840.10008.5.1.1.40",  # Display System
        "1.2.840.10008.5.1.4.1.1.200.4",  # Protocol Approval - FIND
        "1.2.840.10008.5.1.4.1.1.200.5",  # Protocol Approval - MOVE
        "1.2.840.10008.5.1.4.1.1.200.6",  # Protocol Approval - GET
        "1.2.840.10008.5.1.4.1.1.201.2",  # Inventory - FIND
        "1.2.840.10008.5.1.4.1.1.201.3",  # Inventory - MOVE
        "1.2.840.10008.5.1.4.1.1.201.4",  # Inventory - GET
        "1.2.840.10008.5.1.4.1.1.201.5",  # Inventory Creation
        "1.2.840.10008.5.1.4.1.1.201.6",  # Repository Query
        "1.2.840.10008.5.1.4.1.2.1.1",  # Patient Root - FIND
        "1.2.840.10008.5.1.4.1.2.1.2",  # Patient Root - MOVE
        "1.2.840.10008.5.1.4.1.2.1.3",  # Patient Root - GET
        "1.2.840.10008.5.1.4.1.2.2.1",  # Study Root - FIND
        "1.2.840.10008.5.1.4.1.2.2.2",  # Study Root - MOVE
        "1.2.840.10008.5.1.4.1.2.2.3",  # Study Root - GET
        "1.2.840.10008.5.1.4.1.2.3.1",  # Patient/Study Only - FIND
        "1.2.840.10008.5.1.4.1.2.3.2",  # Patient/Study Only - MOVE
        "1.2.840.10008.5.1.4.1.2.3.3",  # Patient/Study Only - GET
        "1.2.840.10008.5.1.4.1.2.4.2",  # Composite Instance Root Retrieve - MOVE
        "1.2.840.10008.5.1.4.1.2.4.3",  # Composite Instance Root Retrieve - GET
        "1.2.840.10008.5.1.4.1.2.5.3",  # Composite Instance Retrieve Without Bulk Data - GET
        "1.2.840.10008.5.1.4.20.1",  # Defined Procedure Protocol - FIND
        "1.2.840.10008.5.1.4.20.2",  # Defined Procedure Protocol - MOVE
        "1.2.840.10008.5.1.4.20.3",  # Defined Procedure Protocol - GET
        "1.2.840.10008.5.1.4.31",  # Modality Worklist - FIND
        "1.2.840.10008.5.1.4.32",  # General Purpose Worklist Management Meta
        "1.2.840.10008.5.1.4.32.1",  # General Purpose Worklist - FIND
        "1.2.840.10008.5.1.4.32.2",  # General Purpose Scheduled Procedure Step
        "1.2.840.10008.5.1.4.32.3",  # General Purpose Performed Procedure Step
        "1.2.840.10008.5.1.4.33",  # Instance Availability Notification
        "1.2.840.10008.5.1.4.34.2",  # RT Conventional Machine Verification - Trial
        "1.2.840.10008.5.1.4.34.3",  # RT Ion Machine Verification - Trial
        "1.2.840.10008.5.1.4.34.4",  # Unified Worklist and Procedure Step - Trial
        "1.2.840.10008.5.1.4.34.4.1",  # Unified Procedure Step - Push - Trial
        "1.2.840.10008.5.1.4.34.4.2",  # Unified Procedure Step - Watch - Trial
        "1.2.840.10008.5.1.4.34.4.3",  # Unified Procedure Step - Pull - Trial
        "1.2.840.10008.5.1.4.34.4.4",  # Unified Procedure Step - Event - Trial
        "1.2.840.10008.5.1.4.34.6",  # Unified Worklist and Procedure Step
        "1.2.840.10008.5.1.4.34.6.1",  # Unified Procedure Step - Push
        "1.2.840.10008.5.1.4.34.6.2",  # Unified Procedure Step - Watch
        "1.2.840.10008.5.1.4.34.6.3",  # Unified Procedure Step - Pull
        "1.2.840.10008.5.1.4.34.6.4",  # Unified Procedure Step - Event
        "1.2.840.10008.5.1.4.34.6.5",  # Unified Procedure Step - Query
        "1.2.840.10008.5.1.4.34.8",  # RT Conventional Machine Verification
        "1.2.840.10008.5.1.4.34.9",  # RT Ion Machine Verification
        "1.2.840.10008.5.1.4.37.1",  # General Relevant Patient Information Query
        "1.2.840.10008.5.1.4.37.2",  # Breast Imaging Relevant Patient Information Query
        "1.2.840.10008.5.1.4.37.3",  # Cardiac Relevant Patient Information Query
        "1.2.840.10008.5.1.4.38.2",  # Hanging Protocol - FIND
        "1.2.840.10008.5.1.4.38.3",  # Hanging Protocol - MOVE
        "1.2.840.10008.5.1.4.38.4",  # Hanging Protocol - GET
        "1.2.840.10008.5.1.4.39.2",  # Color Palette - FIND
        "1.2.840.10008.5.1.4.39.3",  # Color Palette - MOVE
        "1.2.840.10008.5.1.4.39.4",  # Color Palette - GET
        "1.2.840.10008.5.1.4.41",  # Product Characteristics Query
        "1.2.840.10008.5.1.4.42",  # Substance Approval Query
        "1.2.840.10008.5.1.4.43.2",  # Generic Implant Template - FIND
        "1.2.840.10008.5.1.4.43.3",  # Generic Implant Template - MOVE
        "1.2.840.10008.5.1.4.43.4",  # Generic Implant Template - GET
        "1.2.840.10008.5.1.4.44.2",  # Implant Assembly Template - FIND
        "1.2.840.10008.5.1.4.44.3",  # Implant Assembly Template - MOVE
        "1.2.840.10008.5.1.4.44.4",  # Implant Assembly Template - GET
        "1.2.840.10008.5.1.4.45.2",  # Implant Template Group - FIND
        "1.2.840.10008.5.1.4.45.3",  # Implant Template Group - MOVE
        "1.2.840.10008.5.1.4.45.4",  # Implant Template Group - GET
        "1.2.840.10008.10.1",  # Video Endoscopic Image Real-Time Communication
        "1.2.840.10008.10.2",  # Video Photographic Image Real-Time Communication
        "1.2.840.10008.10.3",  # Audio Waveform Real-Time Communication
        "1.2.840.10008.10.4",  # Rendition Selection Document Real-Time Communication
    }
)

# Looser than PS3.5 9.1 on purpose: private classes with a leading zero in a component exist.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True, slots=True)
class RequestedContext:
    """One presentation context of an A-ASSOCIATE-RQ, with the roles its requestor proposes."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    scu_role: bool = True
    scp_role: bool = False


@dataclass(frozen=True, slots=True)
class ContextDecision:
    """The acceptor's answer to one context; the roles are those the *requestor* may take."""

    context_id: int
    result: int  # ACCEPTED or one of the other results above
    transfer_syntax: str = IMPLICIT_VR_LITTLE_ENDIAN
    scu_role: bool = True
    scp_role: bool = False


def is_uid(value: str) -> bool:
    """Tell whether `value` has the characters and the length of a UID (PS3.5 9.1)."""
    return len(value) <= 64 and _UID.fullmatch(value) is not None


def is_storage_class(abstract_syntax: str) -> bool:
    """Tell whether to take the class for one whose instances are stored: all but known services."""
    return (
        is_uid(abstract_syntax)
        and abstract_syntax != VERIFICATION
        and abstract_syntax not in SERVICE_SOP_CLASSES
    )


def choose_transfer_syntax(offered: Iterable[str]) -> str | None:
    """Return Explicit VR Little Endian if offered, else the first that is acceptable, else None.

    Private and unknown syntaxes are acceptable: the bytes are kept as they come.
    """
    acceptable = [s for s in offered if is_uid(s) and s not in REFUSED_TRANSFER_SYNTAXES]
    if EXPLICIT_VR_LITTLE_ENDIAN in acceptable:
        return EXPLICIT_VR_LITTLE_ENDIAN
    return acceptable[0] if acceptable else None


def decide_storage_contexts(
    requested: Iterable[RequestedContext],
) -> tuple[ContextDecision, ...]:
    """Answer every requested context as a storage SCP: Verification and all that can be stored."""
    return tuple(_decide(context) for context in requested)


def _decide(context: RequestedContext) -> ContextDecision:
    syntax = context.abstract_syntax
    if syntax != VERIFICATION and not is_storage_class(syntax):
        return ContextDecision(context.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED)
    chosen = choose_transfer_syntax(context.transfer_syntaxes)
    if chosen is None:
        return ContextDecision(context.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED)
    if not context.scu_role:  # it would only take instances, and we give none
        return ContextDecision(context.context_id, USER_REJECTION)
    return ContextDecision(context.context_id, ACCEPTED, chosen)

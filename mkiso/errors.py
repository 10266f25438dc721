"""Every expected failure, with its exit code and whether trying again makes sense.

MkisoError
├── UsageError 64           ├── ConfigError 78
├── DataError 65            ├── IncompleteError 80
├── NotFoundError 66        ├── IdentityError 81
├── InternalError 70        ├── AmbiguousError 82
├── CantCreateError 73      ├── VerifyError 83
├── DiskError 74            ├── ForwardError 84
├── TemporaryError 75       ├── LimitError 85
├── ProtocolError 76        ├── DriveError 86
├── PermissionDeniedError 77└── RefusedContentError 87
└── StoppedError 130 / 143

The message of an expected failure is one sentence for a person: what, which, next step. It never
carries a patient's name, birth date or PatientID: messages go into logs and reports.
"""

from __future__ import annotations

from typing import ClassVar

OK = 0
BATCH_PARTIAL = 10

#: How a caller may repeat the job: by itself, only after a person looked, or never.
RETRY_YES = "yes"
RETRY_NO = "no"
RETRY_PERSON = "person"
RETRY_NEVER = "never"


class MkisoError(Exception):
    """An expected failure: one sentence for a person, an exit code, a word about retrying."""

    code: ClassVar[int] = 70
    name: ClassVar[str] = "INTERNAL"
    retry: ClassVar[str] = RETRY_NO

    def __init__(self, message: str, *, details: tuple[str, ...] = ()) -> None:
        """Keep `message` and `details` (UIDs, paths: one a line, no patient data)."""
        super().__init__(message)
        self.message = message
        self.details = details


class UsageError(MkisoError):
    """An option or an accession number is not acceptable."""

    code, name, retry = 64, "USAGE", RETRY_NO


class DataError(MkisoError):
    """A list file or an input file is malformed."""

    code, name, retry = 65, "DATA", RETRY_NO


class NotFoundError(MkisoError):
    """No study has that accession number, or the modality filter left nothing."""

    code, name, retry = 66, "NOT_FOUND", RETRY_PERSON

    def __init__(
        self, message: str, *, details: tuple[str, ...] = (), not_found: tuple[str, ...] = ()
    ) -> None:
        """Keep what was `not_found`: accession numbers or Study Instance UIDs."""
        super().__init__(message, details=details)
        self.not_found = not_found


class InternalError(MkisoError):
    """A bug: the traceback is in the log."""

    code, name, retry = 70, "INTERNAL", RETRY_NO


class CantCreateError(MkisoError):
    """The output folder or name is unusable, or another disc has that name."""

    code, name, retry = 73, "CANT_CREATE", RETRY_NO


class DiskError(MkisoError):
    """Disk full or an I/O error."""

    code, name, retry = 74, "IO", RETRY_PERSON


class TemporaryError(MkisoError):
    """The archive is unreachable, busy or stalled, or the port or the lock is taken."""

    code, name, retry = 75, "TEMPFAIL", RETRY_YES


class ProtocolError(MkisoError):
    """The peer refused what the job needs, or broke the protocol."""

    code, name, retry = 76, "PROTOCOL", RETRY_NO


class PermissionDeniedError(MkisoError):
    """Not authorised: status 0124H, or file permissions of a drive or folder."""

    code, name, retry = 77, "NOPERM", RETRY_NO


class ConfigError(MkisoError):
    """Configuration, AE titles, an unknown move destination, a certificate."""

    code, name, retry = 78, "CONFIG", RETRY_NO


class IncompleteError(MkisoError):
    """Instances are missing after the retries; nothing was published."""

    code, name, retry = 80, "INCOMPLETE", RETRY_PERSON


class IdentityError(MkisoError):
    """An instance of another patient or study, or one UID with two contents."""

    code, name, retry = 81, "IDENTITY", RETRY_NEVER


class AmbiguousError(MkisoError):
    """One accession number with several patients, or a job of several patients."""

    code, name, retry = 82, "AMBIGUOUS", RETRY_NEVER


class VerifyError(MkisoError):
    """What was read back is not what was written."""

    code, name, retry = 83, "VERIFY", RETRY_NO


class ForwardError(MkisoError):
    """The disc is good; forwarding is not complete."""

    code, name, retry = 84, "FORWARD", RETRY_YES


class LimitError(MkisoError):
    """Does not fit a medium or a cap."""

    code, name, retry = 85, "LIMIT", RETRY_NO


class DriveError(MkisoError):
    """No drive, no blank medium, or burning failed."""

    code, name, retry = 86, "DRIVE", RETRY_PERSON


class RefusedContentError(MkisoError):
    """Content that the chosen option forbids."""

    code, name, retry = 87, "REFUSED_CONTENT", RETRY_NO


class InterruptedJobError(MkisoError):
    """Stopped by SIGINT; the work folder is cleaned, the lock is free."""

    code, name, retry = 130, "INTERRUPTED", RETRY_YES


class TerminatedJobError(MkisoError):
    """Stopped by SIGTERM; the work folder is cleaned, the lock is free."""

    code, name, retry = 143, "TERMINATED", RETRY_YES

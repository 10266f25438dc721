"""The exit codes: 0 is a complete, verified disc; 75 is try again; anything else needs a person."""

from __future__ import annotations

from dataclasses import dataclass

from mkiso.errors import RETRY_NEVER, RETRY_NO, RETRY_PERSON, RETRY_YES


@dataclass(frozen=True, slots=True)
class ExitCode:
    """What a code is called, whether a retry makes sense, and when it comes."""

    code: int
    name: str
    retry: str
    meaning: str


# fmt: off
#: One code a row; 64 to 78 as in sysexits.h. 1, 2, 126, 127 and 255 belong to shells: never ours.
EXIT_CODES = (
    ExitCode(0,   "OK",              RETRY_NO,     "done, or this very disc exists already"),
    ExitCode(10,  "BATCH_PARTIAL",   RETRY_PERSON, "a batch with failures of different kinds"),
    ExitCode(64,  "USAGE",           RETRY_NO,     "an option or number is not acceptable"),
    ExitCode(65,  "DATA",            RETRY_NO,     "a list or input file is malformed"),
    ExitCode(66,  "NOT_FOUND",       RETRY_PERSON, "no such study, or nothing left by --modality"),
    ExitCode(70,  "INTERNAL",        RETRY_NO,     "a bug: its traceback is in the log"),
    ExitCode(73,  "CANT_CREATE",     RETRY_NO,     "output unusable, or another disc has the name"),
    ExitCode(74,  "IO",              RETRY_PERSON, "disk full or an I/O error"),
    ExitCode(75,  "TEMPFAIL",        RETRY_YES,    "archive away or stalled; port or lock taken"),
    ExitCode(76,  "PROTOCOL",        RETRY_NO,     "the peer refused what is needed, broke DICOM"),
    ExitCode(77,  "NOPERM",          RETRY_NO,     "not authorised: 0124H, file permissions"),
    ExitCode(78,  "CONFIG",          RETRY_NO,     "configuration, AE titles, move destination"),
    ExitCode(80,  "INCOMPLETE",      RETRY_PERSON, "instances are missing; nothing was published"),
    ExitCode(81,  "IDENTITY",        RETRY_NEVER,  "another patient's or study's instance arrived"),
    ExitCode(82,  "AMBIGUOUS",       RETRY_NEVER,  "several patients where one disc has one"),
    ExitCode(83,  "VERIFY",          RETRY_NO,     "what was read back is not what was written"),
    ExitCode(84,  "FORWARD",         RETRY_YES,    "the disc is good, forwarding is not complete"),
    ExitCode(85,  "LIMIT",           RETRY_NO,     "does not fit a medium or a cap"),
    ExitCode(86,  "DRIVE",           RETRY_PERSON, "no drive, no blank medium, burning failed"),
    ExitCode(87,  "REFUSED_CONTENT", RETRY_NO,     "content that the chosen option forbids"),
    ExitCode(130, "INTERRUPTED",     RETRY_YES,    "stopped by SIGINT, cleaned up"),
    ExitCode(143, "TERMINATED",      RETRY_YES,    "stopped by SIGTERM, cleaned up"),
)
# fmt: on

BY_CODE = {row.code: row for row in EXIT_CODES}

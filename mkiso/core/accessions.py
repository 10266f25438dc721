"""Accession numbers and lists of them, and Study Instance UIDs: parse, refuse, de-duplicate.

What is refused here never reaches the network: an empty or wildcard accession number would match
other patients (dcmqrscp answers an empty one with its whole archive).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from mkiso.core.contexts import is_uid
from mkiso.errors import UsageError

#: Value representation SH, PS3.5 6.2: at most 16 characters (not bytes).
MAXIMUM_LENGTH = 16

#: PS3.4 C.2.2.2.4 (wildcards) and PS3.5 6.2 (the backslash separates values).
_FORBIDDEN = {"*": "a wildcard", "?": "a wildcard", "\\": "a separator of values"}

_SEPARATORS = re.compile(r"[,;\r\n]")
_LIST_PADDING = " \t\ufeff"  # a byte order mark stands before the first line of some lists


def require_accession_number(text: str) -> str:
    """Return the accession number in `text` without the spaces around it.

    Raises UsageError, naming what is wrong, when it is empty, longer than 16 characters, holds a
    wildcard, a backslash, a control character or undecodable bytes. Everything else is legal.
    """
    number = text.strip(" ")
    if not number:
        raise UsageError("An accession number is empty; give the number of the examination.")
    fault = accession_number_fault(number)
    if fault:
        raise UsageError(f"The accession number {printable(number)} {fault}.")
    return number


def accession_number_fault(number: str) -> str:
    """Return what is wrong with an accession number, without quoting it; "" for a good one."""
    for character in number:
        if character in _FORBIDDEN:
            return (
                f"contains {character!r}, {_FORBIDDEN[character]} in DICOM; give one exact number"
            )
        if unicodedata.category(character) in ("Cc", "Cs"):
            return (
                "contains a control character or undecodable bytes; give the number as plain text"
            )
    if len(number) > MAXIMUM_LENGTH:
        return f"has {len(number)} characters; DICOM allows at most {MAXIMUM_LENGTH}"
    return "" if number else "is empty"


def require_accession_numbers(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the accession numbers of an array, each taken verbatim, without duplicates, in order.

    Raises UsageError as `require_accession_number` does, and when there is none at all.
    """
    numbers = tuple(dict.fromkeys(require_accession_number(text) for text in texts))
    if not numbers:
        raise UsageError("No accession number was given; give at least one.")
    return numbers


def split_accession_numbers(text: str) -> tuple[str, ...]:
    r"""Return the entries of a list in one string, split at comma, semicolon and newline.

    A byte order mark, CRLF, blanks around an entry and blank entries are dropped: a blank line is
    never a number. The entries are not checked; pass them to `require_accession_numbers`.
    """
    entries = (entry.strip(_LIST_PADDING) for entry in _SEPARATORS.split(text))
    return tuple(entry for entry in entries if entry)


def require_study_instance_uids(texts: Iterable[str]) -> tuple[str, ...]:
    """Return Study Instance UIDs without duplicates, in order.

    Raises UsageError for what is not a UID of at most 64 characters (PS3.5 9.1): an empty one is
    universal matching, and `*` and a backslash would select other studies.
    """
    uids = tuple(dict.fromkeys(text.strip(" ") for text in texts))
    for uid in uids:
        if not is_uid(uid):
            raise UsageError(
                f"{printable(uid)} is not a Study Instance UID: digits and single dots, at most 64 "
                "characters."
            )
    return uids


def printable(text: str, most: int = 80) -> str:
    """Return `text` in quotes, escaped for one line of a log, cut after `most` characters."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:most])
    return f"'{shown}'" if len(text) <= most else f"'{shown}…'"

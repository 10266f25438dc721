"""Descriptions without known names and numbers, dates and long numbers (PS3.15 E.3.5).

A machine does not know every name: what nobody wrote elsewhere in the object stays. Who needs more
leaves the option out, and the text is removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_DATES = re.compile(rb"\b\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b")
_LONG_NUMBERS = re.compile(rb"[A-Za-z]{0,4}[-_]?\d{5,}")
_SPACES = re.compile(rb" {2,}")
_SEPARATORS = re.compile(rb"[\^=\\\s,;/]+")
#: Shorter parts of names are words of any language.
_LEAST_LETTERS = 3


def tokens_of(values: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return what is to be looked for: the values, the parts of names in them, and those joined."""
    found = set()
    for value in values:
        whole = value.strip(b" \0")
        found |= {whole, *_SEPARATORS.split(whole)}
        for group in whole.split(b"="):
            family, given, *_ = (*filter(None, group.split(b"^")), b"", b"")
            found |= {family + given, given + family}
    long = (token for token in found if len(token) >= _LEAST_LETTERS)
    return tuple(sorted(long, key=lambda token: (-len(token), token)))


def cleaned(raw: bytes, tokens: tuple[bytes, ...]) -> bytes:
    """Return a text without tokens, dates and long numbers."""
    for token in tokens:
        pattern = rb"(?<![A-Za-z0-9])" + re.escape(token) + rb"(?![A-Za-z0-9])"
        raw = re.sub(pattern, b"", raw, flags=re.IGNORECASE)
    raw = _LONG_NUMBERS.sub(b"", _DATES.sub(b"", raw))
    return _SPACES.sub(b" ", raw).strip()


def can_be_cleaned(raw: bytes, character_set: str) -> bool:
    """Say whether bytes may be taken out of a text without breaking its other characters."""
    if max(raw, default=0) < 0x80 and b"\x1b" not in raw:
        return True
    return "\\" not in character_set and "2022" not in character_set and "GB" not in character_set

"""New identities for old: keyed, so that the same key maps alike and nobody maps without it.

UIDs, PatientIDs, accession numbers and days are made with HMAC-SHA256 (RFC 2104) of what they
were; nothing is stored. Registered UIDs (1.2.840.10008) stay, since they name no object of ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

_REGISTERED = "1.2.840.10008."
#: Days that dates go back at most: ten years, and at least a month.
_LEAST_DAYS, _MOST_DAYS = 30, 3650
#: Also of a root that nobody gives (999.…): such objects exist.
_UID = re.compile(r"(?<![\w.])(?:[0-2](?:\.[0-9]+){2,}|[0-9]+(?:\.[0-9]+){3,})(?!\w)")
#: What an archive gives for a UID and is none may be anything (core/query.py quotes it).
_NO_UID = re.compile(r"'[^']*'(?= as \w+ Instance UID)")
_ADDRESS = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")
#: Shorter numbers are counts, too.
_LEAST_LETTERS = 4
_FIRST_DAY = date(1, 1, 1)


@dataclass(frozen=True, slots=True)
class Person:
    """Who a patient is from now on, and by how many days the patient's dates go back."""

    patient_id: str
    patient_name: str
    days: int


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What maps identities; `names` are those of a list: PatientID to PatientID and name."""

    key: bytes
    keep_uids: bool = False
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def uid(self, uid: str) -> str:
        """Return the UID that stands for one: `2.25.` and 128 bits as of a UUID (PS3.5 B.2)."""
        if self.keep_uids or not uid or uid.startswith(_REGISTERED):
            return uid
        digest = bytearray(self._digest("uid", uid)[:16])
        digest[6] = digest[6] & 0x0F | 0x80  # RFC 9562: version 8, made in a way of one's own
        digest[8] = digest[8] & 0x3F | 0x80
        return f"2.25.{int.from_bytes(digest, 'big')}"

    def accession_number(self, number: str) -> str:
        """Return the accession number that stands for one; "" stays."""
        number = number.strip()
        return f"A{self._word('accession', number)}" if number else ""

    def person(self, patient_id: str, issuer: str = "") -> Person:
        """Return the pseudonym of a patient. Raises KeyError when a list does not have it."""
        patient_id = patient_id.strip()
        who = f"{issuer.strip()}\\{patient_id}"
        number = int.from_bytes(self._digest("days", who)[:8], "big")
        days = _LEAST_DAYS + number % (_MOST_DAYS - _LEAST_DAYS)
        if self.names:
            return Person(*self.names[patient_id], days)
        pseudonym = f"P{self._word('patient', who)}"
        return Person(pseudonym, pseudonym, days)

    def text(
        self, text: str, numbers: Mapping[str, str], ours: Collection[str] = frozenset()
    ) -> str:
        """Return a text with its UIDs mapped and `numbers` replaced; addresses and `ours` stay."""
        if text in numbers:
            return numbers[text]
        text = _NO_UID.sub("something that is no UID", text)
        parts, at = [], 0
        for match in _UID.finditer(text):
            parts.append(_without(text[at : match.start()], numbers))
            found = match[0]
            is_kept = found in ours or _ADDRESS.fullmatch(found)
            parts.append(found if is_kept else self.uid(found))
            at = match.end()
        return "".join((*parts, _without(text[at:], numbers)))

    def _digest(self, what: str, value: str) -> bytes:
        return hmac.new(self.key, f"{what}\0{value}".encode(), hashlib.sha256).digest()

    def _word(self, what: str, value: str) -> str:
        """Return twelve letters and digits that no reader takes for others."""
        return base64.b32encode(self._digest(what, value)).decode("ascii")[:12]


def _without(text: str, numbers: Mapping[str, str]) -> str:
    """Return a text without these accession numbers; short ones only where they must be some."""
    for old in sorted(numbers, key=len, reverse=True):
        if old in text:
            end = rf"{re.escape(old)}(?!\w)"
            before = r"(?:(?<!\w))" if len(old) >= _LEAST_LETTERS else r"(?:(?<=')|(?<=number ))"
            text = re.sub(before + end, numbers[old], text)
    return text


def shifted(value: str, days: int) -> str | None:
    """Return a DA or DT value so many days earlier; None when it is no date.

    Times and time zones stay. Parts of a date (a year) cannot be moved by days: None.
    """
    digits, rest = value[:8], value[8:]
    if len(digits) != 8 or not digits.isdecimal():
        return None
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    moved = day - timedelta(days=days) if (day - _FIRST_DAY).days >= days else _FIRST_DAY
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}{rest}"

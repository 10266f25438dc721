"""Values of data sets as a person reads them on a page: names, dates, no control characters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

#: Characters that turn the direction of what follows (Unicode UAX #9): on a patient's page they
#: could make one name look like another.
_DIRECTION = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_SIZES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})\Z")  # the dots: ACR-NEMA, PS3.5 6.2 note
_TIME = re.compile(r"(\d{2}):?(\d{2})(:?\d{2}(\.\d{1,6})?)?\Z")


@dataclass(frozen=True, slots=True)
class PersonName:
    """A Person Name by its groups (PS3.5 6.2.1.1), each ready to be shown, "" when absent."""

    alphabetic: str
    ideographic: str = ""
    phonetic: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.alphabetic or self.ideographic or self.phonetic)


def plain_text(text: str) -> str:
    """Give the text on one line, without control and direction characters, blanks collapsed."""
    kept = (
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text
        if c not in _DIRECTION
    )
    shown = "".join("\ufffd" if unicodedata.category(c) in ("Cs", "Cn") else c for c in kept)
    return " ".join(shown.split())


def person_name(text: str) -> PersonName:
    """Give the groups of a decoded Person Name, each as `Family, Given Middle, Suffix`."""
    groups = [_name_group(group) for group in text.split("=")[:3]]
    return PersonName(*groups)


def _name_group(group: str) -> str:
    family, given, middle, prefix, suffix, *_ = [plain_text(c) for c in group.split("^")] + [""] * 5
    first = " ".join(part for part in (prefix, given, middle) if part)
    return ", ".join(part for part in (family, first, suffix) if part)


def date_text(text: str) -> str:
    """Give a DA value as YYYY-MM-DD (ISO 8601), what is no date as it stands."""
    found = _DATE.match(text.strip())
    return "-".join(found.groups()) if found else plain_text(text)


def time_text(text: str) -> str:
    """Give a TM value as HH:MM, what is no time as it stands."""
    found = _TIME.match(text.strip())
    return f"{found[1]}:{found[2]}" if found else plain_text(text)


def counted(number: int, one: str, many: str = "") -> str:
    """Give a number with its noun: `1 error`, `2 errors`; `many` where it is not `one` and s."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def size_text(size_bytes: int) -> str:
    """Give a size in the decimal units that media are sold by."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    unit, value = next(
        (u, size_bytes / f) for u, f in _SIZES if size_bytes / f >= 1 or u == _SIZES[-1][0]
    )
    return f"{value:.3g} {unit}" if value < 99.95 else f"{value:.0f} {unit}"

"""Dates and ranges of dates as people write them, for C-FIND (PS3.4 C.2.2.2.5)."""

from __future__ import annotations

import re
from datetime import date, timedelta

from mkiso.core.accessions import printable
from mkiso.errors import MkisoError, UsageError

_DAY = r"\d{4}-\d{2}-\d{2}|\d{4}\.\d{2}\.\d{2}|\d{8}"
_RANGE = re.compile(rf"(?P<first>{_DAY})?(?P<to>\s*(?:-|\.\.|/)\s*)?(?P<last>{_DAY})?")
#: Days counted back from today.
_WORDS = {"today": 0, "yesterday": 1}


def require_date_range(text: str, today: date, error: type[MkisoError] = UsageError) -> str:
    """Return what to ask a DA attribute for: `20260131`, `20260101-20260131`, or an open range.

    Days are written 20260131 or 2026-01-31, ranges with `-` or `..`; `today`, `yesterday`, and
    `7d` for the last seven days. An empty text stays empty. Raises `error`.
    """
    wanted = text.strip()
    if not wanted:
        return ""
    word = wanted.lower()
    if word in _WORDS:
        return _text(today - timedelta(days=_WORDS[word]))
    if re.fullmatch(r"\d{1,4}d", word):
        return f"{_text(today - timedelta(days=int(word[:-1])))}-{_text(today)}"
    match = _RANGE.fullmatch(wanted)
    if match is None or (match["first"] and match["last"] and not match["to"]):
        raise error(_sentence(text))
    first, last = (_day(match[end], text, error) for end in ("first", "last"))
    if not first and not last:
        raise error(_sentence(text))
    if not match["to"]:
        return first or last
    if first and last and first > last:
        raise error(f"The date range {printable(text)} ends before it begins.")
    return f"{first}-{last}"


def _day(text: str | None, whole: str, error: type[MkisoError]) -> str:
    """Return a day as YYYYMMDD; the calendar must have it."""
    if not text:
        return ""
    digits = text.replace("-", "").replace(".", "")
    try:
        return _text(date(int(digits[:4]), int(digits[4:6]), int(digits[6:])))
    except ValueError:
        raise error(_sentence(whole)) from None


def _text(day: date) -> str:
    return day.strftime("%Y%m%d")


def _sentence(text: str) -> str:
    return (
        f"{printable(text)} is not a date or a range of dates; write 20260131, 2026-01-31, "
        "20260101-20260131, today or 7d."
    )

"""Durations as people write them: `180s`, `12h`, `90d`."""

from __future__ import annotations

import re

from mkiso.errors import MkisoError, UsageError

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw]?)")


def parse_duration(
    text: str, where: str, error: type[MkisoError] = UsageError, *, needs_unit: bool = False
) -> float:
    """Return the seconds of a duration; a number alone is seconds, unless it `needs_unit`.

    Raises `error`.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or (needs_unit and not match[2]):
        raise error(f"{where}: write a number and s, m, h, d or w, such as 180s or 90d.")
    return float(match[1]) * _SECONDS[match[2]]

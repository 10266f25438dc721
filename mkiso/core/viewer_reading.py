"""Tables of what is copied from a data set to the page, and their readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from mkiso.core.viewer_values import Values

#: Attributes as the page gets them: JSON values by name.
Attributes: TypeAlias = "dict[str, Any]"

Reader: TypeAlias = Callable[[Values, str], Any]


def text_of(values: Values, keyword: str) -> str:
    """Return the text of an element."""
    return values.text(keyword)


def texts_of(values: Values, keyword: str) -> list[str]:
    """Return all texts of an element."""
    return values.texts(keyword)


def joined(values: Values, keyword: str) -> str:
    """Return all texts in one of an element."""
    return "\\".join(values.texts(keyword))


def number_of(values: Values, keyword: str) -> float | None:
    """Return the first number of an element."""
    return values.number(keyword)


def numbers_of(values: Values, keyword: str) -> list[float]:
    """Return all numbers of an element."""
    return values.numbers(keyword)


def uid_of(values: Values, keyword: str) -> str:
    """Return the UID of an element."""
    return values.uid(keyword)


def meaning_of(values: Values, keyword: str) -> str:
    """Return the meaning of the sequence's code of an element."""
    return values.meaning(keyword)


#: Name for the page, keyword, reader: one attribute a row.
Table: TypeAlias = "tuple[tuple[str, str, Reader], ...]"

# What a number of values other than these makes useless to the page, which then does without.
_LENGTHS: Final = {
    "pixel_spacing": 2,
    "imager_pixel_spacing": 2,
    "nominal_scanned_pixel_spacing": 2,
    "pixel_aspect_ratio": 2,
    "image_position_patient": 3,
    "image_orientation_patient": 6,
}


def copied(values: Values, table: Table) -> Attributes:
    """Return the attributes of `table` that have a value."""
    found: Attributes = {}
    for name, keyword, read in table:
        if keyword not in values:
            continue
        value = read(values, keyword)
        if (name, value) == ("rescale_slope", 0):
            continue  # not legal, and nothing could be seen
        if value not in (None, "", []) and _LENGTHS.get(name) in (None, _length(value)):
            found[name] = value
    return found


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1

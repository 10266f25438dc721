"""Rows as a table for a terminal, as CSV for a spreadsheet, in the order of given columns."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mkiso.core.csv_cell import csv_cell
from mkiso.core.display_text import date_text, person_name, plain_text, time_text

#: One row: texts by DICOM keyword, decoded, "" or absent when there is none.
Row = Mapping[str, str]

_GAP = "  "
_LEAST_WIDTH = 8  # a column is not made narrower than this
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the keyword of its values, its head, how a value is shown."""

    keyword: str
    head: str
    show: Callable[[str], str] = plain_text
    is_number: bool = False
    is_elastic: bool = False  # cut first when the terminal is too narrow


def shown_name(text: str) -> str:
    """Return a Person Name as people read it, other groups in brackets."""
    name = person_name(text)
    groups = [group for group in (name.alphabetic, name.ideographic, name.phonetic) if group]
    if not groups:
        return ""
    return groups[0] + (f" ({', '.join(groups[1:])})" if groups[1:] else "")


def shown_values(text: str) -> str:
    """Return several values as one text: `CT, SR`."""
    return ", ".join(part for part in map(plain_text, text.split("\\")) if part)


#: How the values of an attribute are shown, by value representation; others as plain text.
SHOWN_AS: Mapping[str, Callable[[str], str]] = {
    "PN": shown_name,
    "DA": date_text,
    "TM": time_text,
    "CS": shown_values,
}


def display_width(text: str) -> int:
    """Return the cells that a text takes on a terminal: two a wide character, none a mark."""
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def table_lines(columns: Sequence[Column], rows: Iterable[Row], width: int | None) -> list[str]:
    """Return head and rows in columns; with `width` (cells), elastic columns are cut to fit it."""
    cells = [[column.show(row.get(column.keyword, "")) for column in columns] for row in rows]
    heads = [column.head for column in columns]
    widths = [
        max(display_width(text) for text in texts) for texts in zip(heads, *cells, strict=True)
    ]
    if width is not None:
        widths = _narrowed(columns, widths, width)
    lines = [_line(columns, heads, widths), _line(columns, ["-" * w for w in widths], widths)]
    return lines + [_line(columns, row, widths) for row in cells]


def _narrowed(columns: Sequence[Column], widths: list[int], width: int) -> list[int]:
    """Take from the widest elastic column, cell by cell, until the line fits or none gives."""
    widths = list(widths)
    too_much = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for _ in range(max(0, too_much)):
        elastic = [n for n, c in enumerate(columns) if c.is_elastic and widths[n] > _LEAST_WIDTH]
        if not elastic:
            break
        widths[max(elastic, key=lambda n: widths[n])] -= 1
    return widths


def _line(columns: Sequence[Column], texts: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for column, text, width in zip(columns, texts, widths, strict=True):
        shown = _cut(text, width)
        padding = " " * (width - display_width(shown))
        parts.append(padding + shown if column.is_number else shown + padding)
    return _GAP.join(parts).rstrip()


def _cut(text: str, width: int) -> str:
    """Return a text that fits, with an ellipsis where something is left out."""
    if display_width(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += _cells(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + _ELLIPSIS


def csv_text(keywords: Sequence[str], rows: Iterable[Row]) -> str:
    """Return CSV (RFC 4180, lines end with a newline) with the keywords as head.

    A cell that a spreadsheet would take for a formula begins with an apostrophe instead
    (`plain_cell` takes it off again).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(keywords)
    for row in rows:
        writer.writerow([csv_cell(str(row.get(keyword, "")).strip()) for keyword in keywords])
    return out.getvalue()

"""A cell of a CSV file that no spreadsheet takes for a formula.

Excel, LibreOffice and Google Sheets calculate a cell that begins with one of these signs; names
and accession numbers come from outside. The apostrophe in front makes it text.
"""

from __future__ import annotations

import unicodedata

#: What begins a formula, in both widths; `|` and `%` do so in old readers.
_SIGNS = frozenset("=+-@|%\uff1d\uff0b\uff0d\uff20")
#: Control characters, lone surrogates, ends of lines: a row is one line.
_BROKEN = ("Cc", "Cs", "Zl", "Zp")


def csv_cell(value: object) -> str:
    """Return `value` as the text of a cell: harmless, on one line, without control characters.

    Quoting is the CSV writer's. Numbers stay numbers, negative ones too; None is an empty cell.
    """
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    text = one_line(str(value))
    first = next((c for c in text if c.isprintable() and not c.isspace()), "")
    return f"'{text}" if first in _SIGNS and first else text


def one_line(text: str) -> str:
    """Return a text with a blank for each control character and end of a line."""
    return "".join(" " if unicodedata.category(c) in _BROKEN else c for c in text)


def plain_cell(text: str) -> str:
    """Return the text of a cell without the apostrophe that `csv_cell` put in front of it."""
    return text[1:] if text.startswith("'") and csv_cell(text[1:]) == text else text

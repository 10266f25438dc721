"""A cell of a CSV file that no spreadsheet takes for a formula.

Excel, LibreOffice and Google Sheets run a cell that begins with one of these characters; names and
accession numbers come from outside. The apostrophe in front makes it text.
"""

from __future__ import annotations

_STARTS_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "|",
    "%",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)


def csv_cell(value: object) -> str:
    """Return `value` as the text of a cell: harmless, on one line, without control characters.

    Quoting is the CSV writer's. Numbers stay numbers, negative ones too.
    """
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)
    plain = "".join(c if c.isprintable() else " " for c in text)
    first = plain.lstrip()[:1] if plain.strip() else ""
    if text.startswith(_STARTS_FORMULA) or first in _STARTS_FORMULA[:4]:
        return f"'{plain}"
    return plain

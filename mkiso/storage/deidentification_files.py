"""The files that de-identification needs: the table, the key, pseudonyms, regions to blank."""

from __future__ import annotations

import csv
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from mkiso.core.burned_in import Rectangle, RegionRule
from mkiso.core.deidentification_rules import Row, parse_table
from mkiso.errors import ConfigError, DataError

_TABLE = Path(__file__).parents[1] / "core" / "attribute_confidentiality.tsv"
_LEAST_KEY_BYTES = 16
_MOST_BYTES = 64 << 20
_LONGEST_PSEUDONYM = 64
_REGION_HEAD = ("modality", "model", "rows", "columns", "left", "top", "width", "height")


@lru_cache(maxsize=1)
def read_table() -> tuple[Row, ...]:
    """Return the table of PS3.15 E.1-1."""
    return parse_table(_TABLE.read_text(encoding="utf-8"))


def read_key(path: str) -> bytes:
    """Return the key in a file, or a new one that nobody has when there is no path.

    Raises ConfigError.
    """
    if not path:
        return secrets.token_bytes(32)
    try:
        content = Path(path).read_bytes()[:_MOST_BYTES].strip()
    except OSError as error:
        raise ConfigError(
            f"The key {path} cannot be read: {error.strerror}; make one with "
            "'head -c 32 /dev/urandom | base64'."
        ) from error
    if len(content) < _LEAST_KEY_BYTES:
        raise ConfigError(
            f"The key {path} is shorter than {_LEAST_KEY_BYTES} bytes; make one with "
            "'head -c 32 /dev/urandom | base64'."
        )
    return hashlib.sha256(content).digest()


def read_pseudonyms(path: str) -> dict[str, tuple[str, str]]:
    """Return PatientID to new PatientID and PatientName; none without a path.

    The list has the columns PatientID, Pseudonym and, if wanted, PseudonymName. Two patients may
    not share a pseudonym. Raises DataError, which names lines and never a patient.
    """
    if not path:
        return {}
    found: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for line, row in _rows(path, ("patientid", "pseudonym")):
        old, new = row["patientid"].strip(), row["pseudonym"].strip()
        name = (row.get("pseudonymname") or "").strip() or new
        if not old or not _is_pseudonym(new) or not _is_pseudonym(name):
            raise DataError(
                f"{path}, line {line}: a PatientID and a pseudonym of at most "
                f"{_LONGEST_PSEUDONYM} ASCII characters without \\ are needed."
            )
        if old in found or new in taken:
            raise DataError(f"{path}, line {line}: the patient or the pseudonym is there already.")
        taken.add(new)
        found[old] = (new, name)
    if not found:
        raise DataError(f"{path} lists no patient.")
    return found


def read_regions(path: str) -> tuple[RegionRule, ...]:
    """Return the site's rules of what is blanked in which pictures. Raises DataError."""
    if not path:
        return ()
    rules = []
    for line, row in _rows(path, _REGION_HEAD):
        try:
            rows, columns, left, top, width, height = (
                int(row[name] or 0) for name in _REGION_HEAD[2:]
            )
        except ValueError as error:
            raise DataError(f"{path}, line {line}: sizes and places are whole numbers.") from error
        if width <= 0 or height <= 0 or min(left, top, rows, columns) < 0:
            raise DataError(f"{path}, line {line}: the rectangle is empty or outside.")
        where = Rectangle(left, top, left + width, top + height)
        names = (row["modality"].strip().upper(), row["model"].strip().upper())
        rules.append(RegionRule(*names, rows, columns, where))
    return tuple(rules)


def _is_pseudonym(text: str) -> bool:
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return plain and 0 < len(text) <= _LONGEST_PSEUDONYM


def _rows(path: str, needed: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the lines of a CSV list with their numbers, by column names without case and `_`."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            head = [_column(name) for name in next(reader, [])]
            missing = [name for name in needed if name not in head]
            if missing:
                raise DataError(f"{path} has no column {missing[0]} in its first line.")
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    full = [*cells, *[""] * (len(head) - len(cells))]
                    yield reader.line_num, dict(zip(head, full, strict=False))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV list in UTF-8.") from error


def _column(name: str) -> str:
    return name.strip().lower().replace("_", "").replace(" ", "")

"""Modality worklist as SCP (PS3.4 Annex K): items from a folder of JSON and CSV files."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from mkiso.archive.matching import Predicate, predicate_for
from mkiso.core.csv_cell import plain_cell
from mkiso.core.data_sets import encode_data_set
from mkiso.core.worklist import (
    ITEM_KEYWORDS,
    KEYWORDS,
    SEQUENCE,
    STEP_KEYWORDS,
    completed,
    item_of,
    text_of,
)

Row = dict[str, str]

#: What people and spreadsheets put into dates and times, by value representation.
_SIGNS = {"DA": "-", "TM": ":"}


class Worklist:
    """The items of a folder, read again when a file of it has changed."""

    def __init__(self, folder: Path, failed: Callable[[str], None] = lambda _line: None) -> None:
        """Use `folder`; `failed` is told of files that cannot be read, without their content."""
        self._folder = folder
        self._failed = failed
        self._lock = threading.Lock()
        self._stamps: tuple[tuple[str, int, int], ...] | None = None
        self._rows: tuple[Row, ...] = ()

    def rows(self) -> tuple[Row, ...]:
        """Return all items as rows, in the order of file names."""
        with self._lock:
            stamps = tuple(self._seen())
            if stamps != self._stamps:
                self._rows = tuple(
                    completed(row) for name, *_ in stamps for row in self._read(self._folder / name)
                )
                self._stamps = stamps
            return self._rows

    def _seen(self) -> Iterator[tuple[str, int, int]]:
        """Give name, time and size of each file; one that goes at this moment is left out."""
        for path in sorted(self._folder.iterdir()):
            if path.suffix in (".json", ".csv"):
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    yield path.name, status.st_mtime_ns, status.st_size

    def answers(self, query: Dataset, transfer_syntax_uid: str) -> Iterator[bytes]:
        """Give the encoded items that match, with the attributes that the query has."""
        tests = dict(_tests(query, ITEM_KEYWORDS))
        steps = query.get(SEQUENCE)
        step_query = steps[0] if steps else Dataset()
        tests.update(_tests(step_query, STEP_KEYWORDS))
        for row in self.rows():
            if all(test(row.get(keyword, "")) for keyword, test in tests.items()):
                yield encode_data_set(_answer(row, query, step_query), transfer_syntax_uid)

    def _read(self, path: Path) -> list[Row]:
        try:
            text = path.read_text("utf-8-sig")
            found = _from_json(text) if path.suffix == ".json" else _from_csv(text)
            return [row for row in found if row]
        except (OSError, ValueError, RecursionError, csv.Error) as error:
            self._failed(f"The worklist file {path.name} is not read: {type(error).__name__}")
            return []


def _from_json(text: str) -> list[Row]:
    """Return the rows of one object, or of an array of them; the step may be nested in it."""
    content = json.loads(text)
    objects = content if isinstance(content, list) else [content]
    if not all(isinstance(each, dict) for each in objects):
        raise ValueError("objects are expected")
    return [_row(each) for each in objects]


def _from_csv(text: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return [
        _row({k: plain_cell(v.strip()) for k, v in line.items() if k and isinstance(v, str)})
        for line in reader
    ]


def _row(given: Mapping[str, Any]) -> Row:
    flat = dict(given)
    steps = flat.pop(SEQUENCE, None)
    if isinstance(steps, list) and steps and isinstance(steps[0], dict):
        flat.update(steps[0])
    return {k: _value(k, flat[k]) for k in KEYWORDS if flat.get(k) is not None}


def _value(keyword: str, given: object) -> str:
    """Return a value as DICOM writes it: 2026-01-31 and 08:30 of a spreadsheet without signs."""
    text = str(given).strip()
    sign = _SIGNS.get(dictionary_VR(keyword))
    plain = text.replace(sign, "") if sign else text
    return plain if plain.isdigit() else text


def _tests(query: Dataset, keywords: tuple[str, ...]) -> Iterator[tuple[str, Predicate]]:
    for keyword in keywords:
        test = predicate_for(dictionary_VR(keyword), text_of(query, keyword))
        if test is not None:
            yield keyword, test


def _answer(row: Mapping[str, str], query: Dataset, step_query: Dataset) -> Dataset:
    """Return the item with the attributes of the query, those it does not know left empty."""
    item = item_of(row)
    step = item[SEQUENCE][0]
    for answer, asked, keywords in (
        (item, query, ITEM_KEYWORDS),
        (step, step_query, STEP_KEYWORDS),
    ):
        wanted = {element.keyword for element in asked}
        if wanted:
            for keyword in keywords:
                if keyword not in wanted:
                    delattr(answer, keyword)
    return item

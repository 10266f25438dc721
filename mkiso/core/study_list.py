"""Which studies are meant: by keys given by hand, or by the lines of a CSV list."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from mkiso.core.accessions import (
    require_accession_number,
    require_study_instance_uids,
)
from mkiso.core.contexts import is_uid
from mkiso.core.csv_cell import plain_cell
from mkiso.core.date_ranges import require_date_range
from mkiso.core.find_keys import FindRequest
from mkiso.errors import DataError, MkisoError, UsageError

#: Columns of a list by what they may be called, letters and digits of the head alone.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "PatientID": ("patientid", "patid", "pid", "00100020"),
    "StudyDate": ("studydate", "date", "00080020"),
    "AccessionNumber": ("accessionnumber", "accession", "accno", "00080050"),
    "StudyInstanceUID": ("studyinstanceuid", "studyuid", "0020000d"),
    "SeriesInstanceUID": ("seriesinstanceuid", "seriesuid", "0020000e"),
}
_KEYWORD_OF = {name: keyword for keyword, names in _COLUMNS.items() for name in names}
#: What the lists of the older scripts hold, which have no head.
_WITHOUT_HEAD = ("PatientID", "StudyDate")
#: A PatientID has 64 characters at most (LO, PS3.5 6.2); these would select more than one.
_MOST_CHARACTERS = 64
_WILD = frozenset("*?\\")
_MOST_LINES = 100_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Studies that meet every key; "" and () ask for nothing. `line` is that of a list, or 0."""

    patient_id: str = ""
    study_date: str = ""
    accession_number: str = ""
    study_instance_uids: tuple[str, ...] = ()
    series_instance_uids: tuple[str, ...] = ()
    line: int = 0

    @property
    def needs_query(self) -> bool:
        """Whether the archive has to be asked which studies these are."""
        return not self.study_instance_uids

    @property
    def told(self) -> tuple[str, ...]:
        """What of it may be written down: accession number and UIDs, no PatientID."""
        return tuple(filter(None, (self.accession_number, *self.study_instance_uids)))

    def request(self) -> FindRequest:
        """Return the query for its studies."""
        values = {
            "PatientID": self.patient_id,
            "StudyDate": self.study_date,
            "AccessionNumber": self.accession_number,
        }
        return FindRequest("STUDY", {keyword: text for keyword, text in values.items() if text})


def selections_of(
    *,
    patient_id: str,
    study_date: str,
    accession_numbers: tuple[str, ...],
    study_instance_uids: tuple[str, ...],
    series_instance_uids: tuple[str, ...],
    today: date,
) -> tuple[Selection, ...]:
    """Return what options ask for: one selection an accession number. Raises UsageError."""
    uids = require_study_instance_uids(study_instance_uids)
    common = Selection(
        patient_id=_require_patient_id(patient_id, UsageError),
        study_date=require_date_range(study_date, today),
        study_instance_uids=uids,
        series_instance_uids=_require_uids(series_instance_uids, UsageError),
    )
    if uids and (patient_id or study_date or accession_numbers):
        raise UsageError("--study names studies already; leave the other keys out.")
    numbers = tuple(dict.fromkeys(require_accession_number(text) for text in accession_numbers))
    if not (uids or numbers or common.patient_id):
        raise UsageError(
            "Nothing is asked for; give --study, --accession, --patient-id or --from LIST.csv."
        )
    if not numbers:
        return (common,)
    return tuple(
        Selection(
            common.patient_id,
            common.study_date,
            number,
            series_instance_uids=common.series_instance_uids,
        )
        for number in numbers
    )


def parse_list(content: bytes, today: date) -> tuple[Selection, ...]:
    """Return the selections of a CSV list, one a line, in order, without repeated ones.

    The head names the columns (PatientID, StudyDate, AccessionNumber, StudyInstanceUID, in any
    spelling); others are not looked at. A list without a head has PatientID and StudyDate. Raises
    DataError, naming the line and never its values.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("The list is not UTF-8 text; save it as CSV UTF-8.") from error
    rows = _rows(text)
    first = next(rows, None)
    if first is None:
        raise DataError("The list is empty.")
    columns = _columns(first[1])
    found: dict[Selection, int] = {}
    if columns is None:
        columns = _WITHOUT_HEAD
        rows = iter([first, *rows])
    for line, cells in rows:
        if len(found) >= _MOST_LINES:
            raise DataError(f"The list has more than {_MOST_LINES} lines; split it.")
        found.setdefault(_selection(line, cells, columns, today), line)
    if not found:
        raise DataError("The list has a head and no line below it.")
    return tuple(Selection(*_fields(selection), line=line) for selection, line in found.items())


def _fields(selection: Selection) -> tuple[str, str, str, tuple[str, ...], tuple[str, ...]]:
    return (
        selection.patient_id,
        selection.study_date,
        selection.accession_number,
        selection.study_instance_uids,
        selection.series_instance_uids,
    )


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the lines that are not blank with their numbers; `;` and tab divide, too."""
    head = text.split("\n", maxsplit=1)[0]
    divider = max(",;\t", key=head.count) if any(map(head.count, ",;\t")) else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [plain_cell(cell.strip()) for cell in cells]
    except csv.Error as error:
        raise DataError(
            f"Line {reader.line_num} of the list is no CSV: a quote is open, or stands inside."
        ) from error


def _columns(cells: list[str]) -> tuple[str, ...] | None:
    """Return the keyword of each column; None when the line is no head but a patient and a date."""
    names = ["".join(c for c in cell.lower() if c.isalnum()) for cell in cells]
    found = tuple(_KEYWORD_OF.get(name, "") for name in names)
    named = [keyword for keyword in found if keyword]
    if len(set(named)) < len(named):
        raise DataError("The head of the list names one column twice.")
    if named:
        return found
    digits = (
        "".join(c for c in cells[1] if c not in "-.") if len(cells) == len(_WITHOUT_HEAD) else ""
    )
    if len(digits) == len("20260131") and digits.isdigit():
        return None
    raise DataError(
        "The list has no head that is understood; its first line names the columns: PatientID, "
        "StudyDate, AccessionNumber or StudyInstanceUID."
    )


def _selection(line: int, cells: list[str], columns: tuple[str, ...], today: date) -> Selection:
    if len(cells) > len(columns):
        raise DataError(f"Line {line} of the list has more cells than its head has columns.")
    values = {keyword: cell for keyword, cell in zip(columns, cells, strict=False) if keyword}
    study, series = values.get("StudyInstanceUID", ""), values.get("SeriesInstanceUID", "")
    try:
        uids = _require_uids((study,) if study else (), DataError)
        series_uids = _require_uids((series,) if series else (), DataError)
        if uids:  # the other columns only describe it
            return Selection(study_instance_uids=uids, series_instance_uids=series_uids)
        patient_id = _require_patient_id(values.get("PatientID", ""), DataError)
        study_date = require_date_range(values.get("StudyDate", ""), today, DataError)
        number = values.get("AccessionNumber", "")
        number = require_accession_number(number) if number else ""
    except MkisoError as error:
        raise DataError(f"Line {line} of the list: {_without_value(error)}") from error
    if not (patient_id or number):
        raise DataError(f"Line {line} of the list names neither a patient nor a study.")
    return Selection(patient_id, study_date, number, series_instance_uids=series_uids)


def _without_value(error: MkisoError) -> str:
    return "a value is none that DICOM knows." if "'" in error.message else error.message


def _require_patient_id(text: str, error: type[MkisoError]) -> str:
    wanted = text.strip()
    if set(wanted) & _WILD or len(wanted) > _MOST_CHARACTERS or not wanted.isprintable():
        raise error(
            "A PatientID has at most 64 characters, without * ? and backslash; give one exact ID."
        )
    return wanted


def _require_uids(texts: tuple[str, ...], error: type[MkisoError]) -> tuple[str, ...]:
    uids = tuple(dict.fromkeys(text.strip() for text in texts))
    if not all(map(is_uid, uids)):
        raise error("A UID has digits and single dots, at most 64 characters.")
    return uids

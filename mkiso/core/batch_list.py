"""A list of jobs as people and programs write it: accession numbers on lines, or CSV with a header.

A malformed line costs that line alone. What is wrong is said without quoting the line: what stands
in a wrong column may be a patient's name.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime as dt
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mkiso.core.accessions import accession_number_fault, split_accession_numbers
from mkiso.core.contexts import is_uid

#: Columns of a CSV list; a header has one of the selecting ones at least.
SELECTING = ("accession_numbers", "study_uids", "patient_id", "study_date")
COLUMNS = (*SELECTING, "modality", "forward", "output", "name")
_SINGULAR = {"accession_number": "accession_numbers", "study_uid": "study_uids"}
_DELIMITERS = ",;\t"
#: Spreadsheets write a byte order mark, some in the middle of files that were joined.
_PADDING = " \t\r\n\ufeff"
#: Value representation LO, PS3.5 6.2.
_MOST_PATIENT_ID = 64
_DATE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class ListedJob:
    """One line of a list. Patient and date stand for studies that have to be looked up."""

    line: int
    accession_numbers: tuple[str, ...] = ()
    study_instance_uids: tuple[str, ...] = ()
    patient_id: str = field(default="", repr=False)
    study_date: str = ""  # YYYYMMDD
    modalities: tuple[str, ...] = ()
    forward: tuple[str, ...] = ()
    output: str = ""
    name: str = ""

    @property
    def is_to_be_resolved(self) -> bool:
        """Whether the archive has to be asked which studies are meant."""
        return bool(self.patient_id or self.study_date)


@dataclass(frozen=True, slots=True)
class ListFault:
    """A line that is malformed, and what is wrong with it."""

    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class JobList:
    """What a list asks for, in its order; duplicates are named in `notes` and left out."""

    jobs: tuple[ListedJob, ...]
    faults: tuple[ListFault, ...] = ()
    notes: tuple[str, ...] = ()


class _LineError(ValueError):
    """A line is malformed; the text says how."""


def parse_list(content: bytes) -> JobList:
    """Return the jobs of a list. Nothing is raised: a header that makes no sense is a fault, too.

    UTF-8 with or without a byte order mark (UTF-16 with one), any line ends. Blank lines and those
    that begin with `#` are skipped; an accession number that begins so stands in quotes.
    """
    jobs: list[ListedJob] = []
    faults: list[ListFault] = []
    notes: list[str] = []
    seen: dict[ListedJob, int] = {}
    header: _Header | None = None
    is_first = True
    for line, raw in _lines(content):
        text = raw.strip(_PADDING)
        if not text.strip("".join(_DELIMITERS)) or text.startswith("#"):
            if _looks_commented_out(text):
                notes.append(f"Line {line} begins with # and was taken as a comment.")
            continue
        try:
            if is_first:
                is_first = False
                header = _header_of(text)
                if header is not None:
                    continue
            _require_text(text)
            job = _csv_job(line, raw.strip("\r\n\ufeff"), header) if header else _job(line, text)
        except _LineError as error:
            faults.append(ListFault(line, str(error)))
            if header is None and isinstance(error, _HeaderError):
                break
            continue
        first = seen.setdefault(_without_line(job), line)
        if first == line:
            jobs.append(job)
        else:
            notes.append(f"Line {line} is the same as line {first}.")
    return JobList(tuple(jobs), tuple(faults), tuple(notes))


class _HeaderError(_LineError):
    """The header is malformed, and so nothing below it means anything."""


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns of a CSV list in their order, and what stands between them."""

    columns: tuple[str, ...]
    delimiter: str


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers; bytes that are no text stay visible as such."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", "replace")
    else:
        text = content.decode("utf-8", "surrogateescape")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    yield from enumerate(lines, 1)


def _require_text(text: str) -> None:
    if any("\ud800" <= character <= "\udfff" or character == "\ufffd" for character in text):
        raise _LineError("is not UTF-8 text")


def _looks_commented_out(text: str) -> bool:
    """Whether a comment may have been meant as an accession number: `#7` is a legal one."""
    number = text[1:]
    return bool(number) and " " not in number and not accession_number_fault(text)


# --- accession numbers on lines


def _job(line: int, text: str) -> ListedJob:
    cells = _cells(text, ",") if '"' in text else [text]
    numbers = [n for cell in cells for n in ([cell] if len(cells) > 1 else _split(cell))]
    if not numbers:
        raise _LineError("has no accession number")
    return ListedJob(line, accession_numbers=_accession_numbers(numbers))


def _split(cell: str) -> tuple[str, ...]:
    return split_accession_numbers(cell)


def _accession_numbers(numbers: Sequence[str]) -> tuple[str, ...]:
    kept = dict.fromkeys(number.strip(" ") for number in numbers)
    for number in kept:
        fault = accession_number_fault(number)
        if fault:
            raise _LineError(f"has an accession number that {fault}")
    return tuple(kept)


# --- CSV


def _header_of(text: str) -> _Header | None:
    """Return the header that a line is, or None. Raises _HeaderError when it is half of one."""
    best: _Header | None = None
    for delimiter in _DELIMITERS:
        names = [cell.strip(_PADDING + '"').lower() for cell in text.split(delimiter)]
        columns = tuple(_SINGULAR.get(name, name) for name in names)
        if set(columns) & set(SELECTING) and (best is None or len(columns) > len(best.columns)):
            best = _Header(columns, delimiter)
    if best is None:
        return None
    unknown = [n for n, column in enumerate(best.columns, 1) if column not in COLUMNS]
    if unknown:
        raise _HeaderError(
            f"is a header whose column {unknown[0]} is not known; columns are {', '.join(COLUMNS)}"
        )
    if len(set(best.columns)) < len(best.columns):
        raise _HeaderError("is a header that has a column twice")
    return best


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        (cells,) = csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError) as error:
        raise _LineError("has quotes that do not match") from error
    return cells


def _csv_job(line: int, text: str, header: _Header) -> ListedJob:
    cells = [cell.strip(_PADDING) for cell in _cells(text, header.delimiter)]
    if len(header.columns) == 1:  # commas then stand between the numbers
        cells = [header.delimiter.join(cells)]
    if len(cells) != len(header.columns):
        raise _LineError(f"has {len(cells)} cells where the header has {len(header.columns)}")
    cell = dict(zip(header.columns, cells, strict=True))
    for value in cell.values():
        if any(unicodedata.category(character) == "Cc" for character in value):
            raise _LineError("contains a control character")
    job = ListedJob(
        line,
        accession_numbers=_accession_numbers(_split(cell.get("accession_numbers", ""))),
        study_instance_uids=_uids(_split(cell.get("study_uids", ""))),
        patient_id=_patient_id(cell.get("patient_id", "")),
        study_date=_study_date(cell.get("study_date", "")),
        modalities=_split(cell.get("modality", "")),
        forward=_split(cell.get("forward", "")),
        output=cell.get("output", ""),
        name=cell.get("name", ""),
    )
    _require_selection(job)
    return job


def _require_selection(job: ListedJob) -> None:
    """Refuse what would select more than it names: a blank cell is never a wildcard."""
    if job.accession_numbers or job.study_instance_uids:
        return
    if not job.is_to_be_resolved:
        raise _LineError("does not say what is wanted: accession_numbers is blank")
    if not (job.patient_id and job.study_date):
        blank = "study_date" if job.patient_id else "patient_id"
        raise _LineError(f"has no {blank}, and a blank cell is no wildcard")


def _uids(texts: Sequence[str]) -> tuple[str, ...]:
    if not all(map(is_uid, texts)):
        raise _LineError("has a Study Instance UID that is none")
    return tuple(dict.fromkeys(texts))


def _patient_id(text: str) -> str:
    """Return the PatientID of a cell; it goes into a query and must select one patient."""
    if len(text) > _MOST_PATIENT_ID or any(character in text for character in "*?\\"):
        raise _LineError("has a patient_id that is too long or contains one of * ? \\")
    return text


def _study_date(text: str) -> str:
    """Return the date of a cell, `20260131` or `2026-01-31`, as DICOM writes it."""
    if not text:
        return ""
    digits = text.replace("-", "")
    if len(digits) == _DATE_DIGITS and digits.isascii() and digits.isdigit():
        with contextlib.suppress(ValueError):
            dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
            return digits
    raise _LineError("has a study_date that is none; write 20260131")


def _without_line(job: ListedJob) -> ListedJob:
    """Return the job as it is compared: on whatever line, its numbers in whatever order."""
    return dataclasses.replace(
        job,
        line=0,
        accession_numbers=tuple(sorted(job.accession_numbers)),
        study_instance_uids=tuple(sorted(job.study_instance_uids)),
        modalities=tuple(sorted(job.modalities)),
    )

"""Options that say which patients, studies and series are meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.options import (
    combine,
    config_options,
    json_option,
    option,
    progress_option,
    receiver_option,
    verbose_option,
)
from mkiso.cli.session import read_stdin
from mkiso.cli.streams import text_argument
from mkiso.cli.tools import today
from mkiso.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from mkiso.core.study_list import Selection

_WHICH, _SHOWN = "Which", "What is shown"

#: What every command of the toolbox has, and those that take their time.
tool_options = combine(receiver_option, config_options, json_option, verbose_option)
long_tool_options = combine(tool_options, progress_option)
#: Of those that move instances.
requested_by_option = option("--requested-by", metavar="TEXT", group="Audit",
                             help="Who asked for it; for the audit trail.")  # fmt: skip

study_keys = combine(
    option("--study", "study", multiple=True, metavar="UID", group=_WHICH,
           help="Study Instance UID; may be repeated."),
    option("--accession", multiple=True, metavar="NUMBER", group=_WHICH,
           help="Accession number; may be repeated."),
    option("--patient-id", metavar="ID", group=_WHICH, help="PatientID."),
    option("--date", "--study-date", "study_date", metavar="DATE", group=_WHICH,
           help="Study date: 20260131, 20260101-20260131, today, yesterday, 7d."),
)  # fmt: skip

series_keys = combine(
    option("--series", multiple=True, metavar="UID", group=_WHICH,
           help="Series Instance UID; may be repeated."),
    option("--modality", multiple=True, metavar="CODE", group=_WHICH,
           help="Only series of this modality; may be repeated."),
)  # fmt: skip

find_keys = combine(
    option("--level", type=click.Choice(["patient", "study", "series", "image"]), default="study",
           show_default=True, group=_WHICH, help="What a row is."),
    option("--patient-name", metavar="NAME", group=_WHICH,
           help="PatientName, with * and ?: 'DOE^J*'."),
    study_keys,
    series_keys,
    option("-k", "--key", "keys", multiple=True, metavar="KEYWORD[=VALUE]", group=_WHICH,
           help="Any attribute by its keyword or tag: with a value it is matched, without it is"
           " returned; may be repeated."),
)  # fmt: skip

shown_options = combine(
    option("--limit", type=click.IntRange(1, 1_000_000), default=500, show_default=True,
           metavar="N", group=_SHOWN, help="At most so many rows."),
    option("--csv", "as_csv", is_flag=True, group=_SHOWN,
           help="CSV with a head of keywords, safe for a spreadsheet."),
    option("--uids", is_flag=True, group=_SHOWN, help="Only the UIDs (IDs), one a line."),
    option("--require", is_flag=True, group=_SHOWN, help="End with 66 when nothing is found."),
)  # fmt: skip


work_keys = combine(
    option("--date", "study_date", metavar="DATE", group=_WHICH,
           help="Scheduled date: 20260131, 20260101-20260131, today, 7d."),
    option("--modality", multiple=True, metavar="CODE", group=_WHICH,
           help="Scheduled modality; may be repeated."),
    option("--station", metavar="AET", group=_WHICH, help="Scheduled station's AE title."),
    option("--patient-id", metavar="ID", group=_WHICH, help="PatientID."),
    option("--patient-name", metavar="NAME", group=_WHICH, help="PatientName, with * and ?."),
    option("--accession", metavar="NUMBER", group=_WHICH, help="Accession number."),
    option("--step-id", metavar="ID", group=_WHICH, help="Scheduled Procedure Step ID."),
)  # fmt: skip
#: Words of the options of a worklist, and the attribute.
_WORK_KEYWORDS = {
    "station": "ScheduledStationAETitle",
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "accession": "AccessionNumber",
    "step_id": "ScheduledProcedureStepID",
}


def work_values(given: Mapping[str, Any], day: date) -> dict[str, str]:
    """Return what is asked of a worklist, by keyword. Raises UsageError."""
    from mkiso.core.date_ranges import require_date_range  # noqa: PLC0415 - start-up time

    values = {keyword: text_of(given, word) for word, keyword in _WORK_KEYWORDS.items()}
    values["Modality"] = text_of(given, "modality").upper()
    wanted = require_date_range(text_of(given, "study_date"), day)
    values["ScheduledProcedureStepStartDate"] = wanted
    return values


list_option = option("--from", "list_file", metavar="LIST.csv", group=_WHICH,
                     help="A CSV list of studies, or - for stdin.")  # fmt: skip
sort_option = option("--sort", type=click.Choice(["study", "patient", "flat"]), default="study",
                     show_default=True, group="Output",
                     help="Folders: STUDY/SERIES, PATIENT/STUDY/SERIES, or none.",
                     )  # fmt: skip


def selections(given: Mapping[str, Any]) -> tuple[Selection, ...]:
    """Return the studies that the options or the list mean. Raises UsageError or DataError."""
    from mkiso.core.study_list import parse_list, selections_of  # noqa: PLC0415 - start-up time

    if given["list_file"]:
        if any(given[word] for word in ("study", "accession", "patient_id", "study_date")):
            raise UsageError("--from is instead of --study, --accession, --patient-id and --date.")
        return parse_list(_content(given["list_file"]), today())
    return selections_of(
        patient_id=text_of(given, "patient_id"),
        study_date=text_of(given, "study_date"),
        accession_numbers=tuple(map(text_argument, given["accession"])),
        study_instance_uids=tuple(given["study"]),
        series_instance_uids=tuple(given["series"]),
        today=today(),
    )


def _content(name: str) -> bytes:
    if name == "-":
        return read_stdin()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"The list {name} cannot be read: {error.strerror}.") from error


def text_of(given: Mapping[str, Any], word: str) -> str:
    r"""Return an option's text, several values joined with a backslash; "" when not given."""
    value = given.get(word)
    if not value:
        return ""
    if isinstance(value, tuple):
        return "\\".join(text_argument(each) for each in value)
    return text_argument(value)

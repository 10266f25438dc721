"""`mkiso find`: patients, studies, series or instances of a node, as a table, CSV, JSON or UIDs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mkiso.cli.completing import node_names
from mkiso.cli.options import GroupedCommand, combine, exit_code_table
from mkiso.cli.query_options import find_keys, shown_options, text_of, tool_options
from mkiso.cli.session import Session
from mkiso.cli.tools import open_tools, print_lines, terminal_width, today
from mkiso.core.report import Report
from mkiso.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from mkiso.core.find_keys import FindRequest
    from mkiso.toolbox.finding import Found

_HELP = """Ask a node with C-FIND what it has.

NODE is AET@HOST:PORT or a configured name; without it the archive is asked. Nothing found is no
error, unless --require says so. The result is patients' data: it goes to stdout and nowhere else.
"""
EXAMPLES = (
    "mkiso find pacs --date 20260101-20260131 --modality CT",
    "mkiso find pacs --patient-name 'DOE*' --csv",
    "mkiso find pacs --level series --accession A1 -k BodyPartExamined",
    "mkiso find pacs --patient-id P1 --uids --require",
)
#: Words of the options that are one attribute, and the attribute.
_KEYWORDS = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "accession": "AccessionNumber",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
}
_PLURAL = {"patient": "patients", "study": "studies", "series": "series", "image": "instances"}


@click.command(
    "find",
    cls=GroupedCommand,
    help=_HELP,
    epilog=exit_code_table((0, 64, 66, 75, 76, 77, 78), EXAMPLES),
)
@click.argument("node", required=False, shell_complete=node_names)
@combine(find_keys, shown_options, tool_options)
@click.pass_obj
def command(session: Session, /, node: str | None, **given: Any) -> Report:
    """Ask, and show the rows."""
    tools = open_tools(session, given)
    chosen = tools.node(node)
    asked = requested(given)
    from mkiso.toolbox.finding import find_rows  # noqa: PLC0415 - start-up time

    found = find_rows(
        chosen,
        asked,
        calling_ae_title=tools.calling_ae_title(chosen),
        limit=given["limit"],
        log=tools.log,
        require_running=session.stop.require_running,
    )
    if not found.rows and given["require"]:
        raise NotFoundError(f"{chosen.name} has nothing that matches.")
    _show(found, asked, given)
    return Report(
        code=0,
        message=_sentence(found, given, chosen.name),
        command="find",
        warnings=found.warnings(given["limit"], chosen.name),
        answer={"matches": found.rows} if given["as_json"] else {},
    )


def requested(given: dict[str, Any]) -> FindRequest:
    """Return what the options ask for. Raises UsageError."""
    from mkiso.core.date_ranges import require_date_range  # noqa: PLC0415 - start-up time
    from mkiso.core.find_keys import FindRequest, parse_key  # noqa: PLC0415

    if sum((given["as_csv"], given["uids"], given["as_json"])) > 1:
        raise UsageError("--csv, --json and --uids exclude each other.")
    level = given["level"].upper()
    _require_at_level(given)
    values = {keyword: text_of(given, word) for word, keyword in _KEYWORDS.items()}
    values["StudyDate"] = require_date_range(text_of(given, "study_date"), today())
    values["Modality"] = values["ModalitiesInStudy"] = text_of(given, "modality").upper()
    extra = []
    for text in given["keys"]:
        key, value = parse_key(text_of({"key": text}, "key"), level)
        extra.append(key)
        values[key.keyword] = value
    shown = {k: v for k, v in values.items() if v or any(k == e.keyword for e in extra)}
    return FindRequest(level, shown, tuple(extra))


def _require_at_level(given: dict[str, Any]) -> None:
    """Refuse an option that the level cannot be asked for: it would be left out unnoticed."""
    below = {
        "patient": ("study", "accession", "study_date", "modality", "series"),
        "study": ("series",),
    }
    for word in below.get(given["level"], ()):
        if given[word]:
            name = word.removeprefix("study_")
            raise UsageError(f"--{name} selects nothing at --level {given['level']}; go lower.")


def _show(found: Found, request: FindRequest, given: dict[str, Any]) -> None:
    from mkiso.core import find_rows as rows  # noqa: PLC0415 - start-up time
    from mkiso.core.listing import csv_text, table_lines  # noqa: PLC0415

    if given["as_json"]:
        return
    if given["uids"]:
        print_lines(rows.unique_value(request, row) for row in found.rows)
    elif given["as_csv"]:
        keywords = rows.csv_keywords(request, found.rows)
        print_lines(csv_text(keywords, found.rows).splitlines())
    elif found.rows:
        print_lines(table_lines(rows.columns_for(request), found.rows, terminal_width()))


def _sentence(found: Found, given: dict[str, Any], name: str) -> str:
    count = len(found.rows)
    what = _PLURAL[given["level"]] if count != 1 else given["level"].replace("image", "instance")
    return f"{count} {what} at {name}."

"""What became of each job of a batch: rows for JSON, CSV and the lines that cron mails."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mkiso.core.accessions import printable
from mkiso.core.batch_rules import is_stop
from mkiso.core.csv_cell import csv_cell
from mkiso.core.exit_codes import BY_CODE
from mkiso.core.job_queue import CANCELLED, DONE, FAILED, WAITING, QueuedJob

MALFORMED = "malformed"
#: Columns of the CSV summary.
COLUMNS = (
    "line", "job", "accession_numbers", "state", "code", "name", "attempts", "instances", "image",
    "size_bytes", "sha256", "message", "log",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job of a batch, or one line that is none."""

    line: int  # in the list; 0: the job comes from the ledger
    state: str  # as in the queue, or malformed
    code: int | None  # None: not tried
    message: str = ""
    job: str = ""
    accessions: tuple[str, ...] = ()
    attempts: int = 0
    is_new: bool = False  # tried in this run
    discs: tuple[Mapping[str, Any], ...] = ()
    log: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as the JSON report has it."""
        row = None if self.code is None else BY_CODE[self.code]
        return {
            "line": self.line, "job": self.job, "accessions": list(self.accessions),
            "state": self.state, "code": self.code, "name": row.name if row else "",
            "retry": row.retry if row else "yes", "message": self.message,
            "attempts": self.attempts, "is_new": self.is_new, "discs": list(self.discs),
            "log": self.log,
        }  # fmt: skip

    @property
    def is_failure(self) -> bool:
        """Whether a person should hear of it; what a signal stopped is said once for all."""
        if self.state == WAITING:
            return bool(self.code) and not is_stop(self.code or 0)
        return self.state in (FAILED, MALFORMED)


def row_of(queued: QueuedJob, line: int) -> JobRow:
    """Return the row of a job of the queue."""
    return JobRow(
        line=line,
        state=queued.state,
        code=0 if queued.state == DONE else queued.code,
        message=queued.message,
        job=queued.job.job_id,
        accessions=queued.job.accession_numbers,
        attempts=queued.attempts,
        is_new=queued.tries > 0,
        discs=queued.discs,
        log=queued.log,
    )


def failure_line(row: JobRow) -> str:
    """Return the one line about a failure: `line 3, A1: ... [66 NOT_FOUND]`."""
    where = [f"line {row.line}"] if row.line else []
    where += [", ".join(printable(number)[1:-1] for number in row.accessions)]
    about = ", ".join(filter(None, where)) or row.job
    code = 65 if row.code is None else row.code
    end = "" if row.is_new or row.state == MALFORMED else " (not tried again)"
    return f"{about}: {row.message}{end} [{code} {BY_CODE[code].name}]"


def counted(rows: Sequence[JobRow]) -> str:
    """Return the sentence about a whole batch, such as `12 jobs: 10 done, 2 failed`."""
    counts = Counter(row.state for row in rows)
    earlier = sum(row.state == DONE and not row.is_new for row in rows)
    done = f"{counts[DONE]} done" + (f" ({earlier} earlier)" if earlier else "")
    parts = [done]
    for state, words in (
        (FAILED, "failed"),
        (MALFORMED, "malformed"),
        (WAITING, "left for the next run"),
        (CANCELLED, "cancelled"),
    ):
        if counts[state]:
            parts.append(f"{counts[state]} {words}")
    return f"{len(rows)} jobs: {', '.join(parts)}."


def summary_csv(rows: Sequence[JobRow]) -> str:
    """Return the rows as CSV (RFC 4180); no cell is a formula to a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        first = row.discs[0] if row.discs else {}
        cells = (
            row.line or "", row.job, " ".join(row.accessions), row.state,
            "" if row.code is None else row.code,
            "" if row.code is None else BY_CODE[row.code].name, row.attempts,
            sum(disc.get("instances", 0) for disc in row.discs) if row.discs else "",
            " ".join(str(disc.get("path", "")) for disc in row.discs),
            first.get("size_bytes", ""), first.get("sha256", ""), row.message, row.log,
        )  # fmt: skip
        writer.writerow([csv_cell(cell) for cell in cells])
    return text.getvalue()

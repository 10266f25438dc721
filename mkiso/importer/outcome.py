"""What became of one folder: for the log, the ledger, a line on stdout, a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mkiso.core.display_text import counted
from mkiso.core.report import DiscReport, ForwardReport
from mkiso.errors import BATCH_PARTIAL, OK, IdentityError


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """One attempt at one folder. Nothing in it says whose folder it is."""

    job_id: str
    code: int
    message: str
    is_open: bool = False  # there will be another attempt
    accession_numbers: tuple[str, ...] = ()
    instances: int = 0
    rejected: int = 0  # files, or 1 for a whole folder
    reasons: tuple[str, ...] = ()
    forwarded: tuple[ForwardReport, ...] = ()
    discs: tuple[DiscReport, ...] = ()
    archived: str = ""  # the folder of that second, without the patient's
    rejected_to: str = ""
    log: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "job": self.job_id,
            "code": self.code,
            "message": self.message,
            "open": self.is_open,
            "accessions": list(self.accession_numbers),
            "instances": self.instances,
            "rejected": self.rejected,
            "reasons": list(self.reasons),
            "destinations": {
                each.node: {
                    "taken": each.sent,
                    "earlier": each.earlier,
                    "failed": {one.sop_instance_uid: one.status for one in each.failed},
                }
                for each in self.forwarded
            },
            "discs": [disc.path for disc in self.discs],
            "archived": self.archived,
            "rejected_to": self.rejected_to,
            "log": self.log,
        }

    def line(self) -> str:
        """Return it as one line for people."""
        how = f" [{self.code}]" if self.code else ""
        return f"{self.job_id}: {self.message}{how}"


def good_news(
    instances: int, forwarded: Iterable[ForwardReport], discs: int, rejected: int, archived: str
) -> str:
    """Return the sentence for an import that is over."""
    nodes = ", ".join(report.node for report in forwarded)
    parts = [counted(instances, "instance")]
    parts += [f"sent to {nodes}"] if nodes else []
    parts += [f"on {counted(discs, 'disc')}"] if discs else []
    parts += [f"{counted(rejected, 'file')} rejected"] if rejected else []
    return f"{', '.join(parts)}; archived in {archived}."


def not_delivered(forwarded: Iterable[ForwardReport]) -> str:
    """Return the sentence for destinations that lack something, "" when none does."""
    lacking = [
        f"{report.node} lacks {counted(len(report.failed), 'instance')} "
        f"({report.failed[0].status.rstrip('.')})"
        for report in forwarded
        if report.failed
    ]
    if not lacking:
        return ""
    return f"{'; '.join(lacking)}. It stays where it is and is tried again."


def conclusion(outcomes: Sequence[ImportOutcome], left: int) -> tuple[int, str]:
    """Return the exit code and the sentence for a run that is over.

    One kind of failure keeps its code, several are 10; 81 wins over all. `left` entries have not
    settled, which is no failure.
    """
    done = sum(1 for each in outcomes if each.archived)
    to_do = sum(1 for each in outcomes if each.is_open)
    parts = [
        f"{counted(done, 'folder')} imported",
        *([f"{len(outcomes) - done - to_do} rejected"] if done + to_do < len(outcomes) else []),
        *([f"{to_do} to be tried again"] if to_do else []),
        *([f"{left} still changing, left for the next run"] if left else []),
    ]
    codes = {each.code for each in outcomes if each.code}
    if IdentityError.code in codes:
        code = IdentityError.code
    else:
        code = BATCH_PARTIAL if len(codes) > 1 else next(iter(codes), OK)
    return code, f"{', '.join(parts)}."

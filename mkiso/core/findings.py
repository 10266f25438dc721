"""What a judge found: one sentence each, no patient data, never an exception."""

from __future__ import annotations

from dataclasses import dataclass, field

ERROR = "error"
WARNING = "warning"
NOTE = "note"

#: Findings of one id that are kept in words; the rest is counted. A hostile disc may have millions.
KEPT_PER_ID = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault or remark: `id` is stable for programs, `message` is for a person."""

    severity: str  # error, warning or note
    id: str  # e.g. "dicomdir.reference-missing"
    message: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.severity}: {self.message} [{self.id}]"


@dataclass(slots=True)
class Findings:
    """Collects findings in order; keeps the first ones of an id and counts the others."""

    _kept: dict[str, list[Finding]] = field(default_factory=dict)
    _more: dict[str, int] = field(default_factory=dict)

    def error(self, finding_id: str, message: str) -> None:
        """Add a fault that makes the disc unfit."""
        self._add(Finding(ERROR, finding_id, message))

    def warning(self, finding_id: str, message: str) -> None:
        """Add something a careful person would look at."""
        self._add(Finding(WARNING, finding_id, message))

    def note(self, finding_id: str, message: str) -> None:
        """Add a remark without weight."""
        self._add(Finding(NOTE, finding_id, message))

    def extend(self, findings: tuple[Finding, ...]) -> None:
        """Add findings of another judge."""
        for finding in findings:
            self._add(finding)

    def _add(self, finding: Finding) -> None:
        kept = self._kept.setdefault(finding.id, [])
        if len(kept) < KEPT_PER_ID:
            kept.append(finding)
        else:
            self._more[finding.id] = self._more.get(finding.id, 0) + 1

    def result(self) -> tuple[Finding, ...]:
        """Return all findings; what was only counted follows the kept ones of its id."""
        found: list[Finding] = []
        for finding_id, kept in self._kept.items():
            found += kept
            if more := self._more.get(finding_id):
                found.append(
                    Finding(kept[-1].severity, finding_id, f"... and {more} more of these.")
                )
        return tuple(found)

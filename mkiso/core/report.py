"""The report of a run: one JSON object for PHP and cron, a few lines for people; no patient data.

`report_schema.json` beside this file describes the object.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mkiso.core.disc_plan import PlannedDisc
from mkiso.core.display_text import counted, size_text
from mkiso.core.exit_codes import BY_CODE
from mkiso.core.findings import Finding
from mkiso.errors import MkisoError

#: Raised when a field changes its meaning or goes; new fields alone do not raise it.
SCHEMA = 1
#: Commands whose result is an answer in words, not a file.
_ANSWERS = (
    *(
        "verify",
        "plan",
        "burn",
        "import-disc",
        "echo",
        "doctor",
        "retrieve",
        "move",
        "send",
        "deidentify",
        "mpps",
        "jobs",
        "status",
        "watch",
    ),
)
#: The end of a finding's id that stands for a question nobody asked.
NOT_TESTED = ".not-tested"


@dataclass(frozen=True, slots=True)
class StudyReport:
    """A study that the archive lists for the job."""

    study_instance_uid: str
    accession_number: str
    modalities: Mapping[str, int]  # modality -> instances received
    instances: int


@dataclass(frozen=True, slots=True)
class MissingInstance:
    """An instance the archive lists and did not send."""

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class LeftOutReport:
    """A series that the modality filter leaves out."""

    series_instance_uid: str
    study_instance_uid: str
    modality: str


@dataclass(frozen=True, slots=True)
class ViewerReport:
    """The viewer on a disc: `full`, or `preview` where some series are pictures of 8 bits."""

    mode: str
    size_bytes: int
    preview_series: tuple[str, ...] = ()  # Series Instance UIDs
    tiles: int = 0  # frames and objects that cannot be shown


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """Instances converted without loss; with a `problem`: kept as they came, and why."""

    source: str  # transfer syntax
    target: str
    instances: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DiscReport:
    """A disc image that exists, verified."""

    path: str
    size_bytes: int
    sha256: str
    volume_id: str
    instances: int
    number: int = 1
    of: int = 1
    complete: bool = True
    profile: str = ""  # the application profile that it meets, "" when none
    profile_problems: tuple[str, ...] = ()  # why not the one that was asked for
    conversions: tuple[ConversionReport, ...] = ()
    viewer: ViewerReport | None = None


@dataclass(frozen=True, slots=True)
class FailedInstance:
    """An instance a node did not take, and why: a DIMSE status such as `A700`, or words."""

    sop_instance_uid: str
    status: str


@dataclass(frozen=True, slots=True)
class ForwardReport:
    """What became of forwarding to one node."""

    node: str
    sent: int  # what the node has, `earlier` included
    warnings: int = 0
    failed: tuple[FailedInstance, ...] = ()
    earlier: int = 0  # taken from an earlier run, and not sent again


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did. `seconds` is per stage; times are ISO 8601 in UTC."""

    code: int
    message: str  # one sentence for a person
    command: str = "make"
    job: str = ""
    accessions: tuple[str, ...] = ()
    studies: tuple[StudyReport, ...] = ()
    expected: int | None = None  # None: never found out
    received: int = 0
    missing: tuple[MissingInstance, ...] = ()
    left_out: tuple[LeftOutReport, ...] = ()
    not_found: tuple[str, ...] = ()
    discs: tuple[DiscReport, ...] = ()
    plan: tuple[PlannedDisc, ...] = ()
    forwarded: tuple[ForwardReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    overruled: tuple[str, ...] = ()  # what --same-patient overruled, without the values
    requested_by: str = ""
    log: str = ""
    started: str = ""
    ended: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    #: What a command of the toolbox found or did; patients' data, shown and never kept.
    answer: Mapping[str, Any] = field(default_factory=dict)
    jobs: tuple[Mapping[str, Any], ...] = ()  # of a batch: what became of each line

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of `report_schema.json`."""
        row = BY_CODE[self.code]
        head = {"schema": SCHEMA, "code": self.code, "name": row.name, "retry": row.retry}
        body: dict[str, Any] = _plain(dataclasses.asdict(self))
        if not self.answer:
            del body["answer"]
        if self.command != "batch":
            del body["jobs"]
        body["seconds"] = {stage: round(value, 3) for stage, value in self.seconds.items()}
        return {**head, **{key: value for key, value in body.items() if key not in head}}


def failure_report(error: MkisoError, **known: Any) -> Report:
    """Return the report of an expected failure with whatever else is `known` by then."""
    return Report(code=error.code, message=error.message, details=error.details, **known)


def result_lines(report: Report) -> list[str]:
    """Return the result for stdout: of each disc its path first, on a line of its own."""
    lines = [_finding_line(finding, report.command) for finding in report.findings]
    if report.command in _ANSWERS and report.message and not report.code:
        lines.append(report.message)
    for planned in report.plan:
        size = size_text(planned.size_bytes)
        medium = f", fits {planned.medium}" if planned.medium else ""
        lines.append(
            f"disc {planned.number} of {planned.of}: about {size}{medium}, "
            f"{planned.instances:,} instances"
        )
        lines += [f"  {held}" for held in planned.holds]
    for disc in report.discs:
        place = f", disc {disc.number} of {disc.of}" if disc.of > 1 else ""
        gap = "" if disc.complete else ", INCOMPLETE"
        lines += [
            disc.path,
            f"  {counted(disc.instances, 'instance')}, {size_text(disc.size_bytes)}{place}{gap}",
            f"  sha256 {disc.sha256}",
        ]
    lines += [
        f"{forward.node}: {forward.sent} sent{_earlier(forward)}, "
        f"{forward.warnings} with a warning, {len(forward.failed)} failed"
        for forward in report.forwarded
    ]
    return lines


def _earlier(forward: ForwardReport) -> str:
    return f" ({forward.earlier} of them by an earlier run)" if forward.earlier else ""


def message_lines(report: Report, most_details: int = 20) -> list[str]:
    """Return what a person is told on stderr: warnings, the sentence, the details."""
    if report.command == "batch" and report.jobs:
        return list(report.details)  # a line a failure; cron mails what is said, so nothing else
    lines = [f"warning: {warning}" for warning in report.warnings]
    if report.code:
        lines.append(f"mkiso: {report.message} [{report.code} {BY_CODE[report.code].name}]")
    elif report.message and report.command not in _ANSWERS:
        lines.append(report.message)
    details = [*report.details, *(f"missing: {i.sop_instance_uid}" for i in report.missing)]
    lines += [f"  {detail}" for detail in details[:most_details]]
    if len(details) > most_details:
        lines.append(f"  ... and {len(details) - most_details} more; all of them with --json.")
    return lines


def legacy_lines(report: Report) -> list[str]:
    """Return the two lines of dcm4che2's dcmqr that old scripts look for (DcmQR.java)."""
    find, retrieve = (report.seconds.get(stage, 0.0) for stage in ("find", "retrieve"))
    counts = f"{report.received} objects (warning: 0, failed: {len(report.missing)})"
    return [
        f"Received {len(report.studies)} matching entries in {find:.3f} s",
        f"Retrieved {counts} in {retrieve:.3f}s",
    ]


def _finding_line(finding: Finding, command: str) -> str:
    """Return a finding of a judge as it is, an answer of echo and doctor with `ok` before it."""
    if command == "verify":
        return str(finding)
    words = {"note": "not tested" if finding.id.endswith(NOT_TESTED) else "ok"}
    return f"{words.get(finding.severity, finding.severity) + ':':<12}{finding.message}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value

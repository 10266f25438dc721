"""One JSON line for each disc, and for each refusal: who asked, when, for what, with which result.

No name, birth date or PatientID: accession numbers and UIDs lead to the patient if need be.
"""

from __future__ import annotations

import json
from typing import Any

from mkiso.core.exit_codes import BY_CODE
from mkiso.core.job import Job
from mkiso.core.report import DiscReport, Report

#: Changes when a field changes its meaning or goes away.
SCHEMA = 1


def audit_lines(report: Report, job: Job, user: str) -> tuple[str, ...]:
    """Return a line for each disc of a run, or one for the run that made none. No line end."""
    head = {
        "schema": SCHEMA,
        "time": report.ended,
        "job": report.job,
        "code": report.code,
        "name": BY_CODE[report.code].name,
        "requested_by": report.requested_by,
        "user": user,
        "archive": f"{job.archive.ae_title}@{job.archive.host}:{job.archive.port}",
        "accessions": list(report.accessions),
        "studies": [study.study_instance_uid for study in report.studies],
        "instances": report.received,
        "overruled": list(report.overruled),
        "forwarded": [
            {"node": each.node, "sent": each.sent, "failed": len(each.failed)}
            for each in report.forwarded
        ],
    }
    if not report.discs:
        return (json.dumps({**head, "message": report.message}),)
    return tuple(json.dumps({**head, **_disc(disc)}) for disc in report.discs)


def _disc(disc: DiscReport) -> dict[str, Any]:
    return {
        "path": disc.path,
        "sha256": disc.sha256,
        "size_bytes": disc.size_bytes,
        "volume_id": disc.volume_id,
        "instances": disc.instances,
        "number": disc.number,
        "of": disc.of,
        "complete": disc.complete,
    }

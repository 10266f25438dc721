"""The judge of a finished disc: reads everything back and says what is wrong.

The same for our own discs before they get their name, and for any disc of others. What was
planned, when it is known, must be there exactly.
"""

from __future__ import annotations

from pathlib import Path

from mkiso.core.checksums import CHECKSUMS
from mkiso.core.disc_check import (
    DIRECTORY,
    check_checksums,
    check_expected,
    check_expected_instances,
    check_names,
)
from mkiso.core.disc_content import CheckResult, ExpectedContent, InstanceOnDisc
from mkiso.core.findings import Findings
from mkiso.disc.agreement import check_levels, check_references
from mkiso.disc.dicomdir_reader import parse_dicomdir
from mkiso.disc.dicomdir_rules import check_directory
from mkiso.disc.disc_reading import DiscReading, ReportBytes, silent
from mkiso.disc.examination import Examination, ExaminedInstance
from mkiso.disc.read_folder import open_folder
from mkiso.disc.read_image import open_image

#: A directory of 100,000 instances has 100 MB; a larger one is none.
MAX_DIRECTORY_BYTES = 512 * 1024 * 1024
MAX_CHECKSUMS_BYTES = 64 * 1024 * 1024


def check_image(
    path: Path, expected: ExpectedContent | None = None, progress: ReportBytes = silent
) -> CheckResult:
    """Judge the image at `path`. Faults are findings, never exceptions; `progress` gets bytes."""
    findings = Findings()
    files = Examination(findings)
    with open_image(path, expected, findings, progress, files.look_at) as reading:
        return _judge(reading, files, expected, findings)


def check_folder(
    folder: Path, expected: ExpectedContent | None = None, progress: ReportBytes = silent
) -> CheckResult:
    """Judge a mounted or extracted disc below `folder`, as `check_image` does."""
    findings = Findings()
    files = Examination(findings)
    with open_folder(folder, findings, progress, files.look_at) as reading:
        return _judge(reading, files, expected, findings)


def _judge(
    reading: DiscReading,
    examination: Examination,
    expected: ExpectedContent | None,
    findings: Findings,
) -> CheckResult:
    if expected:
        _check_plan(reading, expected, findings)
    check_names(reading.files, findings)
    checksums = _content(reading, CHECKSUMS, MAX_CHECKSUMS_BYTES, findings)
    check_checksums(checksums, reading.files, findings)
    examination.check_one_patient()
    instances = {  # an image that became unreadable in the middle has files that are not counted
        path: found for path, found in examination.instances.items() if path in reading.files
    }
    _check_directory(reading, instances, findings)
    if expected:
        uids = [instance.sop_instance_uid for instance in instances.values()]
        check_expected_instances(uids, expected, findings)
    return CheckResult(
        findings=findings.result(),
        files=tuple(reading.files.values()),
        instances=tuple(
            InstanceOnDisc(
                path,
                instance.sop_class_uid,
                instance.sop_instance_uid,
                instance.transfer_syntax_uid,
                reading.files[path].sha256,
            )
            for path, instance in instances.items()
        ),
        volume_id=reading.volume_id or "",
        size_bytes=reading.size_bytes,
        sha256=reading.sha256,
    )


def _check_plan(reading: DiscReading, expected: ExpectedContent, findings: Findings) -> None:
    check_expected(reading.files, expected, findings)
    if reading.volume_id is not None and reading.volume_id != expected.volume_id:
        findings.error("iso.volume-id", "The volume identifier is not the planned one.")
    if reading.volume_id is not None and expected.size_bytes not in (None, reading.size_bytes):
        findings.error("image.size", f"The image has {reading.size_bytes} bytes.")


def _check_directory(
    reading: DiscReading, instances: dict[str, ExaminedInstance], findings: Findings
) -> None:
    content = _content(reading, DIRECTORY, MAX_DIRECTORY_BYTES, findings)
    if content is None:
        return
    directory = parse_dicomdir(content)
    findings.extend(directory.findings)
    if not directory.records:
        return
    findings.extend(check_directory(directory))
    check_references(directory, frozenset(reading.files), instances, findings)
    check_levels(directory, instances, findings)


def _content(reading: DiscReading, path: str, max_bytes: int, findings: Findings) -> bytes | None:
    """Give the content of one file, None when it is absent or unreadable."""
    file = reading.files.get(path)
    if file is None:
        return None
    if file.size_bytes > max_bytes:
        findings.error("disc.file-too-large", f"{path} has {file.size_bytes} bytes.")
        return None
    try:
        return reading.read_at(path, 0, file.size_bytes)
    except OSError as error:
        findings.error("disc.unreadable", f"{path} cannot be read: {error.strerror}.")
        return None

"""The judge of a finished disc: reads everything back and says what is wrong.

The same for our own discs before they get their name, and for any disc of others. What was
planned, when it is known, must be there exactly.
"""

from __future__ import annotations

from pathlib import Path

from mkiso.core.checksums import CHECKSUMS
from mkiso.core.disc_check import (
    check_checksums,
    check_expected,
    check_expected_instances,
    check_files,
)
from mkiso.core.disc_content import CheckResult, ExpectedContent, InstanceOnDisc
from mkiso.core.disc_layout import DIRECTORY, INDEX, README, check_layout
from mkiso.core.findings import Finding, Findings
from mkiso.core.media_profiles import ISO_9660
from mkiso.core.page_links import Places, check_index, check_page, check_readme, is_page
from mkiso.disc.agreement import check_levels, check_references
from mkiso.disc.dicomdir_reader import parse_dicomdir
from mkiso.disc.dicomdir_rules import check_directory
from mkiso.disc.disc_reading import DiscReading, ReadAt, ReportBytes, silent
from mkiso.disc.examination import Examination, ExaminedInstance
from mkiso.disc.profile_rules import check_profiles
from mkiso.disc.read_folder import open_folder
from mkiso.disc.read_image import open_image
from mkiso.disc.read_zip import open_zip
from mkiso.disc.viewer_rules import check_viewer
from mkiso.disc.written_extent import WrittenExtent

#: A directory of 100,000 instances has 100 MB; a larger one is none.
MAX_DIRECTORY_BYTES = 512 * 1024 * 1024
MAX_CHECKSUMS_BYTES = 64 * 1024 * 1024
#: Pages are for people; what is larger or more is not looked through for links.
MAX_PAGE_BYTES = 16 * 1024 * 1024
MAX_PAGES = 500


def check_image(
    path: Path,
    expected: ExpectedContent | None = None,
    progress: ReportBytes = silent,
    *,
    profile: str = "",
    written: WrittenExtent | None = None,
) -> CheckResult:
    """Judge the image at `path`. Faults are findings, never exceptions; `progress` gets bytes.

    What keeps it from the application profile named `profile` is a fault, too. With `written` the
    image may still be on its way to the disk: each part is read when it is there.
    """
    findings = Findings()
    files = Examination(findings)
    with open_image(path, expected, findings, progress, files.look_at, written=written) as reading:
        return _judge(reading, files, expected, findings, profile)


def check_folder(
    folder: Path,
    expected: ExpectedContent | None = None,
    progress: ReportBytes = silent,
    *,
    profile: str = "",
) -> CheckResult:
    """Judge a mounted or extracted disc below `folder`, as `check_image` does."""
    findings = Findings()
    files = Examination(findings)
    with open_folder(folder, findings, progress, files.look_at) as reading:
        return _judge(reading, files, expected, findings, profile)


def check_zip(
    path: Path,
    expected: ExpectedContent | None = None,
    progress: ReportBytes = silent,
    *,
    profile: str = "",
    passphrase: bytes | None = None,
    as_disc: bool = True,
) -> CheckResult:
    """Judge the ZIP archive of a file-set (PS3.12 Annex V), as `check_image` does.

    Not `as_disc`: only the planned files are looked for, as in the archive of an image.
    """
    findings = Findings()
    files = Examination(findings)
    look_at = files.look_at if as_disc else _look_away
    with open_zip(path, findings, progress, look_at, passphrase) as reading:
        if as_disc:
            return _judge(reading, files, expected, findings, profile)
        if expected:
            check_expected(reading.files, expected, findings)
        return CheckResult(findings.result(), files=tuple(reading.files.values()))


def _look_away(_path: str, _size_bytes: int, _read_at: ReadAt) -> None:
    """Look into nothing."""


def _judge(
    reading: DiscReading,
    examination: Examination,
    expected: ExpectedContent | None,
    findings: Findings,
    profile: str,
) -> CheckResult:
    if expected:
        _check_plan(reading, expected, findings)
    check_files(reading.files, findings)
    checksums = _content(reading, CHECKSUMS, MAX_CHECKSUMS_BYTES, findings)
    check_checksums(checksums, reading.files, findings)
    examination.check_one_patient()
    instances = {  # an image that became unreadable in the middle has files that are not counted
        path: found for path, found in examination.instances.items() if path in reading.files
    }
    check_layout(reading.files, instances, findings)
    _check_pages(reading, findings)
    profiles = _check_directory(reading, instances, findings)
    findings.extend(profiles.get(profile, ()))
    check_viewer(reading, instances, findings)
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
        profiles=tuple(name for name, faults in profiles.items() if not faults),
    )


def _check_plan(reading: DiscReading, expected: ExpectedContent, findings: Findings) -> None:
    check_expected(reading.files, expected, findings)
    if reading.volume_id is not None and reading.volume_id != expected.volume_id:
        findings.error("iso.volume-id", "The volume identifier is not the planned one.")
    if reading.volume_id is not None and expected.size_bytes not in (None, reading.size_bytes):
        findings.error("image.size", f"The image has {reading.size_bytes} bytes.")


def _check_directory(
    reading: DiscReading, instances: dict[str, ExaminedInstance], findings: Findings
) -> dict[str, tuple[Finding, ...]]:
    """Check DICOMDIR, and return what keeps the disc from each application profile."""
    content = _content(reading, DIRECTORY, MAX_DIRECTORY_BYTES, findings)
    if content is None:
        return {}
    directory = parse_dicomdir(content)
    findings.extend(directory.findings)
    if not directory.records and directory.findings:
        return {}
    findings.extend(check_directory(directory))
    if reading.volume_id not in {None, "", directory.file_set_id}:
        findings.warning(  # PS3.12 F.1.2: the volume identifier is the File-set ID
            "iso.volume-id-differs", "The volume identifier is not the File-set ID of DICOMDIR."
        )
    check_references(directory, frozenset(reading.files), instances, findings)
    check_levels(directory, instances, findings)
    file_system = "" if reading.volume_id is None else ISO_9660
    return check_profiles(directory, instances, file_system, reading.size_bytes)


def _check_pages(reading: DiscReading, findings: Findings) -> None:
    """Check README.TXT, and where the web pages of the disc lead."""
    if content := _content(reading, README, MAX_PAGE_BYTES, findings):
        check_readme(content, findings)
    places = Places(reading.files)
    pages = [path for path, file in reading.files.items() if is_page(path) and file.size_bytes]
    for path in sorted(pages, key=lambda path: path != INDEX)[:MAX_PAGES]:
        if content := _content(reading, path, MAX_PAGE_BYTES, findings):
            reached = check_page(path, content, places, findings)
            if path == INDEX:
                check_index(reached, reading.files, findings)


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

"""The judge's findings in the order of the IHE media creator tests 1901 to 1912.

The list of tests is that of the MESA tools (IHE Radiology, PDI); what each one checks here is in
the table. Findings of errors and warnings count, notes do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mkiso.core.findings import ERROR, NOTE, WARNING, Finding


class MediaTest(NamedTuple):
    """One test: the beginnings of the ids that belong to it; the longest beginning wins."""

    number: str
    title: str
    ids: tuple[str, ...]


MEDIA_TESTS = (
    MediaTest("1901", "mount point", ("image.", "iso.no-volume", "iso.truncated")),
    MediaTest("1902", "disc format", ("iso.", "disc.unreadable")),
    MediaTest("1903", "file conventions", ("disc.", "iso.lower-case", "iso.name")),
    MediaTest("1904", "DICOMDIR content", ("dicomdir.", "disc.no-dicomdir", "profile.")),
    MediaTest("1905", "object content", ("file.", "disc.patient-", "disc.several-patients")),
    MediaTest("1910", "web content", ("page.", "disc.page-", "disc.not-web-content")),
    MediaTest("1911", "naming conflicts", ("disc.name-twice", "disc.reserved-", "disc.second-")),
    MediaTest("1912", "prefix conflicts", ("disc.prefix-conflict",)),
    MediaTest("", "check sums", ("checksums.",)),
)


def media_test_of(finding_id: str) -> MediaTest | None:
    """Return the test that a finding belongs to."""
    matches = [
        (len(start), test)
        for test in MEDIA_TESTS
        for start in test.ids
        if finding_id.startswith(start)
    ]
    return max(matches, key=lambda match: match[0])[1] if matches else None


def summary(findings: Sequence[Finding], profiles: Sequence[str]) -> tuple[Finding, ...]:
    """Return one note for each test, and one for the application profiles that are met."""
    lines = []
    for test in MEDIA_TESTS:
        mine = [f.severity for f in findings if media_test_of(f.id) == test]
        errors, warnings = mine.count(ERROR), mine.count(WARNING)
        verdict = "passed" if not errors + warnings else f"{errors} errors, {warnings} warnings"
        name = f"IHE {test.number} {test.title}" if test.number else test.title
        lines.append(
            Finding(NOTE, f"media-test.{test.number or 'checksums'}", f"{name}: {verdict}")
        )
    met = ", ".join(profiles) or "none"
    lines.append(Finding(NOTE, "media-test.profiles", f"application profiles met: {met}"))
    return tuple(lines)

"""The judge's rules for the files of a disc: everything is there, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from mkiso.core.checksums import CHECKSUMS, parse_checksums
from mkiso.core.disc_content import ExpectedContent, FileOnDisc
from mkiso.core.disc_layout import DIRECTORY, INDEX, README
from mkiso.core.findings import Findings

#: What starts a program by itself when a disc is put in; IHE PDI forbids it.
_STARTERS = re.compile(r"(AUTORUN\.INF|AUTORUN\.SH|AUTORUN|\.AUTORUN)\Z")

#: How executable files begin: Windows, ELF, Mach-O in both byte orders and as a bundle, scripts.
_EXECUTABLE_MAGIC = (
    b"MZ",
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"#!",
)

#: Files that IHE PDI wants beside DICOMDIR (RAD TF-3 4.47.4.1.2.3).
_PAGES = (INDEX, README)


def looks_executable(head: bytes) -> bool:
    """Say whether a file that begins with `head` is a program or a script."""
    return head.startswith(_EXECUTABLE_MAGIC)


def check_expected(
    files: Mapping[str, FileOnDisc], expected: ExpectedContent, findings: Findings
) -> None:
    """Check that the disc has exactly the planned files with exactly the planned bytes."""
    for path in expected.files.keys() - files.keys():
        findings.error("disc.file-missing", f"{path} is not on the disc.")
    for path in files.keys() - expected.files.keys():
        findings.error("disc.file-unexpected", f"{path} is on the disc and should not be.")
    for path, (sha256, size_bytes) in expected.files.items():
        found = files.get(path)
        if found and found.size_bytes != size_bytes:
            findings.error(
                "disc.file-size", f"{path} has {found.size_bytes} bytes instead of {size_bytes}."
            )
        elif found and found.sha256 != sha256:
            findings.error("disc.file-changed", f"{path} is not what was received or made.")


def check_expected_instances(
    sop_instance_uids: Collection[str], expected: ExpectedContent, findings: Findings
) -> None:
    """Check that the disc has exactly the planned instances, each once."""
    found = set(sop_instance_uids)
    for uid in sorted(expected.sop_instance_uids - found):
        findings.error("disc.instance-missing", f"Instance {uid} is not on the disc.")
    for uid in sorted(found - expected.sop_instance_uids):
        findings.error("disc.instance-unexpected", f"Instance {uid} should not be on the disc.")
    if len(found) != len(sop_instance_uids):
        more = len(sop_instance_uids) - len(found)
        findings.error("disc.instance-twice", f"{more} instances are on the disc more than once.")


def check_files(files: Mapping[str, FileOnDisc], findings: Findings) -> None:
    """Check for the files that every disc should have, or should not have."""
    if DIRECTORY not in files:
        findings.error("disc.no-dicomdir", "There is no DICOMDIR in the root of the disc.")
    for name in _PAGES:
        if name not in files:
            findings.warning("disc.page-missing", f"{name} is missing, which IHE PDI asks for.")
        elif not files[name].size_bytes:
            findings.error("disc.page-empty", f"{name} is empty.")
    for path in files:
        if _STARTERS.search(path.rsplit("/", 1)[-1]):
            findings.error("disc.autorun", f"{path} starts a program by itself.")


def check_checksums(
    content: bytes | None, files: Mapping[str, FileOnDisc], findings: Findings
) -> None:
    """Check SHA256.TXT: every line agrees with its file, every other file has a line."""
    if content is None:
        findings.note("checksums.absent", f"There is no {CHECKSUMS}.")
        return
    listed, bad_lines = parse_checksums(content)
    if bad_lines:
        findings.error("checksums.lines", f"{bad_lines} lines of {CHECKSUMS} are none.")
    for path, sha256 in listed.items():
        found = files.get(path)
        if found is None:
            findings.error("checksums.file-missing", f"{path} is in {CHECKSUMS} and not there.")
        elif found.sha256 != sha256:
            findings.error("checksums.differ", f"{path} differs from its checksum in {CHECKSUMS}.")
    for path in files.keys() - listed.keys() - {CHECKSUMS}:
        findings.error("checksums.not-listed", f"{path} is not in {CHECKSUMS}.")

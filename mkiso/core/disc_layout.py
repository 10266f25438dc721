"""The judge's rules for names and places on a disc (PS3.10 8.5, PS3.12 F.1.2.1, IHE PDI).

IHE RAD TF-3 4.47.4.1.2: strict ISO 9660 level 1 names on every medium; README.TXT, INDEX.HTM,
DICOMDIR and IHE_PDI in the root; nothing foreign beside DICOM files or in IHE_PDI.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from mkiso.core.findings import Findings

DIRECTORY = "DICOMDIR"
INDEX, README = "INDEX.HTM", "README.TXT"
WEB_FOLDER = "IHE_PDI"

#: ECMA-119 6.8.2.1 and PS3.12 F.1.2.1: the root is level 1, a file lies in the 8th at most.
MAX_LEVELS = 8

_NAME = re.compile(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?\Z")
_FOLDER_NAME = re.compile(r"[A-Z0-9_]{1,8}\Z")
#: What the Web Content option may hold (IHE RAD TF-3 4.47.4.1.2.3.3): XHTML, JPEG, and its style.
_WEB_ENDINGS = ("HTM", "XHT", "HTML", "XHTML", "CSS", "JPG", "JPEG", "GIF", "PNG", "TXT", "PDF")
_FILES_IN_ROOT = (DIRECTORY, INDEX, README)


def check_layout(paths: Collection[str], dicom_paths: Collection[str], findings: Findings) -> None:
    """Check names and places; paths are in upper case, `dicom_paths` without DICOMDIR."""
    for path in paths:
        _check_name(path, findings)
    _check_dicom_folders(paths, dicom_paths, findings)
    _check_web_folder(paths, dicom_paths, findings)
    _check_reserved(paths, findings)


def _check_name(path: str, findings: Findings) -> None:
    """Check the characters, lengths and levels of one path."""
    *folders, name = path.split("/")
    if not _NAME.match(name) or not all(_FOLDER_NAME.match(folder) for folder in folders):
        findings.warning("disc.name-not-8.3", f"{path} is no name of ISO 9660 level 1.")
    if len(folders) >= MAX_LEVELS:
        findings.error("disc.depth", f"{path} lies deeper than {MAX_LEVELS} levels.")


def _check_dicom_folders(
    paths: Collection[str], dicom_paths: Collection[str], findings: Findings
) -> None:
    """Check that DICOM files have no extension and their folders nothing else in them."""
    dicom = set(dicom_paths)
    for path in dicom:
        if "." in path.rsplit("/", 1)[-1]:
            findings.error("disc.dicom-extension", f"{path} is a DICOM file with an extension.")
    folders = {path.rpartition("/")[0] for path in dicom} - {""}
    for path in paths:
        if path.rpartition("/")[0] in folders and path not in dicom:
            findings.warning("disc.foreign-file", f"{path} is no DICOM file among DICOM files.")


def _check_web_folder(
    paths: Collection[str], dicom_paths: Collection[str], findings: Findings
) -> None:
    """Check that IHE_PDI holds web content only."""
    dicom = set(dicom_paths)
    for path in paths:
        if path.startswith(f"{WEB_FOLDER}/"):
            ending = path.rpartition(".")[2]
            if path in dicom or ending not in _WEB_ENDINGS:
                findings.warning("disc.not-web-content", f"{path} is no web content.")


def _check_reserved(paths: Collection[str], findings: Findings) -> None:
    """Check that reserved names mean what they should, and that no other name looks like one."""
    stems = {name.partition(".")[0]: name for name in (*_FILES_IN_ROOT, WEB_FOLDER)}
    found: set[tuple[str, str]] = set()
    for path in paths:
        top, _, below = path.partition("/")
        if path != DIRECTORY and DIRECTORY in path.split("/"):
            findings.warning("disc.second-dicomdir", f"{path} has the reserved name {DIRECTORY}.")
        if (below and top in _FILES_IN_ROOT) or (not below and top == WEB_FOLDER):
            kind = "file" if top == WEB_FOLDER else "folder"
            findings.error("disc.reserved-name", f"{top} is a {kind}.")
        reserved = stems.get(top.partition(".")[0])
        if reserved and top != reserved:
            found.add((top, reserved))
    for top, reserved in sorted(found):
        findings.warning(
            "disc.prefix-conflict", f"{top} differs from {reserved} in its extension only."
        )

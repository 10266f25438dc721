"""SHA256.TXT: the check sums of a disc, in the lines that `sha256sum -c` reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from mkiso.core.model import DiscFile

CHECKSUMS = "SHA256.TXT"

# sha256sum(1): hash, blank, blank or asterisk (text or binary), name
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)\Z")


def file_in_memory(path: str, content: bytes) -> DiscFile:
    """Give the file of a disc whose content was made here."""
    return DiscFile(path, len(content), hashlib.sha256(content).hexdigest(), content=content)


def checksum_file(files: Iterable[DiscFile]) -> DiscFile:
    """Give SHA256.TXT for all other files of a disc, in their order.

    Instances are not read again: their hash is the one of the bytes that were received. Lines end
    in LF alone, since sha256sum takes a CR for a part of the name.
    """
    lines = (f"{file.sha256}  {file.path}\n" for file in files if file.path != CHECKSUMS)
    return file_in_memory(CHECKSUMS, "".join(lines).encode("ascii"))


def parse_checksums(content: bytes) -> tuple[Mapping[str, str], int]:
    """Give path -> SHA-256 (hex) of a check sum file, and how many lines are none."""
    found: dict[str, str] = {}
    bad = 0
    for line in content.decode("utf-8", "replace").splitlines():
        match = _LINE.match(line.strip())
        if match:
            found[match[2].removeprefix("./").upper()] = match[1].lower()
        elif line.strip():
            bad += 1
    return found, bad

"""What one reading of a disc gives the judge, whether it was an image or a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mkiso.core.disc_content import FileOnDisc

#: (path, offset, length) -> at most that many bytes of the file
ReadAt = Callable[[str, int, int], bytes]

#: (path, size in bytes, how to read it) of a file that has just been read and hashed
LookAt = Callable[[str, int, ReadAt], None]

#: bytes done, bytes in all
ReportBytes = Callable[[int, int], None]


def _nothing(_path: str, _offset: int, _length: int) -> bytes:
    return b""


def silent(_done: int, _total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class DiscReading:
    """All files of a disc with their hashes; paths in upper case without version."""

    files: Mapping[str, FileOnDisc] = field(default_factory=dict)
    read_at: ReadAt = _nothing
    volume_id: str | None = None  # None: a folder has none
    size_bytes: int = 0
    sha256: str = ""  # of the whole image

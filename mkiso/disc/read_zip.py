"""Reads a ZIP archive of a file-set: the hash of every entry, within limits."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mkiso.core.disc_content import FileOnDisc
from mkiso.core.findings import Findings
from mkiso.disc.disc_reading import DiscReading, LookAt, ReportBytes
from mkiso.disc.zip_writer import NOTICE, open_archive

MAX_ENTRIES = 300_000
#: An archive that unpacks to more than this many times its size is a bomb (DEFLATE: 1032).
_MOST_TIMES = 1100
_PIECE = 1024 * 1024
#: Entries up to this size are looked into from memory, larger ones from a file.
_IN_MEMORY = 32 * 1024 * 1024


@contextmanager
def open_zip(
    path: Path,
    findings: Findings,
    progress: ReportBytes,
    look_at: LookAt,
    passphrase: bytes | None = None,
) -> Iterator[DiscReading]:
    """Hash the entries of the archive at `path` and give what is there."""
    try:
        archive = open_archive(path, "r", passphrase)
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        findings.error("zip.unreadable", f"The archive cannot be read ({type(error).__name__}).")
        yield DiscReading()
        return
    with archive:
        if passphrase is None and any(entry.flag_bits & 1 for entry in archive.infolist()):
            findings.error(
                "zip.encrypted", "The archive is encrypted; unpack it with its pass phrase first."
            )
            yield DiscReading(size_bytes=path.stat().st_size)
            return
        files: dict[str, FileOnDisc] = {}
        entries = _entries(archive, path.stat().st_size, findings)
        total, done = sum(entry.file_size for entry in entries.values()), 0
        for name, entry in entries.items():
            if passphrase is not None and not entry.flag_bits & 1 and name != NOTICE:
                findings.error("zip.not-encrypted", f"{name} is not encrypted.")
            found = _hashed(archive, name, entry, look_at, findings)
            if found:
                files[name] = found
            done += entry.file_size
            progress(done, total)
        if passphrase is not None:
            files.pop(NOTICE, None)

        def read_at(name: str, offset: int, length: int) -> bytes:
            with archive.open(entries[name]) as stream:
                while offset > 0:
                    offset -= len(stream.read(min(offset, _PIECE))) or offset
                content: bytes = stream.read(length)
                return content

        yield DiscReading(files, read_at, size_bytes=path.stat().st_size, sha256=_sha256(path))


def _entries(archive: Any, size_bytes: int, findings: Findings) -> dict[str, Any]:
    """Return the entries that are files, by their path; unsafe ones are findings."""
    found: dict[str, Any] = {}
    for entry in archive.infolist()[:MAX_ENTRIES]:
        if entry.is_dir():
            continue
        name = str(entry.filename)
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\\" in name or not parts:
            findings.error("zip.path", "An entry's name leads out of the archive.")
        elif name.upper() in found:
            findings.error("disc.name-twice", f"{name.upper()} is there twice.")
        else:
            found[name.upper()] = entry
    if len(archive.infolist()) > MAX_ENTRIES:
        findings.error("zip.too-many", f"The archive has more than {MAX_ENTRIES} entries.")
    if sum(entry.file_size for entry in found.values()) > _MOST_TIMES * size_bytes:
        findings.error("zip.bomb", "The archive unpacks to far more than it can hold.")
        return {}
    return found


def _hashed(
    archive: Any, name: str, entry: Any, look_at: LookAt, findings: Findings
) -> FileOnDisc | None:
    """Hash one entry and let it be looked at; None when it cannot be read."""
    digest, size = hashlib.sha256(), 0
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        try:
            with archive.open(entry) as stream:
                while piece := stream.read(_PIECE):
                    digest.update(piece)
                    size += len(piece)
                    copy.write(piece)
                    if size > entry.file_size:
                        break
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as error:
            findings.error("disc.unreadable", f"{name} cannot be read ({type(error).__name__}).")
            return None
        look_at(name, size, lambda _, offset, length: _piece(copy, offset, length))
    return FileOnDisc(name, size, digest.hexdigest())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _piece(copy: IO[bytes], offset: int, length: int) -> bytes:
    copy.seek(offset)
    return copy.read(length)

"""The file-set as a ZIP archive (PS3.12 Annex V), or an image in one that needs a pass phrase.

Encryption is WinZip's AES-256 (AE-2), which 7-Zip, WinZip and macOS tools open. No DICOM and no IHE
profile knows it: such a file is plainly marked as neither.
"""

from __future__ import annotations

import importlib
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from mkiso.core.model import DiscFile
from mkiso.disc.disc_reading import ReportBytes, silent
from mkiso.errors import ConfigError, VerifyError

_PIECE = 1024 * 1024
#: Fast, and most of what the slowest level saves.
_LEVEL = 1
#: The earliest moment that ZIP can say (APPNOTE 4.4.6).
_EARLIEST = 315_532_800
#: The one file of an encrypted archive that is not encrypted.
NOTICE = "READ_ME.TXT"
_NOTICE_TEXT = (
    "This archive holds medical images and is encrypted (AES-256).\r\n"
    "It is no IHE PDI medium and no DICOM secure media profile: no DICOM system imports it as it "
    "is.\r\nUnpack it with 7-Zip, WinZip or another program that knows AES, and the pass phrase "
    "that was given to you on another way.\r\n"
)


def require_encryption() -> Any:
    """Return the package that encrypts. Raises ConfigError when it is not installed."""
    try:
        return importlib.import_module("pyzipper")
    except ImportError as error:
        raise ConfigError(
            "Encryption needs the package pyzipper, which is not installed: install mkiso[encrypt]."
        ) from error


def open_archive(path: Path, mode: str, passphrase: bytes | None = None) -> Any:
    """Open a ZIP archive: `r` to read, `x` to make a new one; with a pass phrase an encrypted one.

    Raises ConfigError when the package for it is missing, OSError, zipfile.BadZipFile.
    """
    if passphrase is None:
        return zipfile.ZipFile(path, mode, zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)  # type: ignore[call-overload]
    pyzipper = require_encryption()
    archive = pyzipper.AESZipFile(
        path, mode, compression=zipfile.ZIP_DEFLATED, compresslevel=_LEVEL
    )
    archive.setpassword(passphrase)
    if mode != "r":
        archive.setencryption(pyzipper.WZ_AES, nbits=256)
    return archive


def write_zip(
    files: Iterable[DiscFile],
    target: Path,
    *,
    made_at: int,
    passphrase: bytes | None = None,
    progress: ReportBytes = silent,
) -> None:
    """Write the files in their order into the new archive `target`.

    Raises OSError, VerifyError when a source is not as long as planned, and what `progress` raises.
    """
    files = list(files)
    total, done = sum(file.size_bytes for file in files), 0
    with open_archive(target, "x", passphrase) as archive:
        if passphrase is not None:
            _add_notice(archive, made_at)
        for file in files:
            entry = _entry(archive, file.path, made_at)
            entry.file_size = file.size_bytes
            with archive.open(entry, "w", force_zip64=file.size_bytes >= 1 << 31) as out:
                written = 0
                for piece in _pieces(file):
                    out.write(piece)
                    written += len(piece)
                    done += len(piece)
                    progress(done, total)
            if written != file.size_bytes:
                raise VerifyError(f"{file.path} is not as long as planned; run the job again.")


def _add_notice(archive: Any, made_at: int) -> None:
    """Add the one entry that anybody can read."""
    encryption, passphrase = archive.encryption, archive.pwd
    archive.encryption = archive.pwd = None
    try:
        archive.writestr(_entry(archive, NOTICE, made_at), _NOTICE_TEXT.encode("ascii"))
    finally:
        archive.encryption, archive.pwd = encryption, passphrase


def _entry(archive: Any, path: str, made_at: int) -> Any:
    kind = getattr(archive, "zipinfo_cls", zipfile.ZipInfo)
    entry = kind(path, time.gmtime(max(made_at, _EARLIEST))[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100444 << 16
    entry.create_system = 3  # Unix: the same bytes wherever it is made
    return entry


def _pieces(file: DiscFile) -> Iterable[bytes]:
    if file.source is None:
        yield file.content or b""
        return
    with file.source.open("rb") as source:
        yield from _read(source)


def _read(source: IO[bytes]) -> Iterable[bytes]:
    while piece := source.read(_PIECE):
        yield piece

"""The file-set as a folder, for a stick or a share (PS3.12 Annex R)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mkiso.core.model import DiscFile
from mkiso.disc.copying import copy_file
from mkiso.disc.disc_reading import ReportBytes, silent


def write_folder(
    files: Iterable[DiscFile], target: Path, *, file_mode: int, progress: ReportBytes = silent
) -> None:
    """Write the files below the new folder `target` and bring them to the disk.

    Folders may be entered by whom `file_mode` lets read. Raises OSError, VerifyError when a source
    has another length than planned, and what `progress` raises.
    """
    files = list(files)
    folder_mode = file_mode | (file_mode & 0o444) >> 2
    total, done = sum(file.size_bytes for file in files), 0
    target.mkdir(mode=folder_mode | 0o700)
    folders = [target]
    for file in files:
        path = target.joinpath(*file.path.split("/"))
        for folder in reversed(path.relative_to(target).parents[:-1]):
            if (new := target / folder) not in folders:
                new.mkdir(mode=folder_mode | 0o700)
                folders.append(new)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            if file.source is not None:
                for copied in copy_file(file.source, file.size_bytes, descriptor, 0):
                    done += copied
                    progress(done, total)
            else:
                os.write(descriptor, file.content or b"")
                done += file.size_bytes
            os.fchmod(descriptor, file_mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        progress(done, total)
    for folder in folders:
        folder.chmod(folder_mode | 0o700)

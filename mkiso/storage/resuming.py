"""What a dead run left in its work folder, judged file by file before the next one builds on it.

A file counts as received only when everything agrees: the ledger has it, its size and SHA-256 are
those of the ledger, its file meta is the one that we write for these UIDs, and its data set, read
to the end, has them too. The others are removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from mkiso.core.byte_source import HeaderError
from mkiso.core.custody import KeptInstance
from mkiso.core.file_meta import encode_file_meta
from mkiso.core.header import LevelCache, read_header
from mkiso.core.model import ReceivedInstance
from mkiso.storage.workspace import INSTANCE_ENDING

#: The names that `storage.instances` gives.
_INSTANCE_NAME = re.compile(r"[0-9]{8,}\.dcm")
_READ_BYTES = 256 * 1024
_HEAD_BYTES = 32 * 1024


def adopt(
    folder: Path, kept: Iterable[KeptInstance], log: Callable[[str], None]
) -> tuple[ReceivedInstance, ...]:
    """Return the instances in `folder` that can be relied on; remove everything else."""
    levels: LevelCache = {}
    instances: dict[str, ReceivedInstance] = {}
    for each in kept:
        if not _INSTANCE_NAME.fullmatch(each.file_name):
            continue
        with contextlib.suppress(OSError, HeaderError):
            instance = _judged(folder / each.file_name, each, levels)
            if instance is not None:
                instances[each.file_name] = instance
    removed = _remove_others(folder, instances)
    log(f"went on with {len(instances)} instances of an earlier attempt; {removed} files removed")
    return tuple(instances.values())


def _judged(path: Path, kept: KeptInstance, levels: LevelCache) -> ReceivedInstance | None:
    """Return the instance in a file, or None when anything about it is not as it was written."""
    meta = encode_file_meta(kept.sop_class_uid, kept.sop_instance_uid, kept.transfer_syntax_uid)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size != kept.size_bytes:
            return None
        if _sha256(descriptor) != kept.sha256 or os.pread(descriptor, len(meta), 0) != meta:
            return None
        parsed = read_header(
            os.pread(descriptor, _HEAD_BYTES, len(meta)),
            lambda start, length: os.pread(descriptor, length, len(meta) + start),
            kept.size_bytes - len(meta),
            kept.transfer_syntax_uid,
            levels,
        )
    finally:
        os.close(descriptor)
    if (parsed.sop_class_uid, parsed.sop_instance_uid) != (
        kept.sop_class_uid,
        kept.sop_instance_uid,
    ):
        return None
    return ReceivedInstance(
        path=path,
        size_bytes=kept.size_bytes,
        sha256=kept.sha256,
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        study_instance_uid=parsed.study_instance_uid,
        transfer_syntax_uid=kept.transfer_syntax_uid,
        header=parsed.header,
        data_set_offset=len(meta),
    )


def _sha256(descriptor: int) -> str:
    digest = hashlib.sha256()
    start = 0
    while piece := os.pread(descriptor, _READ_BYTES, start):
        digest.update(piece)
        start += len(piece)
    return digest.hexdigest()


def _remove_others(folder: Path, instances: Iterable[str]) -> int:
    """Remove the other instances of the folder; return how many."""
    stay = set(instances)
    others = [p for p in folder.glob(f"*{INSTANCE_ENDING}") if p.name not in stay]
    for path in others:
        path.unlink(missing_ok=True)
    return len(others)

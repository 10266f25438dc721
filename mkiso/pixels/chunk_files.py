"""Chunk files of the disc: what lies in the spools, in the order of the index."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any, Final

from mkiso.core.viewer_script import chunk_frame

_BLOCK_BYTES: Final = 1 << 20


def assemble(task: dict[str, Any]) -> dict[str, Any]:
    """Write the file of one chunk; return its size in bytes and SHA-256.

    `task` has `target`, `series`, `number`, and `entries`: spool file, offset, length of each.
    Raises OSError.
    """
    before, between, after = chunk_frame(task["series"], task["number"])
    digest, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    target = os.open(task["target"], flags, 0o600)
    try:
        for block in _content(task["entries"], (before, between, after)):
            written = 0
            while written < len(block):
                written += os.write(target, block[written:])
            digest.update(block)
            size += len(block)
    finally:
        os.close(target)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _content(entries: list[list[Any]], frame: tuple[bytes, bytes, bytes]) -> Iterator[bytes]:
    """Yield the content of a chunk file in large blocks."""
    before, between, after = frame
    opened: dict[str, int] = {}
    pending = bytearray(before)
    try:
        for number, (spool, offset, length) in enumerate(entries):
            if spool not in opened:
                opened[spool] = os.open(spool, os.O_RDONLY | os.O_CLOEXEC)
            pending += between if number else b""
            text = os.pread(opened[spool], length, offset)
            if len(text) != length:
                raise OSError(5, "a spool became shorter")
            pending += text
            if len(pending) >= _BLOCK_BYTES:
                yield bytes(pending)
                pending.clear()
        pending += after
        yield bytes(pending)
    finally:
        for descriptor in opened.values():
            os.close(descriptor)

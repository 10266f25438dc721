"""What a worker makes before its place on the disc is known: one growing file a worker."""

from __future__ import annotations

import binascii
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def _nothing() -> None:
    """Do nothing."""


class Spool:
    """Appends base64 text to `<folder>/<name>.spool`; documents become files of their own."""

    def __init__(self, folder: Path, name: str, beat: Callable[[], None] = _nothing) -> None:
        """Open a new spool; `beat` is called for each block of a document. Raises OSError."""
        self._beat = beat
        self._folder = folder
        self.name = name
        self._documents = 0
        self._size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(folder / f"{name}.spool", flags, 0o600)

    def append(self, parts: Iterable[bytes]) -> tuple[int, list[int]]:
        """Write parts as base64; return where they begin and the length of each."""
        start, lengths = self._size, []
        for part in parts:
            text = binascii.b2a_base64(part, newline=False)
            _write(self._descriptor, text)
            self._size += len(text)
            lengths.append(len(text))
        return start, lengths

    def document(self, blocks: Iterable[bytes]) -> dict[str, Any]:
        """Write a file of its own; return its name, size and SHA-256."""
        self._documents += 1
        name = f"{self.name}-{self._documents}.document"
        digest, size = hashlib.sha256(), 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self._folder / name, flags, 0o600)
        try:
            for block in blocks:
                self._beat()
                _write(descriptor, block)
                digest.update(block)
                size += len(block)
        finally:
            os.close(descriptor)
        return {"document": name, "bytes": size, "sha256": digest.hexdigest()}


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]

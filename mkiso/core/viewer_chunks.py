"""Which frame goes into which chunk file of a series (docs/viewer-format.md, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from mkiso.core.viewer_script import chunk_frame

#: Characters of base64 in one chunk file: small enough for a script string, few enough files.
CHUNK_CHARACTERS: Final = 1_500_000


class Entry(NamedTuple):
    """One base64 text: where it lies now, from `offset` on."""

    spool: str
    offset: int
    length: int


class ChunkPlan:
    """Fills the chunks of one series in the order in which frames are added."""

    def __init__(self, series: str) -> None:
        """Begin without a chunk. `series` is the folder's name, S00001."""
        self._series = series
        self.chunks: list[list[Entry]] = []
        self._room = 0

    def add(self, entries: Sequence[Entry]) -> list[tuple[int, int]]:
        """Put the parts of one frame into chunks; return chunk and entry of each."""
        places = []
        for entry in entries:
            if not self.chunks or entry.length > self._room:
                self.chunks.append([])
                self._room = CHUNK_CHARACTERS
            self._room -= entry.length
            self.chunks[-1].append(entry)
            places.append((len(self.chunks) - 1, len(self.chunks[-1]) - 1))
        return places

    def sizes(self) -> list[int]:
        """Return the size of each chunk file in bytes."""
        found = []
        for number, entries in enumerate(self.chunks):
            before, between, after = chunk_frame(self._series, number)
            texts = sum(entry.length for entry in entries)
            found.append(len(before) + texts + len(between) * (len(entries) - 1) + len(after))
        return found


def chunk_name(number: int) -> str:
    """Return the file name of a chunk: C0000.JS."""
    return f"C{number:04d}.JS"


def series_folder(number: int) -> str:
    """Return the folder of a series: S00001."""
    return f"S{number:05d}"

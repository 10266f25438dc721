"""From the records of the instances on one disc to the files of its viewer."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mkiso.core import viewer_kinds as kinds
from mkiso.core.checksums import file_in_memory
from mkiso.core.index_page import DocumentLink, IndexPage
from mkiso.core.model import DiscFile, FileSetInstance
from mkiso.core.viewer_chunks import series_folder
from mkiso.core.viewer_index import (
    FOLDER,
    key_object_entry,
    manifest_script,
    series_script,
    state_entry,
)
from mkiso.core.viewer_references import Places
from mkiso.pixels.instance_record import InstanceRecord
from mkiso.pixels.result_jobs import ChunkJob
from mkiso.pixels.series_payload import SeriesPayload

#: Thumbnails on one disc: each takes some kilobytes of the manifest, which is read first.
_MOST_THUMBNAILS = 400

_Do: TypeAlias = Callable[[Iterable[Any]], None]


class DiscPayload:
    """The records of one disc by series, in the order of DICOMDIR."""

    def __init__(
        self, placed: Sequence[FileSetInstance], records: Mapping[str, InstanceRecord]
    ) -> None:
        """Take the instances of the disc; `records` may change until `files` is called."""
        self._records = records
        self._series: dict[tuple[str, str], list[FileSetInstance]] = {}
        for item in placed:
            key = item.instance.study_instance_uid, item.instance.series_instance_uid
            self._series.setdefault(key, []).append(item)
        self.tiles = 0
        self.previews: tuple[str, ...] = ()  # Series Instance UIDs with pictures of 8 bits
        self.documents: tuple[DocumentLink, ...] = ()

    def payload_bytes(self) -> int:
        """Return how many bytes the pixels take on the disc."""
        return sum(self._size(items) for items in self._series.values())

    def largest_full_series(self) -> list[InstanceRecord] | None:
        """Return the records of the largest series that is no preview yet, None without one."""
        full = [items for items in self._series.values() if not self._is_preview(items)]
        sizes = [(self._size(items), items) for items in full]
        size, items = max(sizes, key=lambda pair: pair[0], default=(0, []))
        return [self._record(item) for item in items] if size else None

    def files(
        self, page: IndexPage, spools: Path, target: Path, program: str, do: _Do
    ) -> tuple[DiscFile, ...]:
        """Return all files of the viewer in image order; `do` does jobs of the pool.

        Raises OSError.
        """
        series = [
            SeriesPayload(series_folder(number), [(item, self._record(item)) for item in items])
            for number, items in enumerate(self._series.values(), 1)
        ]
        places = {uid: place for one in series for uid, place in one.places()}
        documents, self.documents = _place_documents(series, spools)
        indexes = [_index_file(one, places) for one in series]
        self.tiles = sum(one.tiles for one in series)
        self.previews = tuple(one.series_instance_uid for one in series if one.preview)
        chunks = [job for one in series for job in one.chunk_jobs(spools, target)]
        thumbnails = [job for one in series for job in one.thumbnail_jobs()][:_MOST_THUMBNAILS]
        do([*thumbnails, *chunks])
        manifest = self._manifest(page, series, places, program)
        pixel_files: list[DiscFile] = []
        for one, index in zip(series, indexes, strict=True):
            pixel_files.append(index)
            pixel_files += [_chunk_file(job) for job in chunks if job.folder == one.folder]
        return (manifest, *pixel_files, *documents)

    def _manifest(
        self, page: IndexPage, series: Sequence[SeriesPayload], places: Places, program: str
    ) -> DiscFile:
        """Return MANIFEST.JS."""
        line_of = {
            (study.study_instance_uid, line.series_instance_uid): line
            for study in page.studies
            for line in study.series
        }
        states, key_objects = [], []
        for one in series:
            for position, described in one.special:
                if described["kind"] == kinds.KEY_OBJECTS:
                    key_objects.append(key_object_entry(one.folder, position, described, places))
                else:
                    states.append(state_entry(one.folder, position, described, places))
        viewed = [one.viewed(line_of[key]) for key, one in zip(self._series, series, strict=True)]
        by_folder = {entry.folder: entry for entry in viewed}
        for state in states:
            for folder in state["series"]:
                by_folder[folder].presentation_states.append(tuple(state["at"]))
        script = manifest_script(page, viewed, key_objects, states, program)
        return file_in_memory(f"{FOLDER}/MANIFEST.JS", script)

    def _record(self, item: FileSetInstance) -> InstanceRecord:
        return self._records[item.instance.sop_instance_uid]

    def _size(self, items: Iterable[FileSetInstance]) -> int:
        return sum(self._record(item).payload_bytes for item in items)

    def _is_preview(self, items: Iterable[FileSetInstance]) -> bool:
        return all(self._record(item).preview for item in items)


def _index_file(series: SeriesPayload, places: Places) -> DiscFile:
    """Return INDEX.JS of a series, and plan its chunks."""
    texts = series.index(places)
    script = series_script(
        series.folder, series.series_instance_uid, series.common, series.chunk_sizes(), texts
    )
    return file_in_memory(f"{FOLDER}/{series.folder}/INDEX.JS", script)


def _place_documents(
    series: Iterable[SeriesPayload], spools: Path
) -> tuple[list[DiscFile], tuple[DocumentLink, ...]]:
    """Give each document and video its name on the disc; return their files and titles."""
    found, links = [], []
    numbers = {"PDF": 0, "MP4": 0}
    for one in series:
        for content in one.documents():
            kind = content.pop("extension")
            numbers[kind] += 1
            name = "DOCS/D" if kind == "PDF" else "VIDEO/V"
            content["file"] = f"{FOLDER}/{name}{numbers[kind]:04d}.{kind}"
            source = spools / content.pop("document")
            found.append(
                DiscFile(content["file"], content["bytes"], content.pop("sha256"), source=source)
            )
            links.append(DocumentLink(content.get("title") or content["file"], content["file"]))
    return found, tuple(links)


def _chunk_file(job: ChunkJob) -> DiscFile:
    """Return the file of a chunk that was written. Raises OSError when it was not."""
    if job.result is None:
        raise OSError(errno.EIO, "A part of the viewer could not be written", job.target.name)
    return DiscFile(job.disc_path, job.result["bytes"], job.result["sha256"], source=job.target)

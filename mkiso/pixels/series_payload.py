"""One series of the viewer: its index, its chunks, its stacks.

The lines of the workers are read twice, to find what all instances share and to write what they
do not: so no more than one instance at a time is held as objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mkiso.core import viewer_kinds as kinds
from mkiso.core.index_page import SeriesLine
from mkiso.core.model import FileSetInstance
from mkiso.core.viewer_chunks import ChunkPlan, Entry
from mkiso.core.viewer_index import (
    IndexedInstance,
    ViewedSeries,
    instance_json,
    lifted,
    link_of,
    shared,
    stack_entry,
)
from mkiso.core.viewer_order import Stack, order_key, stacks_of
from mkiso.core.viewer_references import Places
from mkiso.pixels.instance_record import InstanceRecord
from mkiso.pixels.result_jobs import ChunkJob, ThumbnailJob

_HAS_FRAMES = frozenset({kinds.IMAGE, kinds.WAVEFORM})


class SeriesPayload:
    """One series; `index` comes before everything that needs the chunks."""

    def __init__(
        self, folder: str, items: Sequence[tuple[FileSetInstance, InstanceRecord]]
    ) -> None:
        """Read what is known of the instances, and decide their order."""
        self.folder = folder
        self.series_instance_uid = items[0][0].instance.series_instance_uid
        self.study_instance_uid = items[0][0].instance.study_instance_uid
        self.common: dict[str, Any] = {}
        self.tiles = 0
        self.special: list[tuple[int, dict[str, Any]]] = []  # key objects, presentation states
        self._links: dict[int, dict[str, Any]] = {}  # what is shown by a link, by position
        self._plan = ChunkPlan(folder)
        self.preview = False
        self._thumbnails: dict[int, ThumbnailJob] = {}
        self._sizes: dict[int, dict[str, Any]] = {}
        self._items = self._ordered(items)
        self._stacks = stacks_of(self._counted)

    def _ordered(
        self, items: Sequence[tuple[FileSetInstance, InstanceRecord]]
    ) -> list[tuple[FileSetInstance, InstanceRecord]]:
        """Return the instances in display order; note what they share and what is special."""
        keyed = []
        found: dict[str, Any] | None = None
        for item, record in items:
            described, frames = lifted(record.description, record.frames)
            if described["kind"] in _HAS_FRAMES:
                found = shared([described], found)
            merged = {**described, **frames[0]} if frames else described
            key = order_key(merged, item.instance.sop_instance_uid)
            special = described if not frames else None
            keyed.append((key, item, record, described["kind"], len(frames), special))
        self.common = found or {}
        keyed.sort(key=lambda entry: entry[0])
        self._counted = [(kind, count) for *_, kind, count, _ in keyed]
        for position, (*_, special) in enumerate(keyed):
            if special is not None:
                self._note(position, special)
        return [(item, record) for _, item, record, *_ in keyed]

    def _note(self, position: int, described: dict[str, Any]) -> None:
        """Keep what has no frames: there is little of it, and others need it."""
        if described["kind"] in {kinds.KEY_OBJECTS, kinds.PRESENTATION_STATE}:
            self.special.append((position, described))
        if described["kind"] in {kinds.DOCUMENT, kinds.VIDEO, kinds.NONE}:
            self._links[position] = described

    def places(self) -> Iterator[tuple[str, tuple[str, int]]]:
        """Yield each SOP Instance UID with its folder and position."""
        for position, (item, _) in enumerate(self._items):
            yield item.instance.sop_instance_uid, (self.folder, position)

    def documents(self) -> Iterator[dict[str, Any]]:
        """Yield the content of documents and videos that are files; to be given their place."""
        for described in self._links.values():
            content = described.get("document") or described.get("video")
            if content and "extension" in content:
                yield content

    def index(self, places: Places) -> list[str]:
        """Return the JSON of each instance, and plan the chunks. To be called once."""
        middles = {stack.members[len(stack.members) // 2]: stack for stack in self._stacks}
        texts = []
        for position, (item, record) in enumerate(self._items):
            described, frames = lifted(record.description, record.frames)
            described = self._links.get(position, described)
            if position in middles:
                self._look_at(middles[position], record, described, frames)
            self.tiles += described["kind"] == kinds.NONE
            codings = [frame.get("coding", described.get("coding")) for frame in frames]
            self.tiles += codings.count("none")
            self.preview = self.preview or "preview" in codings
            indexed = IndexedInstance(
                item.instance.sop_instance_uid,
                item.instance.sop_class_uid,
                "/".join(item.file_id),
                described,
                [self._placed(frame) for frame in frames],
            )
            texts.append(instance_json(indexed, self._common_of(described), places))
        return texts

    def _common_of(self, described: dict[str, Any]) -> dict[str, Any]:
        return self.common if described["kind"] in _HAS_FRAMES else {}

    def _placed(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Return a frame with its places in the chunks."""
        kept = {name: value for name, value in frame.items() if name != "spool"}
        if "spool" not in frame:
            return kept
        spool, offset, lengths = frame["spool"]
        entries = []
        for length in lengths:
            entries.append(Entry(spool, offset, length))
            offset += length
        return {"at": self._plan.add(entries), **kept}

    def _look_at(
        self,
        stack: Stack,
        record: InstanceRecord,
        described: dict[str, Any],
        frames: list[dict[str, Any]],
    ) -> None:
        """Ask for the picture of the middle frame of a stack, and note its size."""
        if stack.kind != kinds.IMAGE or not frames:
            return
        number = len(frames) // 2
        attributes = {**described, **frames[number]}
        self._sizes[stack.members[0]] = {
            name: attributes[name] for name in ("rows", "columns") if name in attributes
        }
        if attributes.get("coding") != "none":
            job = ThumbnailJob(record.instance, number, attributes)
            self._thumbnails[stack.members[0]] = job

    def chunk_sizes(self) -> list[int]:
        """Return the sizes of the chunk files in bytes."""
        return self._plan.sizes()

    def chunk_jobs(self, spools: Path, target: Path) -> list[ChunkJob]:
        """Return the jobs that write the chunk files."""
        return [
            ChunkJob(self.folder, number, entries, spools, target)
            for number, entries in enumerate(self._plan.chunks)
        ]

    def thumbnail_jobs(self) -> list[ThumbnailJob]:
        """Return the jobs that make the pictures of the stacks."""
        return list(self._thumbnails.values())

    def viewed(self, line: SeriesLine) -> ViewedSeries:
        """Return what the manifest tells of the series, thumbnails included."""
        return ViewedSeries(
            folder=self.folder,
            study_instance_uid=self.study_instance_uid,
            line=line,
            stacks=[stack_entry(stack, self._extra(stack)) for stack in self._stacks],
            frames=sum(stack.frames for stack in self._stacks if stack.kind == kinds.IMAGE),
            payload_bytes=sum(self.chunk_sizes()),
            preview=self.preview,
        )

    def _extra(self, stack: Stack) -> dict[str, Any]:
        """Return size and thumbnail of a stack of images, or the link of what is none."""
        first = stack.members[0]
        if first in self._links:
            file = "/".join(self._items[first][0].file_id)
            return link_of(self._links[first], file)
        job = self._thumbnails.get(first)
        picture = {"thumbnail": job.result} if job and job.result else {}
        return {**self._sizes.get(first, {}), **picture}

"""Jobs of the pool with one result: a thumbnail, a chunk file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mkiso.core.model import ReceivedInstance
from mkiso.core.viewer_chunks import Entry, chunk_name
from mkiso.core.viewer_index import FOLDER

# What of a frame's attributes decides how it looks.
_LOOKS = (
    "photometric_interpretation",
    "palette",
    "modality_lut",
    "rescale_slope",
    "rescale_intercept",
    "windows",
    "voi_lut_function",
    "voi_luts",
    "presentation_lut_shape",
    "statistics",
    "pixel_padding_value",
    "pixel_padding_range_limit",
    "pixel_spacing",
    "imager_pixel_spacing",
    "pixel_aspect_ratio",
)


class ResultJob:
    """Something a worker does, and what came of it; None when it could not be done."""

    def __init__(self, task: dict[str, Any]) -> None:
        """Take what a worker is to do."""
        self._task = task
        self.result: Any = None

    @property
    def task(self) -> dict[str, Any]:
        """What a worker is to do."""
        return self._task

    def line(self, line: bytes) -> None:
        """Take one line of the worker."""
        if line[:1] == b"R":
            self.result = json.loads(line[1:])

    def died(self, code: str) -> None:
        """Take note that the worker died at it: it is not tried again."""

    def finished(self) -> None:
        """Take note that there will be no more lines."""


class ThumbnailJob(ResultJob):
    """The picture of one frame, a data URI."""

    def __init__(
        self, instance: ReceivedInstance, frame: int, attributes: Mapping[str, Any]
    ) -> None:
        """Ask for frame number `frame`, from 0, of an instance."""
        super().__init__(
            {
                "do": "thumbnail",
                "path": str(instance.path),
                "offset": instance.data_set_offset,
                "syntax": instance.transfer_syntax_uid,
                "frame": frame,
                "attributes": {name: attributes[name] for name in _LOOKS if name in attributes},
            }
        )


class ChunkJob(ResultJob):
    """One chunk file; the result is its size in bytes and its SHA-256."""

    def __init__(
        self, folder: str, number: int, entries: Sequence[Entry], spools: Path, target: Path
    ) -> None:
        """Ask for the chunk `number` of the series in `folder`, as a file in `target`."""
        self.folder = folder
        self.disc_path = f"{FOLDER}/{folder}/{chunk_name(number)}"
        self.target = target / f"{folder}-{chunk_name(number)}"
        super().__init__(
            {
                "do": "chunk",
                "series": folder,
                "number": number,
                "target": str(self.target),
                "entries": [
                    [str(spools / f"{entry.spool}.spool"), entry.offset, entry.length]
                    for entry in entries
                ],
            }
        )

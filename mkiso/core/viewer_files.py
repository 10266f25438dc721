"""The files of the viewer of one disc, and how much room a medium leaves for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mkiso.core.index_page import DocumentLink
from mkiso.core.model import DiscFile, FileSetInstance

SECTOR_BYTES: Final = 2048

#: Capacity in bytes of the discs that a patient's images go on, the smallest first; a CD only where
#: somebody asks for it.
DISCS: Final = (
    4_700_372_992,  # DVD+R: ECMA-349, 2,295,104 sectors
    8_547_991_552,  # DVD+R DL: ECMA-364, 4,173,824 sectors
    25_025_314_816,  # BD-R: 12,219,392 sectors
    50_050_629_632,  # BD-R DL: 24,438,784 sectors
    100_103_356_416,  # BDXL: 48,878,592 sectors
)
#: Previews need about a sixteenth of the pixels that they stand for.
_SHARE_FOR_PREVIEWS: Final = 1 / 12
#: What a disc has besides instances and pixels: structures, pages, indexes, thumbnails.
_FIXED_BYTES: Final = 8 << 20
_BYTES_PER_INSTANCE: Final = 4 << 10


@dataclass(frozen=True, slots=True)
class ViewerFiles:
    """The files of `VIEWER/` in image order, and what of the disc is not shown as it is."""

    files: tuple[DiscFile, ...]
    preview_series: tuple[str, ...] = ()  # Series Instance UIDs shown in 8 bits
    tiles: int = 0  # frames and objects that cannot be shown
    documents: tuple[DocumentLink, ...] = ()  # that a browser opens as they are

    @property
    def size_bytes(self) -> int:
        """How much the files take."""
        return sum(file.size_bytes for file in self.files)


def bytes_without_viewer(placed: Sequence[FileSetInstance]) -> int:
    """Return what a disc of these instances takes, generously, but for the viewer's pixels."""
    sectors = sum(-(-item.instance.size_bytes // SECTOR_BYTES) for item in placed)
    return sectors * SECTOR_BYTES + len(placed) * _BYTES_PER_INSTANCE + _FIXED_BYTES


def medium_of(needed_bytes: int, media_size_bytes: int | None) -> int:
    """Return the bytes of the medium: as given, else of the smallest disc with room for previews.

    What fits no disc goes on something else, where there is room for everything.
    """
    if media_size_bytes is not None:
        return media_size_bytes
    wanted = needed_bytes * (1 + _SHARE_FOR_PREVIEWS)
    return next((size for size in DISCS if size >= wanted), 1 << 62)

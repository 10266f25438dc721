"""The files of the viewer of one disc, and how much room a medium leaves for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mkiso.core.icon_rules import ICON_BYTES
from mkiso.core.index_page import DocumentLink
from mkiso.core.media import MEDIA
from mkiso.core.model import DiscFile, FileSetInstance
from mkiso.core.split import FIXED_BYTES, bytes_on_disc

#: Capacity in bytes of the discs that a patient's images go on, the smallest first; a CD only where
#: somebody asks for it.
DISCS: Final = tuple(
    medium.size_bytes for medium in MEDIA if medium.name in {"dvd", "dvd-dl", "bd25", "bd50"}
)
#: Previews need about a sixteenth of the pixels that they stand for.
_SHARE_FOR_PREVIEWS: Final = 1 / 12


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


def bytes_without_viewer(placed: Sequence[FileSetInstance], *, icons: bool = False) -> int:
    """Return what a disc of these instances takes, generously, but for the viewer's pixels."""
    each = ICON_BYTES if icons else 0
    return FIXED_BYTES + sum(bytes_on_disc(item.instance.size_bytes) + each for item in placed)


def medium_of(needed_bytes: int, media_size_bytes: int | None) -> int:
    """Return the bytes of the medium: as given, else of the smallest disc with room for previews.

    What fits no disc goes on something else, where there is room for everything.
    """
    if media_size_bytes is not None:
        return media_size_bytes
    wanted = needed_bytes * (1 + _SHARE_FOR_PREVIEWS)
    return next((size for size in DISCS if size >= wanted), 1 << 62)

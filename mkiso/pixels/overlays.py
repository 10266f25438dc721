"""Overlay planes as the page gets them (PS3.3 C.9.2; docs/viewer-format.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mkiso.core.viewer_luts import blob
from mkiso.core.viewer_tags import OVERLAY_GROUPS
from mkiso.core.viewer_values import Values
from mkiso.pixels.native import overlay_bits
from mkiso.pixels.payload import Samples

#: Larger overlays than any image has are not looked at.
_MAX_BITS: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class Overlay:
    """One overlay group: what is said of it, and its bits or the bit of the pixels it is in."""

    described: dict[str, Any]
    rows: int
    columns: int
    frames: int  # 0: one plane for all frames of the image
    first_frame: int  # of the image, from 0
    bits: NDArray[np.uint8] | None  # packed, least significant first
    position: int

    def plane(self, index: int, words: Samples | None) -> dict[str, Any] | None:
        """Return what the page gets for frame `index`; None when nothing is drawn there."""
        if self.bits is None:
            if words is None or words.shape != (self.rows, self.columns):
                return None
            drawn = overlay_bits(words, self.position).reshape(-1)
        else:
            number = index - self.first_frame if self.frames else 0
            if self.frames and not 0 <= number < self.frames:
                return None
            first = number * self.rows * self.columns
            last = first + self.rows * self.columns
            packed = self.bits[first // 8 : -(-last // 8)]
            unpacked = np.unpackbits(packed, bitorder="little")[first % 8 :]
            drawn = unpacked[: last - first].view(np.bool_)
        if not drawn.any():
            return None
        data = blob(np.packbits(drawn, bitorder="little").tobytes())
        return {**self.described, "data": data}


def read_overlays(values: Values) -> list[Overlay]:
    """Return the overlays of a data set."""
    found = (_overlay(values, group) for group in OVERLAY_GROUPS)
    return [overlay for overlay in found if overlay]


def _overlay(values: Values, group: int) -> Overlay | None:
    """Return the overlay in a group, None when there is none that can be drawn."""
    rows = values.integer("OverlayRows", group=group)
    if rows < 1:  # at once: most objects have none of the 16
        return None
    columns = values.integer("OverlayColumns", group=group)
    position = values.integer("OverlayBitPosition", group=group)
    if columns < 1 or rows * columns > _MAX_BITS:
        return None
    frames = values.integer("NumberOfFramesInOverlay", group=group)
    wanted = -(-rows * columns * max(1, frames) // 8)
    bits = None
    if values.span("OverlayData", group) is not None:
        raw = values.raw("OverlayData", group)[:wanted]
        if len(raw) < wanted:
            return None
        bits = np.frombuffer(raw, np.uint8)
    elif position < 1:
        return None
    origin = [int(number) for number in values.numbers("OverlayOrigin", group)]
    described: dict[str, Any] = {
        "group": group,
        "rows": rows,
        "columns": columns,
        "origin": origin if len(origin) == 2 else [1, 1],
    }
    for name, keyword in (
        ("type", "OverlayType"),
        ("subtype", "OverlaySubtype"),
        ("label", "OverlayLabel"),
        ("description", "OverlayDescription"),
    ):
        text = values.text(keyword, group)
        if text:
            described[name] = text
    first = values.integer("ImageFrameOrigin", 1, group) - 1
    return Overlay(described, rows, columns, frames, first, bits, position)

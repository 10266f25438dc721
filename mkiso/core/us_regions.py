"""Where the ultrasound is in an ultrasound picture (PS3.3 C.8.5.5)."""

from __future__ import annotations

from mkiso.core.burned_in import REGION_CORNERS, Rectangle
from mkiso.core.byte_source import ByteSource, Span
from mkiso.core.element_walk import elements_of, items_of


def region_rectangles(source: ByteSource, span: Span | None) -> tuple[Rectangle, ...]:
    """Return the rectangles of SequenceOfUltrasoundRegions; their last pixel is inside."""
    if span is None:
        return ()
    found = []
    for item in items_of(source, span):
        order = "big" if item.encoding.big_endian else "little"
        corners = {
            placed.element.tag: int.from_bytes(
                source.bytes_at(placed.element.value, placed.stop),
                order,  # type: ignore[arg-type]  # one of the two
            )
            for placed in elements_of(source, item)
            if placed.element.tag in REGION_CORNERS
        }
        if len(corners) == len(REGION_CORNERS):
            left, top, right, bottom = (corners[tag] for tag in REGION_CORNERS)
            if left <= right and top <= bottom:
                found.append(Rectangle(left, top, right + 1, bottom + 1))
    return tuple(found)

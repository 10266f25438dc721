"""References from one object to others, as the page gets them (PS3.3 10.3, 10.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mkiso.core.viewer_values import Values

#: Series folder and position in its index, by SOP Instance UID.
Places = Mapping[str, "tuple[str, int]"]


def reference(item: Values) -> dict[str, Any]:
    """Return the reference in an item of a sequence; empty when it names no instance."""
    uid = item.uid("ReferencedSOPInstanceUID")
    if not uid:
        return {}
    found: dict[str, Any] = {"uid": uid}
    frames = [int(number) for number in item.numbers("ReferencedFrameNumber")]
    segments = [int(number) for number in item.numbers("ReferencedSegmentNumber")]
    if frames:
        found["frames"] = frames
    if segments:
        found["segments"] = segments
    return found


def references(values: Values, keyword: str) -> list[dict[str, Any]]:
    """Return the references in the items of a sequence."""
    return [found for item in values.items(keyword) if (found := reference(item))]


def with_places(content: Any, places: Places) -> Any:
    """Return JSON content with `at` in each reference whose instance is on the disc."""
    if isinstance(content, list):
        return [with_places(part, places) for part in content]
    if not isinstance(content, dict):
        return content
    found = {name: with_places(part, places) for name, part in content.items()}
    place = places.get(found["uid"]) if isinstance(found.get("uid"), str) else None
    return {**found, "at": list(place)} if place else found

"""In which order the instances of a series are shown, and what of them is one stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mkiso.core import viewer_kinds as kinds

#: Sorts the instances of a series.
OrderKey: TypeAlias = "tuple[float, float, str, str]"

_LAST = 1e18


@dataclass(slots=True)
class Stack:
    """What a person scrolls through: positions in the series' index, in order."""

    kind: str
    members: list[int] = field(default_factory=list)
    frames: int = 0


def order_key(described: Mapping[str, Any], sop_instance_uid: str) -> OrderKey:
    """Return the key of an instance: its number, its place along the normal, its time, its UID."""
    time = f"{described.get('content_date', '')}{described.get('content_time', '')}"
    number = described.get("number", _LAST)
    return (number, along_normal(described), time, sop_instance_uid)


def along_normal(described: Mapping[str, Any]) -> float:
    """Return how far a plane lies along its own normal, in mm; 0 when it has no place."""
    position = described.get("image_position_patient")
    axes = described.get("image_orientation_patient")
    if not position or not axes:
        return 0.0
    (a, b, c), (d, e, f) = axes[:3], axes[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    return round(sum(n * p for n, p in zip(normal, position, strict=True)), 3)


def stacks_of(instances: Sequence[tuple[str, int]]) -> list[Stack]:
    """Return the stacks of a series; `instances` are (kind, number of frames) in display order.

    Images of one frame are one stack; everything else stands alone.
    """
    found: list[Stack] = []
    together: Stack | None = None
    for position, (kind, frames) in enumerate(instances):
        if kind == kinds.IMAGE and frames == 1:
            if together is None:
                together = Stack(kind)
                found.append(together)
            stack = together
        else:
            stack = Stack(kind)
            found.append(stack)
        stack.members.append(position)
        stack.frames += frames
    return found

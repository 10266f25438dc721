"""Paints soft-edged shapes into one axial slice; lengths in mm, values in Hounsfield units.

x runs to the patient's left, y to the back, as in the pixel matrix of a supine patient; `depth`
runs from the first slice towards the feet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Values of pixels: of a whole slice, or of a part of it.
Plane = NDArray[np.floating[Any]]
#: Rows of x, y, depth and radius: what tubes and vessels are made of.
Spheres = NDArray[np.float32]

MATRIX = 512
PIXEL_SPACING_MM = 0.74
#: Width of an edge: the blur of a real scanner across a boundary.
EDGE_MM = 1.1
_OUTSIDE_MM = 200.0

_axis = (np.arange(MATRIX, dtype=np.float32) - (MATRIX - 1) / 2) * PIXEL_SPACING_MM
X: Plane = np.broadcast_to(_axis[None, :], (MATRIX, MATRIX))
Y: Plane = np.broadcast_to(_axis[:, None], (MATRIX, MATRIX))


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the slice with the coordinates of its pixels, to paint small things fast."""

    rows: slice
    columns: slice
    x: Plane
    y: Plane


def window(x: float, y: float, half_width: float, half_height: float) -> Window | None:
    """Return the part of the slice around a point; None when it lies outside."""
    margin = 2 * EDGE_MM
    rows = _span(y, half_height + margin)
    columns = _span(x, half_width + margin)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    return Window(rows, columns, X[rows, columns], Y[rows, columns])


def _span(centre: float, half: float) -> slice:
    middle = (MATRIX - 1) / 2
    first = int((centre - half) / PIXEL_SPACING_MM + middle)
    last = int((centre + half) / PIXEL_SPACING_MM + middle) + 2
    return slice(max(0, min(MATRIX, first)), max(0, min(MATRIX, last)))


def coverage(distance: Plane, edge: float = EDGE_MM) -> Plane:
    """Return how much of each pixel is inside: 0 to 1 of a signed distance, negative inside."""
    inside: Plane = np.clip(0.5 - distance / edge, 0, 1)
    return inside


def blend(image: Plane, share: Plane, value: float | Plane) -> None:
    """Replace `share` (0 to 1) of the image by a value: partial volume."""
    image += share * (value - image)


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """A lumpy ellipsoid: centre and half axes in mm along x, y and depth."""

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    turn: float = 0.0  # of the slice's ellipse, radians
    lean: tuple[float, float] = (0.0, 0.0)  # shift of the centre in x and y a mm of depth
    lumps: float = 0.06  # how far the outline departs from an ellipse
    phase: float = 0.0

    def in_slice(self, depth: float) -> tuple[float, float, float, float] | None:
        """Return centre and half axes of the cut at this depth; None when it misses."""
        below = depth - self.centre[2]
        scale = 1 - (below / self.half[2]) ** 2
        if scale <= 0.002:
            return None
        root = scale**0.5
        x, y = self.centre[0] + self.lean[0] * below, self.centre[1] + self.lean[1] * below
        return x, y, self.half[0] * root, self.half[1] * root

    def distance(self, x: Plane, y: Plane, depth: float) -> Plane | None:
        """Return the signed distance in mm (near the outline) at this depth."""
        cut = self.in_slice(depth)
        if cut is None:
            return None
        dx, dy = x - cut[0], y - cut[1]
        if self.turn:
            cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
            dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
        rho = np.hypot(dx / cut[2], dy / cut[3])
        if self.lumps:
            angle = np.arctan2(dy / cut[3], dx / cut[2])
            slow = self.phase + depth / 45
            rho = rho / (
                1
                + self.lumps * np.sin(2 * angle + slow)
                + 0.6 * self.lumps * np.sin(3 * angle - 1.7 * slow)
            )
        distance: Plane = (rho - 1) * min(cut[2], cut[3])
        return distance

    def plane(self, depth: float) -> Plane | None:
        """Return the signed distance for the whole slice; far away it is only "outside"."""
        cut = self.in_slice(depth)
        if cut is None:
            return None
        whole = np.full((MATRIX, MATRIX), _OUTSIDE_MM, np.float32)
        reach = max(cut[2], cut[3]) * (1 + 2 * self.lumps) + 25
        part = window(cut[0], cut[1], reach, reach)
        if part is not None:
            distance = self.distance(part.x, part.y, depth)
            if distance is not None:
                whole[part.rows, part.columns] = distance
        return whole


def paint_ellipsoid(
    image: Plane,
    shape: Ellipsoid,
    depth: float,
    value: float,
    *,
    edge: float = EDGE_MM,
    within: Plane | None = None,
) -> None:
    """Fill an ellipsoid's cut; `within` (0 to 1 for each pixel) limits it."""
    cut = shape.in_slice(depth)
    if cut is None:
        return
    reach = max(cut[2], cut[3]) * (1 + 2 * shape.lumps)
    part = window(cut[0], cut[1], reach, reach)
    if part is None:
        return
    distance = shape.distance(part.x, part.y, depth)
    if distance is not None:
        share = coverage(distance, edge)
        if within is not None:
            share = share * within[part.rows, part.columns]
        blend(image[part.rows, part.columns], share, value)


def paint_spheres(
    image: Plane,
    spheres: Spheres,
    depth: float,
    value: float,
    *,
    shrink: float = 0.0,
    within: Plane | None = None,
) -> None:
    """Fill the cuts of spheres (rows of x, y, depth, radius), the stuff of tubes and vessels."""
    height = np.abs(spheres[:, 2] - depth)
    radius = spheres[:, 3] - shrink
    for x, y, below, r in np.column_stack([spheres[:, :2], height, radius])[
        (height < radius) & (radius > 0)
    ]:
        cut = float((r * r - below * below) ** 0.5)
        part = window(float(x), float(y), cut, cut)
        if part is None:
            continue
        share = coverage(np.hypot(part.x - x, part.y - y) - cut)
        if within is not None:
            share = share * within[part.rows, part.columns]
        blend(image[part.rows, part.columns], share, value)


def tube(points: Sequence[tuple[float, float, float, float]], step: float = 1.5) -> Spheres:
    """Return spheres along a smooth line through points of x, y, depth, radius (Catmull-Rom)."""
    given = np.array([points[0], *points, points[-1]], dtype=np.float32)
    parts = []
    for a, b, c, d in zip(given, given[1:], given[2:], given[3:]):  # noqa: B905 - neighbours, so of unequal length
        count = max(2, int(np.linalg.norm(c[:3] - b[:3]) / step))
        t = np.linspace(0, 1, count, endpoint=False, dtype=np.float32)[:, None]
        parts.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
        )
    spheres: Spheres = np.concatenate([*parts, given[-1:]]).astype(np.float32)
    return spheres

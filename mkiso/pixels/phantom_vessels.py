"""The vessels and small airways in the phantom's lungs: trees that fork from the hila outwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mkiso.pixels.phantom_painting import Spheres

_STEP_MM = 1.6
_THINNEST_MM = 0.42
#: Thinner ones would vanish between two slices.
_THINNEST_SHOWN_MM = 0.75
#: Each child of a fork keeps this part of the parent's radius (Murray's law gives 0.79).
_TAPER = 0.8


@dataclass(frozen=True, slots=True)
class _Stem:
    """Where a tree begins, where to, with which radius (mm)."""

    origin: tuple[float, float, float]
    direction: tuple[float, float, float]
    radius: float


# The lobes: to the apex, forwards, sideways, backwards and to the base, on both sides.
_STEMS: tuple[_Stem, ...] = tuple(
    _Stem((side * (46 + lift), y, depth), (side * dx, dy, dz), radius)
    for side, lift in ((-1, 0), (1, 6))
    for y, depth, dx, dy, dz, radius in (
        (10, 92, 0.35, -0.25, -1.0, 4.0),
        (12, 92, 0.5, 0.45, -0.9, 3.6),
        (4, 98, 0.5, -0.9, -0.2, 3.8),
        (12, 102, 1.0, -0.4, 0.1, 3.4),
        (16, 104, 1.0, 0.35, -0.1, 3.4),
        (22, 106, 0.5, 0.8, 0.1, 3.4),
        (20, 116, 0.5, 0.3, 1.0, 4.4),
        (22, 118, 0.25, 0.7, 0.9, 4.0),
        (12, 116, 0.6, -0.4, 0.9, 3.6),
        (8, 112, 0.5, -0.9, 0.5, 3.2),
    )
)


# From the root of the mesentery into its fat, like a fan.
_MESENTERY: tuple[_Stem, ...] = tuple(
    _Stem((3, y, depth), (dx, dy, dz), 2.1)
    for y, depth, dx, dy, dz in (
        (2, 296, 1.0, -0.5, 0.1),
        (0, 304, -0.9, -0.7, 0.2),
        (-4, 312, 0.6, -1.0, 0.3),
        (-6, 322, 1.0, -0.2, 0.4),
        (-8, 330, -1.0, -0.6, 0.3),
        (-10, 340, 0.8, -0.8, 0.5),
        (-12, 350, -0.4, -1.0, 0.5),
        (-14, 362, 1.0, -0.4, 0.2),
        (-60, 250, 0.8, -0.3, 0.4),
        (-62, 300, 1.0, -0.2, 0.5),
        (-64, 318, -1.0, 0.0, 0.6),
    )
)


def lung_vessels(seed: int) -> Spheres:
    """Return the spheres (rows of x, y, depth, radius in mm) of the vessels of both lungs."""
    return _grown(_STEMS, seed)


def mesenteric_vessels(seed: int) -> Spheres:
    """Return the spheres of the vessels in the fat between the bowels."""
    return _grown(_MESENTERY, seed)


def _grown(stems: tuple[_Stem, ...], seed: int) -> Spheres:
    random = np.random.default_rng(seed)
    spheres: list[NDArray[np.float64]] = []
    pending = [
        (np.array(stem.origin, float), _unit(np.array(stem.direction, float)), stem.radius)
        for stem in stems
    ]
    while pending:
        start, direction, radius = pending.pop()
        length = random.uniform(5.5, 9.0) * radius**0.55 + 2
        count = max(2, int(length / min(_STEP_MM, 1.2 * radius)))
        bend = random.normal(0, 0.22, 3)
        t = np.linspace(0, 1, count)[:, None]
        points = start + direction * length * t + bend * length * t**2 / 2
        spheres.append(
            np.column_stack(
                [points, np.maximum(np.linspace(radius, radius * 0.9, count), _THINNEST_SHOWN_MM)]
            )
        )
        if radius * _TAPER < _THINNEST_MM:
            continue
        onward = _unit(direction + bend)
        side = _unit(np.cross(onward, random.normal(0, 1, 3)))
        angle = random.uniform(0.35, 0.6)
        pending.append((points[-1], _unit(onward + side * angle), radius * _TAPER))
        pending.append(
            (
                points[-1],
                _unit(onward - side * angle * 1.1),
                radius * _TAPER * random.uniform(0.75, 1),
            )
        )
    found: Spheres = np.concatenate(spheres).astype(np.float32)
    return found


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vector / max(1e-9, float(np.linalg.norm(vector)))
    return unit

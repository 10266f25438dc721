"""The outlines of the phantom's trunk at one depth: skin, ribs, muscles, lungs, diaphragm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mkiso.pixels import phantom_anatomy as body
from mkiso.pixels.phantom_painting import Plane, X, Y, coverage

_BINS = 4096
_SKIN_POWER, _RIBS_POWER = 2.35, 2.15

# Outlines are radii by angle: looked up for each pixel, since powers of 262,144 numbers take long.
_TURN = np.linspace(-np.pi, np.pi, _BINS, endpoint=False, dtype=np.float32)
_COS, _SIN = np.cos(_TURN), np.sin(_TURN)


def _bins(x: Plane, y: Plane) -> NDArray[np.intp]:
    turn = (np.arctan2(y, x) + np.float32(np.pi)) * np.float32(_BINS / (2 * np.pi))
    bins: NDArray[np.intp] = np.minimum(turn, _BINS - 1).astype(np.intp)
    return bins


_SKIN_BINS, _SKIN_RADIUS = _bins(X, Y), np.hypot(X, Y)
_RIBS_BINS, _RIBS_RADIUS = _bins(X, Y - body.RIBS_Y), np.hypot(X, Y - body.RIBS_Y)

#: Angle from the spine (0) round to the sternum (pi), the same on both sides.
_FROM_SPINE = np.abs(np.arctan2(_COS, _SIN))
FROM_SPINE: Plane = _FROM_SPINE[_RIBS_BINS]


_COLUMN_Y: Plane = Y[:, :1]


@dataclass(frozen=True, slots=True)
class Shape:
    """Signed distances in mm (negative inside) for every pixel of a slice."""

    depth: float
    skin: Plane
    ribs: Plane  # from the middle line of the rib cage
    muscle: Plane  # thickness of the wall's muscles outside that line
    cavity_share: Plane  # 0 to 1: inside of the wall
    lungs: Plane
    lung_share: Plane
    below_diaphragm: Plane  # 0 to 1

    @classmethod
    def at(cls, depth: float) -> Shape:
        """Work out the outlines at a depth."""
        skin = _SKIN_RADIUS - _skin_radius(depth)[_SKIN_BINS]
        # the furrow above the spinous processes
        skin = skin + np.where(Y > 0, 5 * np.exp(-((X / 12) ** 2)), 0).astype(np.float32)
        ribs = (
            _RIBS_RADIUS
            - _outline(
                body.at(depth, body.RIBS_WIDTH), body.at(depth, body.RIBS_HEIGHT), _RIBS_POWER
            )[_RIBS_BINS]
        )
        cavity = ribs + 6.5
        diaphragm = _diaphragm(depth)
        lungs = _lungs(depth, cavity, diaphragm)
        return cls(
            depth,
            skin,
            ribs,
            _muscle(depth)[_RIBS_BINS],
            coverage(cavity),
            lungs,
            coverage(lungs),
            coverage(-diaphragm + 1.5, 3),
        )


def _outline(width: float, height: float, power: float) -> Plane:
    radius: Plane = (np.abs(_COS / width) ** power + np.abs(_SIN / height) ** power) ** np.float32(
        -1 / power
    )
    return radius


def _skin_radius(depth: float) -> Plane:
    slow = depth / 70
    radius: Plane = _outline(
        body.at(depth, body.SKIN_WIDTH), body.at(depth, body.SKIN_HEIGHT), _SKIN_POWER
    ) * (
        1
        + 0.010 * np.sin(3 * _TURN + slow)
        + 0.008 * np.sin(5 * _TURN - slow)
        + 0.004 * np.sin(9 * _TURN + 2 * slow)
    )
    return radius


def _muscle(depth: float) -> Plane:
    """Return the thickness of the muscles outside the ribs' middle line, by angle."""

    def around(angle: float, width: float) -> Plane:
        bump: Plane = np.exp(-(((_FROM_SPINE - angle) / width) ** 2))
        return bump

    shoulder = float(np.exp(-((depth / 75) ** 2)))
    thickness: Plane = (
        9
        + 17 * around(0.0, 0.5)  # beside the spine
        + (8 + 30 * shoulder) * around(1.15, 0.55)  # broad back muscle, shoulder blade
        + 20 * float(np.exp(-(((depth - 25) / 60) ** 2))) * around(2.25, 0.45)  # pectoral
        + 6 * float(np.clip((depth - 200) / 80, 0, 1)) * around(1.7, 0.6)  # oblique muscles
        + 1.2 * np.sin(11 * _FROM_SPINE + depth / 30)
    )
    if depth > 170:  # the straight muscles in front, parted by the white line
        front = float(np.clip((depth - 170) / 30, 0, 1))
        thickness = thickness + front * (4 * around(2.8, 0.22) - 6 * around(np.pi, 0.06))
    return thickness.astype(np.float32)


def _diaphragm(depth: float) -> Plane:
    """Return about the distance below the diaphragm: positive below it."""
    surface = np.full_like(X, np.inf)
    for x, y, top, width, height in body.DOMES:
        rho = np.minimum(1, ((X - x) / width) ** 2 + ((Y - y) / height) ** 2)
        drop = body.DOME_DROP_MM * (0.78 + 0.0042 * Y)  # deeper behind than in front
        surface = np.minimum(surface, top + drop * (1 - np.sqrt(1 - rho)))
    distance: Plane = ((depth - surface) * np.float32(0.7)).astype(np.float32)
    return distance


def _lungs(depth: float, cavity: Plane, diaphragm: Plane) -> Plane:
    """Return the distance from the lungs: the cavity without diaphragm and mediastinum."""
    width = body.at(depth, body.MEDIASTINUM_WIDTH)
    # wide behind, where the great vessels run, and narrow behind the breastbone
    belly = np.exp(-(((_COLUMN_Y - 2) / 46) ** 2))
    wave = 1 + 0.10 * np.sin(_COLUMN_Y / 11 + depth / 17) + 0.06 * np.sin(_COLUMN_Y / 6 - depth / 9)
    centre = 3 + 4 * np.sin(_COLUMN_Y / 23 + depth / 40)
    between = np.abs(X - centre) - width * (0.3 + 0.82 * belly) * wave
    spine = np.hypot(X / 1.15, Y - body.VERTEBRA_Y - 6) - 26
    aorta = np.hypot(X - 27, Y - 41) - (15 if depth > 40 else 0)
    kept = np.minimum(np.minimum(between, spine), aorta)
    heart = body.HEART.plane(depth)
    if heart is not None:
        kept = np.minimum(kept, heart - 5)
    outside: Plane = np.maximum(np.maximum(cavity + 1.5, diaphragm + 2), 2 - kept)
    return outside

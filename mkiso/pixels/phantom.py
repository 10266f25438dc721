"""A made-up CT of chest and abdomen, for the demonstration: looks like a patient and is none.

Soft-edged shapes are painted slice by slice, from the skin inwards; a seed makes it repeatable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mkiso.pixels import phantom_anatomy as body
from mkiso.pixels.phantom_bones import paint_bones
from mkiso.pixels.phantom_organs import paint_abdomen, paint_bowel, paint_chest
from mkiso.pixels.phantom_painting import (
    MATRIX,
    PIXEL_SPACING_MM,
    Plane,
    Spheres,
    X,
    Y,
    blend,
    coverage,
)
from mkiso.pixels.phantom_shape import Shape
from mkiso.pixels.phantom_vessels import lung_vessels, mesenteric_vessels

SLICE_SPACING_MM = 5.0
SLICE_COUNT = 72
#: Noise of a standard abdominal protocol, in HU.
NOISE_HU = 10.0
_SEED = 20260101
_NOISE_PLANES = 5


@dataclass(frozen=True, slots=True)
class PhantomSlice:
    """One axial slice: 512 x 512 signed 16 bit little endian values in HU, first row first.

    `position_mm` is the centre of the first pixel in the patient's coordinates (PS3.3 C.7.6.2.1.1:
    x to the left, y to the back, z to the head).
    """

    pixels: bytes
    position_mm: tuple[float, float, float]


def phantom_slices(count: int = SLICE_COUNT, seed: int = _SEED) -> Iterator[PhantomSlice]:
    """Give `count` axial slices from the chest downwards, SLICE_SPACING_MM apart.

    The same seed gives the same bytes with one version of numpy.
    """
    random = np.random.default_rng(seed)
    grain = _grain(random)
    lungs, bowels = lung_vessels(seed), mesenteric_vessels(seed)
    corner = -(MATRIX - 1) / 2 * PIXEL_SPACING_MM
    for number in range(count):
        depth = number * SLICE_SPACING_MM
        image = _slice(depth, lungs, bowels, _texture(grain, random))
        image += _texture(grain, random) * NOISE_HU
        pixels = np.clip(np.rint(image), -1024, 3071).astype("<i2").tobytes()
        yield PhantomSlice(pixels, (round(corner, 4), round(corner, 4), -depth))


def _slice(depth: float, lungs: Spheres, bowels: Spheres, texture: Plane) -> Plane:
    shape = Shape.at(depth)
    image = np.full((MATRIX, MATRIX), body.AIR, np.float32)
    _paint_couch(image)
    _paint_wall(image, shape, texture)
    paint_abdomen(image, shape, texture)
    paint_chest(image, shape, lungs, texture)
    paint_bowel(image, shape, bowels, texture)
    paint_bones(image, shape, texture)
    return _blurred(image)


def _paint_wall(image: Plane, shape: Shape, texture: Plane) -> None:
    """Paint skin, the fat below it, the muscles of the wall, and the fat inside."""
    inside = coverage(shape.skin)
    blend(image, inside, body.SKIN)
    blend(image, coverage(shape.skin + 2.2), body.FAT + 5 * texture)
    marbling = np.clip(np.roll(texture, 3, 1) + np.sin(X / 5) * np.sin(Y / 6) - 1.1, 0, 1)
    muscle = body.MUSCLE + 5 * texture - 70 * marbling
    blend(image, coverage(shape.ribs - shape.muscle) * inside, muscle)
    # the planes of fat between the layers of muscle
    for layer, strength in ((0.42, 0.75), (0.75, 0.6)):
        plane = np.abs(shape.ribs - shape.muscle * layer - 2) - 0.5
        blend(image, coverage(plane) * strength * inside, body.FAT)
    blend(image, shape.cavity_share, body.FAT + 7 * texture)


def _paint_couch(image: Plane) -> None:
    """Paint the table below the patient: two thin shells with foam between."""
    y = Y - (119 - X * X / 1150)
    share = coverage(np.abs(y - 9) - 9) * coverage(np.abs(X) - 178)
    blend(image, share, -945)
    shell = np.minimum(np.abs(y), np.abs(y - 18)) - 0.8
    blend(image, coverage(shell) * share, -420)


def _grain(random: np.random.Generator) -> list[Plane]:
    """Return planes of correlated noise with a standard deviation of one."""
    planes = []
    for _ in range(_NOISE_PLANES):
        noise = _blurred(_blurred(random.standard_normal((MATRIX, MATRIX), np.float32)))
        planes.append(noise / noise.std())
    return planes


def _texture(grain: list[Plane], random: np.random.Generator) -> Plane:
    """Return one of the noise planes, rolled: new noise at the price of a copy."""
    plane = grain[int(random.integers(len(grain)))]
    shift = (int(random.integers(MATRIX)), int(random.integers(MATRIX)))
    rolled: Plane = np.roll(plane, shift, (0, 1))
    return rolled


def _blurred(image: Plane) -> Plane:
    """Return the image through a small kernel (1 2 1 in both directions): the scanner's blur."""
    across = image.copy()
    across[:, 1:-1] = 0.5 * image[:, 1:-1] + 0.25 * (image[:, :-2] + image[:, 2:])
    down = across.copy()
    down[1:-1] = 0.5 * across[1:-1] + 0.25 * (across[:-2] + across[2:])
    return down

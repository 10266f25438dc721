"""The phantom's bones: ribs, spine, breastbone and shoulder blades."""

from __future__ import annotations

import numpy as np

from mkiso.pixels import phantom_anatomy as body
from mkiso.pixels.phantom_painting import Plane, Window, blend, coverage, window
from mkiso.pixels.phantom_shape import FROM_SPINE, Shape

_RIB_HALF_MM, _RIB_HEIGHT_MM = 4.4, 7.2
#: Where ribs begin beside the spine, in radians, and what turns such an angle into a length.
_RIB_BEGIN, _RIB_RADIUS_MM = 0.24, 110.0
#: Where the bony part of the ribs ends (radians from the spine), from the fourth rib on.
_RIB_ENDS = (2.3, 2.3, 2.28, 2.25, 2.2, 2.1, 2.0, 1.5, 0.95)
#: Where the cartilage of the ribs ends.
_CARTILAGE_ENDS = (2.88, 2.88, 2.88, 2.86, 2.72, 2.6, 2.45, 1.6, 1.0)


def paint_bones(image: Plane, shape: Shape, texture: Plane) -> None:
    """Paint all bones that the slice meets."""
    _paint_ribs(image, shape)
    _paint_sternum(image, shape)
    _paint_scapulae(image, shape)
    _paint_spine(image, shape.depth, texture)


def _paint_ribs(image: Plane, shape: Shape) -> None:
    """Ribs run down from the spine to the front, so that a slice cuts several of them obliquely."""
    near = np.abs(shape.ribs) < _RIB_HALF_MM + 2
    from_spine, off = FROM_SPINE[near], shape.ribs[near]
    down = 66 * (1 - np.cos(np.minimum(from_spine, 2.25) / 2.25 * np.pi)) / 2
    down -= 34 * np.clip(from_spine - 2.25, 0, 0.65) / 0.65  # cartilage rises to the breastbone
    along = shape.depth - down + body.RIB_PITCH_MM * 0.35
    number = np.clip(along / body.RIB_PITCH_MM, 0, len(_RIB_ENDS)).astype(np.intp)
    across = np.mod(along, body.RIB_PITCH_MM) - body.RIB_PITCH_MM / 2
    distance = (np.hypot(off / _RIB_HALF_MM, across / _RIB_HEIGHT_MM) - 1) * _RIB_HALF_MM
    behind = (_RIB_BEGIN - from_spine) * _RIB_RADIUS_MM

    def until(ends: tuple[float, ...]) -> Plane:
        end = np.array((*ends, 0.0), np.float32)[number]
        limited: Plane = np.maximum(distance, (from_spine - end) * _RIB_RADIUS_MM)
        return np.maximum(limited, behind)

    ring = image[near]
    blend(ring, coverage(until(_CARTILAGE_ENDS) + 0.4), body.CARTILAGE)
    bone = until(_RIB_ENDS)
    blend(ring, coverage(bone), body.CORTEX + 60)
    blend(ring, coverage(bone + 1.9), body.MARROW + 60)
    image[near] = ring


def _paint_sternum(image: Plane, shape: Shape) -> None:
    depth = shape.depth
    if depth > 178:
        return
    front = body.RIBS_Y - body.at(depth, body.RIBS_HEIGHT) + 1
    half = 25 - 0.45 * depth if depth < 30 else 14 + 3 * np.sin(depth / 9)
    half *= float(np.clip((182 - depth) / 25, 0.3, 1))
    part = window(0, front, half, 9)
    if part is None:
        return
    _paint_bone(image, part, (np.hypot((part.x) / half, (part.y - front) / 6.2) - 1) * 6.2, 1.3)


def _paint_scapulae(image: Plane, shape: Shape) -> None:
    depth = shape.depth
    fade = 1 - depth / 112
    if fade <= 0.02:
        return
    tip = np.array((96.0, 76.0))
    medial = tip + (np.array((66.0, 86.0)) - tip) * fade
    lateral = tip + (np.array((140.0, 24.0)) - tip) * fade
    for side in (-1, 1):
        part = window(side * 104, 55, 50, 45)
        if part is None:
            continue
        x = part.x * side
        direction = lateral - medial
        length = float(np.hypot(*direction)) + 1e-6
        unit = direction / length
        along = np.clip((x - medial[0]) * unit[0] + (part.y - medial[1]) * unit[1], 0, length)
        bow = 9 * np.sin(along / length * np.pi) * fade
        off = np.hypot(
            x - medial[0] - along * unit[0] - bow * unit[1],
            part.y - medial[1] - along * unit[1] + bow * unit[0],
        )
        _paint_around_scapula(image, part, off, fade)
        thick = 1.9 + 3.6 * (along / length) ** 4 + 1.6 * (1 - along / length) ** 6
        _paint_bone(image, part, off - thick, 1.5)


def _paint_around_scapula(image: Plane, part: Window, off: Plane, fade: float) -> None:
    """Paint the muscles on both faces of a shoulder blade."""
    view = image[part.rows, part.columns]
    muscle = coverage(off - 15 * fade**0.5) * (view > -300)
    blend(view, muscle * (view < body.MUSCLE), body.MUSCLE)


def _paint_spine(image: Plane, depth: float, texture: Plane) -> None:
    growth = depth / 380
    half_x, half_y = 15.5 + 6 * growth, 13.5 + 3.5 * growth
    phase = depth % body.SEGMENT_MM
    part = window(0, 78, 46, 44)
    if part is None:
        return
    view, grain = image[part.rows, part.columns], texture[part.rows, part.columns]
    x, y = part.x, part.y
    _paint_arch(image, part, phase, half_x)
    # the vertebral body: a kidney shape, hollow towards the canal
    outline = (np.hypot(x / half_x, (y - body.VERTEBRA_Y) / half_y) - 1) * half_y
    outline = np.maximum(outline, 15.5 - np.hypot(x, y - body.CANAL_Y - 4.5))
    in_disc = float(np.clip((phase - (body.SEGMENT_MM - body.DISC_MM - 2.5)) / 5, 0, 1))
    end_plate = float(np.exp(-(((phase - 1.5) / 3) ** 2) if phase < 12 else 0.0))
    cortex = body.CORTEX * (1 - in_disc) + body.DISC * in_disc
    marrow = (body.MARROW + 170 * end_plate) * (1 - in_disc) + body.DISC * in_disc
    blend(view, coverage(outline), cortex)
    blend(view, coverage(outline + 1.5), marrow + grain * 22 * (1 - in_disc))
    canal = np.hypot(x / 1.15, y - body.CANAL_Y) - 8.2
    blend(view, coverage(canal), -40)
    blend(view, coverage(canal + 1.6), body.CORD - 14)
    blend(view, coverage(np.hypot(x / 1.2, y - body.CANAL_Y) - 4.2), body.CORD + 8)


def _paint_arch(image: Plane, part: Window, phase: float, half_x: float) -> None:
    """Paint pedicles, laminae, joints, transverse and spinous process, each in its part."""
    x, y = np.abs(part.x), part.y
    ring = np.abs(np.hypot(x / 1.15, y - body.CANAL_Y) - 11.2) - 2.4
    joints = np.hypot(x - 15.5, (y - body.CANAL_Y - 4) * 0.8) - 4.6
    arch = np.maximum(joints, -20.0)
    if 2 < phase < 15:  # pedicles
        arch = np.minimum(arch, np.maximum(np.abs(x - half_x * 0.72) - 3.4, np.abs(y - 73) - 9))
    if phase > 6:
        arch = np.minimum(arch, np.maximum(ring, body.CANAL_Y - 2 - y))
    if 3 < phase < 14:  # transverse processes, backwards and outwards
        along = np.clip((x - 14) * 0.88 + (y - 78) * 0.47, 0, 23)
        rod = np.hypot(x - 14 - along * 0.88, y - 78 - along * 0.47) - 3.8 - along * 0.05
        arch = np.minimum(arch, rod)
    if phase > 8:
        spinous = np.maximum(x - 2.4 - 0.04 * (y - 90), np.abs(y - 96) - (9 if phase > 14 else 6))
        arch = np.minimum(arch, spinous)
    _paint_bone(image, part, arch, 1.4)


def _paint_bone(image: Plane, part: Window, distance: Plane, shell: float) -> None:
    view = image[part.rows, part.columns]
    blend(view, coverage(distance), body.CORTEX)
    blend(view, coverage(distance + shell), body.MARROW + 40)

"""The phantom's organs: heart, vessels, lungs and airways; liver, spleen, kidneys and the rest."""

from __future__ import annotations

import numpy as np

from mkiso.pixels import phantom_anatomy as body
from mkiso.pixels.phantom_painting import (
    Ellipsoid,
    Plane,
    Spheres,
    X,
    Y,
    blend,
    coverage,
    paint_ellipsoid,
    paint_spheres,
    window,
)
from mkiso.pixels.phantom_shape import Shape


def paint_chest(image: Plane, shape: Shape, vessels: Spheres, texture: Plane) -> None:
    """Paint the lungs with their vessels, the heart, the great vessels and the airways."""
    depth = shape.depth
    if depth < 310:
        # denser towards the back, where the blood pools
        blend(image, shape.lung_share, body.LUNG + 0.35 * Y + 16 * texture)
        near = vessels[np.abs(vessels[:, 2] - depth) < 6]
        paint_spheres(image, near, depth, body.BLOOD - 60, within=shape.lung_share)
    paint_spheres(image, body.OESOPHAGUS, depth, 48)
    paint_spheres(image, body.OESOPHAGUS, depth, -60, shrink=6)
    _paint_heart(image, depth, texture)
    for vessel in body.VESSELS:
        paint_spheres(image, vessel, depth, body.BLOOD + 12)
    for bronchus in body.BRONCHI:
        paint_spheres(image, bronchus, depth, 20)
    for bronchus in body.BRONCHI:
        paint_spheres(image, bronchus, depth, body.AIR + 8, shrink=1.5)


def _paint_heart(image: Plane, depth: float, texture: Plane) -> None:
    outer = body.HEART.plane(depth)
    if outer is None:
        return
    blend(image, coverage(np.abs(outer - 3) - 0.8) * 0.7, 25)  # the pericardium
    blend(image, coverage(outer), body.FAT + 15)
    paint_ellipsoid(image, body.LEFT_VENTRICLE_WALL, depth, body.MYOCARDIUM)
    for chamber in (body.RIGHT_ATRIUM, body.RIGHT_VENTRICLE, body.LEFT_ATRIUM):
        paint_ellipsoid(image, chamber, depth, body.BLOOD, edge=4)
    paint_ellipsoid(image, body.LEFT_VENTRICLE, depth, body.BLOOD + 6, edge=3)
    blend(image, coverage(outer + 4) * 0.05, body.BLOOD + 8 * texture)


def paint_abdomen(image: Plane, shape: Shape, texture: Plane) -> None:
    """Paint liver, spleen, stomach, kidneys, pancreas and adrenals below the diaphragm."""
    if shape.depth < 150:
        return
    # a film of fat remains between the organs and the wall
    within = coverage(shape.ribs + 8.6) * shape.below_diaphragm * (1 - shape.lung_share)
    _paint_loins(image, shape)
    _paint_spleen(image, shape.depth, within, texture)
    _paint_liver(image, shape.depth, within, texture)
    _paint_stomach(image, shape.depth, within, texture)
    for kidney, sinus in body.SINUS.items():
        paint_ellipsoid(image, kidney, shape.depth, body.KIDNEY, within=within)
        paint_ellipsoid(image, sinus, shape.depth, body.MEDULLA, edge=14, within=within)
        paint_ellipsoid(image, sinus, shape.depth, -55, edge=3, within=within)
    for gland in body.PANCREAS_PARTS:
        paint_spheres(image, gland[::3], shape.depth, body.PANCREAS, within=within)
    for gland in body.ADRENALS:
        paint_spheres(image, gland, shape.depth, 72)


def _paint_loins(image: Plane, shape: Shape) -> None:
    """Paint the muscles beside the spine: psoas, quadratus, and the crura of the diaphragm."""
    depth = shape.depth
    grown = float(np.clip((depth - 270) / 90, 0, 1))
    for side in (-1, 1):
        if grown > 0:
            part = window(side * 31, 60, 22, 22)
            if part is not None:
                size = 6 + 9 * grown
                distance = np.hypot(part.x - side * (22 + size * 0.7), part.y - 58) - size
                blend(image[part.rows, part.columns], coverage(distance), body.MUSCLE + 6)
        part = window(side * 62, 82, 26, 14)
        if part is not None and depth > 260:
            distance = (np.hypot((part.x - side * 60) / 18, (part.y - 78) / 7) - 1) * 7
            blend(image[part.rows, part.columns], coverage(distance), body.MUSCLE)
        part = window(side * 12, 34, 14, 22)
        if part is not None and 200 < depth < 330:
            distance = (
                np.hypot((part.x - side * 15) / 3.2, (part.y - 34 - 0.4 * (part.x * side)) / 17) - 1
            ) * 3.2
            blend(image[part.rows, part.columns], coverage(distance), body.MUSCLE)


def _paint_liver(image: Plane, depth: float, within: Plane, texture: Plane) -> None:
    parts = [part.plane(depth) for part in body.LIVER_PARTS]
    found = [distance for distance in parts if distance is not None]
    if not found:
        return
    liver = found[0]
    for other in found[1:]:
        liver = _smooth_union(liver, other, 10)
    # the hollow for the kidney, and the cleft of the round ligament
    hollow = body.RIGHT_KIDNEY.plane(depth)
    if hollow is not None:
        liver = np.maximum(liver, 7 - hollow)
    share = coverage(liver) * within
    blend(image, share, body.LIVER + 4 * texture)
    cleft = np.maximum(np.abs(X + 6 + 0.12 * (Y + 40)) - 1.8, Y + 34)
    if depth > 215:
        blend(image, coverage(cleft) * share, body.FAT + 40)
    for vein in body.PORTAL_VEINS:
        paint_spheres(image, vein, depth, body.PORTAL)
    paint_ellipsoid(image, body.GALLBLADDER, depth, 46)
    paint_ellipsoid(image, _shrunk(body.GALLBLADDER, 1.8), depth, body.WATER)


def _paint_spleen(image: Plane, depth: float, within: Plane, texture: Plane) -> None:
    spleen = body.SPLEEN_BODY.plane(depth)
    hollow = body.SPLEEN_HOLLOW.plane(depth)
    if spleen is None:
        return
    if hollow is not None:
        spleen = np.maximum(spleen, -hollow)
    blend(image, coverage(spleen) * within, body.SPLEEN + 4 * texture)


def _paint_stomach(image: Plane, depth: float, within: Plane, texture: Plane) -> None:
    wall = body.STOMACH_OUTER.plane(depth)
    inner = body.STOMACH_INNER.plane(depth)
    if wall is None:
        return
    blend(image, coverage(wall) * within, body.STOMACH_WALL)
    if inner is None:
        return
    content = coverage(inner) * within
    blend(image, content, 22 + 12 * texture)
    blend(image, content * coverage(Y - body.STOMACH_LEVEL_Y), body.AIR + 15)


def paint_bowel(image: Plane, shape: Shape, vessels: Spheres, texture: Plane) -> None:
    """Paint colon with gas and stool, loops of small bowel, and the vessels that feed them."""
    depth = shape.depth
    if depth < 240:
        return
    within = shape.cavity_share * (1 - shape.lung_share)
    near = vessels[np.abs(vessels[:, 2] - depth) < 3]
    paint_spheres(image, near, depth, body.BLOOD - 30, within=within * (image > -200))
    for loop in body.SMALL_BOWEL:
        paint_spheres(image, loop, depth, body.BOWEL_WALL, within=within)
        paint_spheres(image, loop, depth, body.BOWEL, shrink=2.2, within=within)
    paint_spheres(image, body.COLON, depth, body.BOWEL_WALL - 20, within=within)
    inside = np.zeros_like(image)
    paint_spheres(inside, body.COLON, depth, 1.0, shrink=2.4, within=within)
    lumps = np.roll(texture, 7, 0) + np.sin(X / 4.1) * np.sin(Y / 3.7 + depth / 6)
    stool = 35 + 25 * texture - 330 * np.clip(lumps - 0.6, 0, 1)
    blend(image, inside, stool)
    gas = coverage(Y + 30 - 20 * np.sin(X / 30 + depth / 40), 2)
    blend(image, inside * gas, body.AIR + 12)


def _smooth_union(one: Plane, other: Plane, width: float) -> Plane:
    """Return the distance from two shapes that flow into each other over `width` mm."""
    mix = np.clip(0.5 + 0.5 * (other - one) / width, 0, 1)
    joined: Plane = other + (one - other) * mix - width * mix * (1 - mix)
    return joined


def _shrunk(shape: Ellipsoid, by: float) -> Ellipsoid:
    a, b, c = shape.half
    return Ellipsoid(
        shape.centre, (a - by, b - by, c - by), shape.turn, shape.lean, shape.lumps, shape.phase
    )

"""A frame as a person sees it, in 8 bits: for thumbnails, previews and icons.

The same steps as in the page (PS3.3 C.11.1, C.11.2, C.11.6; docs/viewer-format.md 5.1).
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mkiso.pixels.payload import Samples
from mkiso.pixels.statistics import stored_statistics

#: (rows, columns) for grey, (rows, columns, 3) for RGB.
Picture: TypeAlias = "NDArray[np.uint8]"


def render(samples: Samples, attributes: Mapping[str, Any]) -> Picture:
    """Return stored values with the attributes' modality, VOI and presentation applied."""
    if samples.ndim == 3:
        return _eight_bits(samples, int(attributes.get("bits_stored", 8 * samples.itemsize)))
    if attributes.get("photometric_interpretation") == "PALETTE COLOR" and "palette" in attributes:
        return _painted(samples, attributes["palette"])
    shown = _windowed(samples, attributes)
    inverted = (
        attributes.get("photometric_interpretation") == "MONOCHROME1"
        or attributes.get("presentation_lut_shape") == "INVERSE"
    )
    grey: Picture = np.rint((1 - shown if inverted else shown) * 255).astype(np.uint8)
    return grey


def _eight_bits(samples: Samples, bits_stored: int) -> Picture:
    """Return colours of any depth as 8 bits."""
    if samples.itemsize == 1:
        return samples.view(np.uint8)
    unsigned = samples.view(np.dtype(f"u{samples.itemsize}"))
    return (unsigned >> max(0, bits_stored - 8)).astype(np.uint8)


def _painted(samples: Samples, palette: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Return palette colours (PS3.3 C.7.6.3.1.5)."""
    out = np.empty((*samples.shape, 3), np.uint8)
    for number, colour in enumerate(("red", "green", "blue")):
        values = _looked_up(samples.astype(np.int64), palette[colour])
        out[..., number] = values >> 8 if palette[colour]["bits"] == 16 else values
    return out


def _entries(table: Mapping[str, Any]) -> NDArray[np.uint16]:
    return np.frombuffer(zlib.decompress(binascii.a2b_base64(table["data"])), "<u2")


def _looked_up(values: NDArray[Any], table: Mapping[str, Any]) -> NDArray[np.uint16]:
    """Return the entries for values; what is below or above gets the first or last one."""
    entries = _entries(table)
    positions = np.clip(values - table["first"], 0, entries.size - 1)
    return entries[positions.astype(np.int64)]


def _modality(samples: Samples, attributes: Mapping[str, Any]) -> NDArray[Any]:
    """Return modality values (PS3.3 C.11.1)."""
    if "modality_lut" in attributes:
        return _looked_up(samples.astype(np.int64), attributes["modality_lut"]).astype(np.float32)
    slope = attributes.get("rescale_slope", 1)
    intercept = attributes.get("rescale_intercept", 0)
    return samples.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _windowed(samples: Samples, attributes: Mapping[str, Any]) -> NDArray[Any]:
    """Return what is shown, 0 to 1 (PS3.3 C.11.2)."""
    values = _modality(samples, attributes)
    windows, tables = attributes.get("windows"), attributes.get("voi_luts")
    if windows:
        function = attributes.get("voi_lut_function", "LINEAR")
        return apply_window(values, windows[0]["center"], windows[0]["width"], function)
    if tables:
        top = float((1 << tables[0]["bits"]) - 1)
        return np.clip(_looked_up(values, tables[0]) / top, 0, 1)
    found = attributes.get("statistics") or stored_statistics(samples, attributes)
    low, high = found[2:] if found[2] < found[3] else found[:2]
    ends = _modality(np.array([low, high]), attributes)
    width = float(abs(ends[1] - ends[0])) or 1.0
    return apply_window(values, float(ends.min()) + width / 2, width, "LINEAR_EXACT")


def apply_window(
    values: NDArray[Any], center: float, width: float, function: str = "LINEAR"
) -> NDArray[Any]:
    """Return values in a window, 0 to 1 (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values - center) / width, -80, 80)
        sigmoid: NDArray[Any] = 1 / (1 + np.exp(exponent))
        return sigmoid
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width <= 1:
        step: NDArray[Any] = (values > center - 0.5).astype(np.float32)
        return step
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def scaled(picture: Picture, rows: int, columns: int) -> Picture:
    """Return a picture in another size: means when it shrinks, nearest values when it grows."""
    for axis, size in ((0, rows), (1, columns)):
        picture = _scaled_axis(picture, axis, size)
    return picture


def _scaled_axis(picture: Picture, axis: int, size: int) -> Picture:
    length = picture.shape[axis]
    if size == length:
        return picture
    if size > length:
        return np.take(picture, np.arange(size) * length // size, axis=axis)
    starts = np.arange(size) * length // size
    sums = np.add.reduceat(picture.astype(np.uint32), starts, axis=axis)
    counts = np.diff(np.append(starts, length)).reshape(
        [-1 if n == axis else 1 for n in range(picture.ndim)]
    )
    return (sums // counts).astype(np.uint8)


def fitted(attributes: Mapping[str, Any], rows: int, columns: int, most: int) -> tuple[int, int]:
    """Return rows and columns of a picture that fits `most` pixels, with the right aspect."""
    down, across = _aspect(attributes)
    height, width = rows * down, columns * across
    scale = most / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _aspect(attributes: Mapping[str, Any]) -> tuple[float, float]:
    """Return height and width of a pixel, in any unit (PS3.3 C.7.6.3.1.7, C.10.7)."""
    for name in ("pixel_spacing", "imager_pixel_spacing", "pixel_aspect_ratio"):
        pair = attributes.get(name)
        if pair and len(pair) == 2 and 0.1 < pair[0] / (pair[1] or 1) < 10:
            return float(pair[0]), float(pair[1])
    return 1.0, 1.0

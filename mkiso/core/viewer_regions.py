"""Calibrated regions, shutters, segments, and the colours that DICOM writes as CIELab values."""

from __future__ import annotations

from typing import Any, Final

from mkiso.core.viewer_values import Values

# PS3.3 C.8.5.5: numbers of a calibrated region.
_REGION: Final = (
    ("spatial_format", "RegionSpatialFormat"),
    ("data_type", "RegionDataType"),
    ("flags", "RegionFlags"),
    ("units_x", "PhysicalUnitsXDirection"),
    ("units_y", "PhysicalUnitsYDirection"),
    ("delta_x", "PhysicalDeltaX"),
    ("delta_y", "PhysicalDeltaY"),
    ("reference_x", "ReferencePixelX0"),
    ("reference_y", "ReferencePixelY0"),
    ("reference_value_x", "ReferencePixelPhysicalValueX"),
    ("reference_value_y", "ReferencePixelPhysicalValueY"),
)
_BOUNDS: Final = (
    "RegionLocationMinX0",
    "RegionLocationMinY0",
    "RegionLocationMaxX1",
    "RegionLocationMaxY1",
)


def region(item: Values) -> dict[str, Any]:
    """Return a calibrated region; empty when it has no bounds."""
    bounds = [item.number(keyword) for keyword in _BOUNDS]
    if None in bounds:
        return {}
    numbers = {name: item.number(keyword) for name, keyword in _REGION}
    return {"bounds": bounds, **{n: value for n, value in numbers.items() if value is not None}}


# PS3.3 C.7.6.11, C.7.6.15: where an image or a presentation state covers what is outside.
_SHUTTER_NUMBERS: Final = (
    ("left", "ShutterLeftVerticalEdge"),
    ("right", "ShutterRightVerticalEdge"),
    ("upper", "ShutterUpperHorizontalEdge"),
    ("lower", "ShutterLowerHorizontalEdge"),
    ("radius", "RadiusOfCircularShutter"),
    ("overlay_group", "ShutterOverlayGroup"),
    ("value", "ShutterPresentationValue"),
)
_SHUTTER_LISTS: Final = (
    ("center", "CenterOfCircularShutter"),
    ("vertices", "VerticesOfThePolygonalShutter"),
    ("lab", "ShutterPresentationColorCIELabValue"),
)


def shutters_of(values: Values) -> dict[str, Any]:
    """Return the display shutters of an image or a presentation state, empty without any."""
    shapes = values.texts("ShutterShape")
    if not shapes:
        return {}
    numbers = {name: values.number(keyword) for name, keyword in _SHUTTER_NUMBERS}
    lists = {name: values.numbers(keyword) for name, keyword in _SHUTTER_LISTS}
    return {
        "shapes": shapes,
        **{name: value for name, value in numbers.items() if value is not None},
        **{name: value for name, value in lists.items() if value},
    }


def segment(item: Values) -> dict[str, Any]:
    """Return one segment of a segmentation (PS3.3 C.8.20.4)."""
    texts = {
        "label": item.text("SegmentLabel"),
        "description": item.text("SegmentDescription"),
        "algorithm": item.text("SegmentAlgorithmType"),
    }
    found: dict[str, Any] = {"number": item.integer("SegmentNumber")}
    found.update({name: text for name, text in texts.items() if text})
    lab = item.numbers("RecommendedDisplayCIELabValue")
    if len(lab) == 3:
        found["rgb"] = rgb_of_lab(lab)
    return found


def rgb_of_lab(lab: list[float]) -> list[int]:
    """Return the sRGB colour of a CIELab value as DICOM writes it (PS3.3 C.10.7.1.1)."""
    lightness = lab[0] * 100 / 65535
    a, b = (value * 255 / 65535 - 128 for value in lab[1:])
    y = (lightness + 16) / 116
    xyz = [_linear(y + a / 500) * 0.9642, _linear(y), _linear(y - b / 200) * 0.8249]  # D50
    # Bradford-adapted sRGB from D50, IEC 61966-2-1
    matrix = (
        (3.1338561, -1.6168667, -0.4906146),
        (-0.9787684, 1.9161415, 0.0334540),
        (0.0719453, -0.2289914, 1.4052427),
    )
    linear = (sum(m * c for m, c in zip(row, xyz, strict=True)) for row in matrix)
    return [_gamma(min(1.0, max(0.0, value))) for value in linear]


def _linear(value: float) -> float:
    return value**3 if value > 6 / 29 else 3 * (6 / 29) ** 2 * (value - 4 / 29)


def _gamma(value: float) -> int:
    scaled = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(scaled * 255)

"""What the page is told of an image, by the names of docs/viewer-format.md, section 5."""

from __future__ import annotations

from typing import Any

from mkiso.core.viewer_image_table import IMAGE_TABLE
from mkiso.core.viewer_luts import lut_of, palette_of
from mkiso.core.viewer_reading import Attributes, copied
from mkiso.core.viewer_regions import region, segment, shutters_of
from mkiso.core.viewer_values import Values


def image_attributes(values: Values) -> Attributes:
    """Return what holds for a whole image object, functional groups and overlays left out."""
    found = copied(values, IMAGE_TABLE)
    found["samples_per_pixel"] = values.integer("SamplesPerPixel", 1)
    found["photometric_interpretation"] = values.text("PhotometricInterpretation") or "MONOCHROME2"
    found.update(display_attributes(values))
    tracer = values.item("RadiopharmaceuticalInformationSequence").text("Radiopharmaceutical")
    if tracer:
        found["radiopharmaceutical"] = tracer
    palette = palette_of(values)
    if palette:
        found["palette"] = palette
    found.update(_padding(values))
    regions = [region(item) for item in values.items("SequenceOfUltrasoundRegions")]
    if regions:
        found["ultrasound_regions"] = [found_region for found_region in regions if found_region]
    shutters = shutters_of(values)
    if shutters:
        found["shutters"] = shutters
    segments = [segment(item) for item in values.items("SegmentSequence")]
    if segments:
        found["segments"] = segments
    scaling = values.number("DoseGridScaling")  # PS3.3 C.8.8.3: stored value to dose
    if scaling is not None:
        found["rescale_slope"] = scaling
    return found


def display_attributes(values: Values) -> Attributes:
    """Return windows, lookup tables and real world values, where they stand on any level."""
    found: Attributes = {}
    windows = windows_of(values)
    if windows:
        found["windows"] = windows
    signed = values.integer("PixelRepresentation") == 1
    voi_luts = [lut_of(item, signed=None) for item in values.items("VOILUTSequence")]
    voi_luts = [lut for lut in voi_luts if lut]
    if voi_luts:
        found["voi_luts"] = voi_luts
    modality = values.item("ModalityLUTSequence")
    modality_lut = lut_of(modality, signed=signed)
    if modality_lut:
        kind = modality.text("ModalityLUTType")
        found["modality_lut"] = {**modality_lut, **({"modality_lut_type": kind} if kind else {})}
    real_world = [_real_world(item) for item in values.items("RealWorldValueMappingSequence")]
    if real_world:
        found["real_world_values"] = real_world
    return found


def windows_of(values: Values) -> list[dict[str, Any]]:
    """Return the windows with their explanations (PS3.3 C.11.2.1.2)."""
    centers, widths = values.numbers("WindowCenter"), values.numbers("WindowWidth")
    explanations = values.texts("WindowCenterWidthExplanation")
    exact = values.text("VOILUTFunction") in {"LINEAR_EXACT", "SIGMOID"}
    windows = []
    for number, (center, width) in enumerate(zip(centers, widths, strict=False)):
        if width < 1 and not (exact and width > 0):
            continue  # not legal, and nothing could be seen
        window: dict[str, Any] = {"center": center, "width": width}
        if number < len(explanations) and explanations[number]:
            window["explanation"] = explanations[number]
        if window not in windows:
            windows.append(window)
    return windows


def _padding(values: Values) -> Attributes:
    """Return the pixel padding value and the end of its range (PS3.3 C.7.5.1.1.2)."""
    vr = "SS" if values.integer("PixelRepresentation") == 1 else "US"
    for keyword, kind in (
        ("PixelPaddingValue", vr),
        ("FloatPixelPaddingValue", "FL"),
        ("DoubleFloatPixelPaddingValue", "FD"),
    ):
        value = values.number(keyword, vr=kind)
        if value is not None:
            limit = values.number("PixelPaddingRangeLimit", vr=vr)
            end = {} if limit is None else {"pixel_padding_range_limit": limit}
            return {"pixel_padding_value": value, **end}
    return {}


def _real_world(item: Values) -> dict[str, Any]:
    """Return one real world value mapping (PS3.3 C.7.6.16.2.11)."""
    numbers = {
        "slope": item.number("RealWorldValueSlope"),
        "intercept": item.number("RealWorldValueIntercept"),
        "first": item.number("RealWorldValueFirstValueMapped", vr="SS"),
        "last": item.number("RealWorldValueLastValueMapped", vr="SS"),
    }
    first = item.number("DoubleFloatRealWorldValueFirstValueMapped")
    if first is not None:
        numbers["first"] = first
        numbers["last"] = item.number("DoubleFloatRealWorldValueLastValueMapped")
    unit = item.item("MeasurementUnitsCodeSequence")
    found: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
    found["unit"] = unit.text("CodeValue") or unit.text("CodeMeaning")
    label = item.text("LUTLabel")
    table = item.numbers("RealWorldValueLUTData")
    return {**found, **({"label": label} if label else {}), **({"lut": table} if table else {})}

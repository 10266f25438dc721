"""A presentation state as the page gets it (docs/viewer-format.md 8.2; PS3.3 A.33, C.10, C.11)."""

from __future__ import annotations

from typing import Final

from mkiso.core.display_text import date_text, time_text
from mkiso.core.viewer_image import display_attributes
from mkiso.core.viewer_image_table import IMAGE_TABLE
from mkiso.core.viewer_luts import lut_of, palette_of
from mkiso.core.viewer_reading import Attributes, copied
from mkiso.core.viewer_references import references
from mkiso.core.viewer_regions import rgb_of_lab, shutters_of
from mkiso.core.viewer_values import Values

# What a state may hold and the page does not show: sequence, words for the person.
_NOT_SHOWN: Final = (
    ("MaskSubtractionSequence", "mask subtraction"),
    ("BlendingSequence", "blending"),
    ("CompoundGraphicSequence", "compound graphics"),
)
_MAX_POINTS = 20_000


def presentation_state(values: Values) -> Attributes:
    """Return the content of a presentation state."""
    found: Attributes = {
        "label": values.text("ContentLabel"),
        "description": values.text("ContentDescription"),
        "creator": values.text("ContentCreatorName"),
        "created": _moment(values),
        "references": [
            reference
            for series in values.items("ReferencedSeriesSequence")
            for reference in references(series, "ReferencedImageSequence")
        ],
        "modality": _modality(values),
        "voi": [_voi(item) for item in values.items("SoftcopyVOILUTSequence")],
        "presentation_lut_shape": values.text("PresentationLUTShape"),
        "presentation_lut": lut_of(values.item("PresentationLUTSequence"), signed=False),
        "palette": palette_of(values),
        "displayed_areas": [_area(item) for item in values.items("DisplayedAreaSelectionSequence")],
        "rotation": values.integer("ImageRotation"),
        "horizontal_flip": values.text("ImageHorizontalFlip") == "Y",
        "shutters": shutters_of(values),
        "layers": [_layer(item) for item in values.items("GraphicLayerSequence")],
        "annotations": [_annotation(item) for item in values.items("GraphicAnnotationSequence")],
        "not_shown": [words for keyword, words in _NOT_SHOWN if keyword in values],
    }
    return _without_empty(found)


def _without_empty(found: Attributes) -> Attributes:
    return {name: value for name, value in found.items() if value not in (None, "", [], {}, False)}


def _moment(values: Values) -> str:
    date = date_text(values.text("PresentationCreationDate"))
    return f"{date} {time_text(values.text('PresentationCreationTime'))}".strip()


def _modality(values: Values) -> Attributes:
    names = {"rescale_slope", "rescale_intercept", "rescale_type", "modality_lut"}
    both = {**copied(values, IMAGE_TABLE), **display_attributes(values)}
    return {name: value for name, value in both.items() if name in names}


def _voi(item: Values) -> Attributes:
    found = display_attributes(item)
    function = item.text("VOILUTFunction")
    if function:
        found["voi_lut_function"] = function
    return {**found, **_applies_to(item)}


def _applies_to(item: Values) -> Attributes:
    found = references(item, "ReferencedImageSequence")
    return {"references": found} if found else {}


def _area(item: Values) -> Attributes:
    """Return one displayed area (PS3.3 C.10.4)."""
    return {
        **_without_empty(
            {
                "top_left": item.numbers("DisplayedAreaTopLeftHandCorner"),
                "bottom_right": item.numbers("DisplayedAreaBottomRightHandCorner"),
                "size_mode": item.text("PresentationSizeMode"),
                "pixel_spacing": item.numbers("PresentationPixelSpacing"),
                "pixel_aspect_ratio": item.numbers("PresentationPixelAspectRatio"),
                "magnification": item.number("PresentationPixelMagnificationRatio"),
            }
        ),
        **_applies_to(item),
    }


def _layer(item: Values) -> Attributes:
    """Return one graphic layer (PS3.3 C.10.7)."""
    rgb = [int(v) >> 8 for v in item.numbers("GraphicLayerRecommendedDisplayRGBValue")]
    lab = item.numbers("GraphicLayerRecommendedDisplayCIELabValue")
    if len(lab) == 3:
        rgb = rgb_of_lab(lab)
    return {
        "order": item.integer("GraphicLayerOrder"),
        **_without_empty(
            {
                "name": item.text("GraphicLayer"),
                "description": item.text("GraphicLayerDescription"),
                "gray": item.number("GraphicLayerRecommendedDisplayGrayscaleValue"),
                "rgb": rgb if len(rgb) == 3 else [],
            }
        ),
    }


def _annotation(item: Values) -> Attributes:
    """Return the texts and drawings of one graphic annotation (PS3.3 C.10.5)."""
    return {
        **_without_empty(
            {
                "layer": item.text("GraphicLayer"),
                "texts": [_text_object(text) for text in item.items("TextObjectSequence")],
                "graphics": [_graphic(drawing) for drawing in item.items("GraphicObjectSequence")],
            }
        ),
        **_applies_to(item),
    }


def _text_object(item: Values) -> Attributes:
    corners = item.numbers("BoundingBoxTopLeftHandCorner")
    corners += item.numbers("BoundingBoxBottomRightHandCorner")
    return _without_empty(
        {
            "text": item.lines("UnformattedTextValue"),
            "box": corners if len(corners) == 4 else [],
            "box_units": item.text("BoundingBoxAnnotationUnits"),
            "justification": item.text("BoundingBoxTextHorizontalJustification"),
            "anchor": item.numbers("AnchorPoint"),
            "anchor_units": item.text("AnchorPointAnnotationUnits"),
            "anchor_visible": item.text("AnchorPointVisibility") == "Y",
        }
    )


def _graphic(item: Values) -> Attributes:
    return _without_empty(
        {
            "type": item.text("GraphicType"),
            "units": item.text("GraphicAnnotationUnits"),
            "points": item.numbers("GraphicData")[: 2 * _MAX_POINTS],
            "filled": item.text("GraphicFilled") == "Y",
        }
    )

"""Functional groups of enhanced multi-frame objects under the classic names (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mkiso.core.viewer_image import display_attributes
from mkiso.core.viewer_reading import (
    Attributes,
    Reader,
    copied,
    number_of,
    numbers_of,
    text_of,
    texts_of,
)
from mkiso.core.viewer_values import Values

# Sequence of the functional group, name for the page, keyword, reader.
_GROUPS: Final[tuple[tuple[str, str, str, Reader], ...]] = (
    ("PixelMeasuresSequence", "pixel_spacing", "PixelSpacing", numbers_of),
    ("PixelMeasuresSequence", "slice_thickness", "SliceThickness", number_of),
    ("PixelMeasuresSequence", "spacing_between_slices", "SpacingBetweenSlices", number_of),
    ("PlanePositionSequence", "image_position_patient", "ImagePositionPatient", numbers_of),
    (
        "PlaneOrientationSequence",
        "image_orientation_patient",
        "ImageOrientationPatient",
        numbers_of,
    ),
    ("PixelValueTransformationSequence", "rescale_slope", "RescaleSlope", number_of),
    ("PixelValueTransformationSequence", "rescale_intercept", "RescaleIntercept", number_of),
    ("PixelValueTransformationSequence", "rescale_type", "RescaleType", text_of),
    ("FrameVOILUTSequence", "voi_lut_function", "VOILUTFunction", text_of),
    ("FrameAnatomySequence", "frame_laterality", "FrameLaterality", text_of),
    ("FrameContentSequence", "frame_comments", "FrameComments", text_of),
    ("FrameContentSequence", "stack_id", "StackID", text_of),
    ("FrameContentSequence", "in_stack_position", "InStackPositionNumber", number_of),
    ("FrameContentSequence", "temporal_position_identifier", "TemporalPositionIndex", number_of),
    ("FrameContentSequence", "dimension_index_values", "DimensionIndexValues", numbers_of),
    ("SegmentIdentificationSequence", "segment_number", "ReferencedSegmentNumber", number_of),
    ("CTImageFrameTypeSequence", "frame_type", "FrameType", texts_of),
    ("MRImageFrameTypeSequence", "frame_type", "FrameType", texts_of),
    ("PETFrameTypeSequence", "frame_type", "FrameType", texts_of),
    ("FramePixelDataPropertiesSequence", "frame_type", "FrameType", texts_of),
    ("MRTimingAndRelatedParametersSequence", "repetition_time", "RepetitionTime", number_of),
    ("MRTimingAndRelatedParametersSequence", "flip_angle", "FlipAngle", number_of),
    ("MREchoSequence", "echo_time", "EffectiveEchoTime", number_of),
    ("CTExposureSequence", "exposure_time", "ExposureTimeInms", number_of),
    ("CTExposureSequence", "xray_tube_current", "XRayTubeCurrentInmA", number_of),
    ("CardiacSynchronizationSequence", "trigger_time", "NominalCardiacTriggerDelayTime", number_of),
)
_BY_SEQUENCE: Final = {
    sequence: tuple((name, keyword, read) for s, name, keyword, read in _GROUPS if s == sequence)
    for sequence in dict.fromkeys(row[0] for row in _GROUPS)
}


def shared_attributes(values: Values) -> Attributes:
    """Return what the shared functional groups say of all frames."""
    return group_attributes(values.item("SharedFunctionalGroupsSequence"))


def frame_attributes(values: Values) -> Iterator[Attributes]:
    """Yield what is said of each frame: by its functional groups, or by vectors of the object."""
    groups = values.items("PerFrameFunctionalGroupsSequence")
    if groups:
        yield from (group_attributes(item) for item in groups)
        return
    yield from _dose_planes(values)


def group_attributes(item: Values) -> Attributes:
    """Return the attributes in one item of functional groups."""
    found: Attributes = {}
    for sequence, table in _BY_SEQUENCE.items():
        if sequence in item:
            found.update(copied(item.item(sequence), table))
    if "FrameVOILUTSequence" in item:
        found.update(display_attributes(item.item("FrameVOILUTSequence")))
    if "RealWorldValueMappingSequence" in item:
        found.update(display_attributes(item))
    anatomy = item.item("FrameAnatomySequence").meaning("AnatomicRegionSequence")
    if anatomy:
        found["anatomic_region"] = anatomy
    return found


def _dose_planes(values: Values) -> Iterator[Attributes]:
    """Yield the position of each plane of an RT dose (PS3.3 C.8.8.3.2)."""
    offsets = values.numbers("GridFrameOffsetVector")
    origin = values.numbers("ImagePositionPatient")
    axes = values.numbers("ImageOrientationPatient")
    if not offsets or len(origin) != 3 or len(axes) != 6:
        return
    x, y = axes[:3], axes[3:]
    normal = (
        x[1] * y[2] - x[2] * y[1],
        x[2] * y[0] - x[0] * y[2],
        x[0] * y[1] - x[1] * y[0],
    )
    # offsets that do not begin with 0 are z coordinates, of axial planes alone
    relative = offsets if offsets[0] == 0 else [offset - origin[2] for offset in offsets]
    direction = normal if offsets[0] == 0 else (0.0, 0.0, 1.0)
    for distance in relative:
        position = [o + n * distance for o, n in zip(origin, direction, strict=True)]
        yield {"image_position_patient": [round(value, 6) for value in position]}

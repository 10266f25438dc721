"""Waveforms as the page gets them, their samples left out (docs/viewer-format.md 8.4)."""

from __future__ import annotations

from typing import Final

from mkiso.core.display_text import date_text, time_text
from mkiso.core.viewer_reading import Attributes
from mkiso.core.viewer_values import Values

# PS3.3 C.10.9.1.5: bits allocated and interpretation -> type of a sample in docs/viewer-format.md.
SAMPLE_TYPES: Final = {
    (8, "SB"): "i8",
    (8, "UB"): "u8",
    (16, "SS"): "i16",
    (16, "US"): "u16",
    (32, "SL"): "i32",
    (32, "UL"): "u32",
}


def waveform(values: Values) -> Attributes:
    """Return groups, channels, annotations; `frame` counts the groups that can be shown."""
    groups: list[Attributes] = []
    for item in values.items("WaveformSequence"):
        group = _group(item)
        if group:
            groups.append({**group, "frame": len(groups)})
    date = date_text(values.text("AcquisitionDateTime")[:8])
    annotations = [_annotation(item) for item in values.items("WaveformAnnotationSequence")]
    return {
        "groups": groups,
        "annotations": [annotation for annotation in annotations if annotation.get("text")],
        "acquired": f"{date} {time_text(values.text('AcquisitionDateTime')[8:])}".strip(),
    }


def sample_type(item: Values) -> str:
    """Return the type of the samples of a multiplex group, "" when it is none the page shows."""
    kind = item.integer("WaveformBitsAllocated"), item.text("WaveformSampleInterpretation")
    return SAMPLE_TYPES.get(kind, "")


def _group(item: Values) -> Attributes:
    """Return one multiplex group; empty when its samples cannot be shown."""
    frequency = item.number("SamplingFrequency")
    samples = item.integer("NumberOfWaveformSamples")
    if not sample_type(item) or not frequency or samples < 1:
        return {}
    channels = [_channel(channel) for channel in item.items("ChannelDefinitionSequence")]
    if len(channels) != item.integer("NumberOfWaveformChannels"):
        return {}
    label = item.text("MultiplexGroupLabel")
    return {
        **({"label": label} if label else {}),
        "sampling_frequency": frequency,
        "samples": samples,
        "channels": channels,
    }


def _channel(item: Values) -> Attributes:
    """Return one channel (PS3.3 C.10.9.1.4)."""
    unit = item.item("ChannelSensitivityUnitsSequence")
    numbers = {
        "sensitivity": item.number("ChannelSensitivity"),
        "correction": item.number("ChannelSensitivityCorrectionFactor"),
        "baseline": item.number("ChannelBaseline"),
        "skew": item.number("ChannelSampleSkew"),
        "low_cut": item.number("FilterLowFrequency"),
        "high_cut": item.number("FilterHighFrequency"),
    }
    return {
        "label": item.text("ChannelLabel") or item.meaning("ChannelSourceSequence"),
        "unit": unit.text("CodeValue") or unit.text("CodeMeaning"),
        **{name: value for name, value in numbers.items() if value is not None},
    }


def _annotation(item: Values) -> Attributes:
    """Return one annotation: a text, a finding, or a measured number (PS3.3 C.10.10)."""
    name = item.meaning("ConceptNameCodeSequence")
    code = item.meaning("ConceptCodeSequence")
    number = " ".join(item.texts("NumericValue"))
    unit = item.item("MeasurementUnitsCodeSequence").text("CodeValue")
    value = " ".join(filter(None, (code, number, unit)))
    text = item.lines("TextValue") or ": ".join(filter(None, (name, value)))
    pairs = [int(n) for n in item.numbers("ReferencedWaveformChannels")]
    found: Attributes = {"text": text}
    if len(pairs) >= 2:
        found["group"] = pairs[0]
        found["channels"] = [
            c for g, c in zip(pairs[::2], pairs[1::2], strict=False) if g == pairs[0]
        ]
    samples = [int(n) for n in item.numbers("ReferencedSamplePositions")]
    return {**found, **({"samples": samples} if samples else {})}

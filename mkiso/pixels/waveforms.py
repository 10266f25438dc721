"""Waveform samples as frames: a row for each channel (PS3.3 C.10.9; docs/viewer-format.md 8.4)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mkiso.core.viewer_values import Values
from mkiso.core.viewer_waveform import sample_type, waveform
from mkiso.pixels.payload import PayloadEncoder, band_rows, check_sum
from mkiso.pixels.spool import Spool
from mkiso.pixels.unshowable import CLASS, UnshowableError, name_of_uid

#: Longer recordings are cut: a day of Holter is no drawing.
_MAX_SAMPLES: Final = 4_000_000


def waveform_frames(
    values: Values, encoder: PayloadEncoder, spool: Spool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the description of a waveform object, and a frame for each group in it.

    Raises UnshowableError when no group can be shown.
    """
    described = waveform(values)
    frames: list[dict[str, Any]] = []
    shown = []
    groups = iter(described["groups"])
    for item in values.items("WaveformSequence"):
        if not sample_type(item) or not item.items("ChannelDefinitionSequence"):
            continue
        group = next(groups, None)
        frame = _frame(item, group, encoder, spool) if group else None
        if group and frame:
            shown.append({**group, "frame": len(frames), "samples": frame["columns"]})
            frames.append(frame)
    if not shown:
        raise UnshowableError(CLASS, name_of_uid(values.uid("SOPClassUID")))
    return {**described, "groups": shown}, frames


def _frame(
    item: Values, group: dict[str, Any], encoder: PayloadEncoder, spool: Spool
) -> dict[str, Any] | None:
    """Return the samples of a group; None when they are not there."""
    channels = len(group["channels"])
    name = sample_type(item)
    kind = np.dtype(f"<{name[0]}{int(name[1:]) // 8}")
    raw = item.raw("WaveformData")
    samples = min(
        group["samples"], len(raw) // (channels * kind.itemsize), _MAX_SAMPLES // channels
    )
    if samples < 1:
        return None
    table = np.frombuffer(raw, kind, samples * channels).reshape(samples, channels)
    array = np.ascontiguousarray(table.T.astype(kind.newbyteorder("=")))
    coding, parts = encoder.encode(array)
    start, lengths = spool.append(parts)
    found = {
        "spool": [spool.name, start, lengths],
        "sum": check_sum(array),
        "coding": coding,
        "sample": name,
        "rows": channels,
        "columns": samples,
        "samples_per_pixel": 1,
    }
    rows = band_rows(array)
    padding = item.raw("WaveformPaddingValue")
    if len(padding) >= kind.itemsize:
        found["padding"] = int(np.frombuffer(padding, kind, 1)[0])
    return {**found, "band_rows": rows} if rows < channels else found

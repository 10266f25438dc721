"""What a frame without a window needs to be seen: its range without padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mkiso.pixels.payload import Samples

#: Values looked at for the percentiles; the extremes are of all.
_SAMPLE: Final = 16384
_PERCENTILES: Final = (1, 99)


def stored_statistics(samples: Samples, attributes: Mapping[str, Any]) -> list[float]:
    """Return minimum, maximum, 1st and 99th percentile of stored values without padding.

    Of values that are all padding, or no numbers, it is the range 0 to 1.
    """
    values = samples.reshape(-1)
    step = max(1, values.size // _SAMPLE)
    looked_at = _without_padding(values[::step], attributes)
    if not looked_at.size:
        return [0, 1, 0, 1]
    kept = _without_padding(values, attributes) if "pixel_padding_value" in attributes else values
    if kept.dtype.kind == "f":
        kept = kept[np.isfinite(kept)]
    # as floating point numbers: the difference of two of 16 bits may need 17
    low, high = np.percentile(looked_at.astype(np.float64), _PERCENTILES)
    return [_plain(number) for number in (kept.min(), kept.max(), low, high)]


def _without_padding(values: Samples, attributes: Mapping[str, Any]) -> Samples:
    """Return the values that are no padding (PS3.3 C.7.5.1.1.2) and are finite."""
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    padding = attributes.get("pixel_padding_value")
    if padding is None:
        return values
    limit = attributes.get("pixel_padding_range_limit", padding)
    low, high = min(padding, limit), max(padding, limit)
    return values[(values < low) | (values > high)]


def _plain(number: Any) -> float:
    """Return a number as JSON writes it, a whole one as int."""
    value = float(number)
    return int(value) if value == int(value) else value

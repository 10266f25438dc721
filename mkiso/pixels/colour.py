"""Colours as the page gets them: RGB, converted once (PS3.3 C.7.6.3.1.2)."""

from __future__ import annotations

from typing import Final

import numpy as np
from pydicom.pixels import convert_color_space

from mkiso.pixels.payload import Samples
from mkiso.pixels.unshowable import PIXEL_FORMAT, UnshowableError

_CONVERTED: Final = frozenset({"YBR_FULL", "YBR_FULL_422"})
_AS_THEY_ARE: Final = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB"})
#: Pixels converted at a time: the conversion takes floating point numbers.
_BLOCK_PIXELS: Final = 1 << 18


def rgb_of(samples: Samples, photometric: str) -> Samples:
    """Return values of `photometric` as the page shows them: unchanged, or RGB.

    Raises UnshowableError for a colour space that nobody writes any more.
    """
    if photometric in _AS_THEY_ARE:
        return samples
    if photometric not in _CONVERTED or samples.dtype != np.uint8:
        raise UnshowableError(PIXEL_FORMAT, f"{photometric[:16]} is not converted to RGB.")
    out = np.empty_like(samples)
    step = max(1, _BLOCK_PIXELS // samples.shape[1])
    for row in range(0, samples.shape[0], step):
        block = np.ascontiguousarray(samples[row : row + step])
        out[row : row + step] = convert_color_space(block, "YBR_FULL", "RGB")
    return out

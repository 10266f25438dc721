"""Icons of DICOMDIR: small grey pictures of first frames (PS3.3 F.7)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mkiso.pixels.payload import Samples
from mkiso.pixels.preview import small_picture

#: F.7: every reader must be able to show 64 by 64.
ICON_PIXELS: Final = 64
# ITU-R BT.601: how bright red, green and blue look
_BRIGHTNESS: Final = (0.299, 0.587, 0.114)


def icon(samples: Samples, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a frame's icon as JSON: rows, columns, pixels in base 64."""
    picture = small_picture(samples, attributes, ICON_PIXELS)
    if picture.ndim == 3:
        picture = np.rint(picture[..., :3] @ np.array(_BRIGHTNESS)).astype(np.uint8)
    rows, columns = picture.shape
    pixels = np.ascontiguousarray(picture, np.uint8).tobytes()
    return {"rows": rows, "columns": columns, "pixels": base64.b64encode(pixels).decode("ascii")}

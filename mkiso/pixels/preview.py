"""Pictures of 8 bits: the thumbnail of a stack, a preview where the full pixels do not fit."""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from typing import Any, Final

from mkiso.pixels.payload import Samples
from mkiso.pixels.png import data_uri, encode_png
from mkiso.pixels.rendering import Picture, fitted, render, scaled
from mkiso.pixels.unshowable import SPACE, UnshowableError

THUMBNAIL_PIXELS: Final = 96
PREVIEW_PIXELS: Final = 1024
_JPEG_QUALITY: Final = 85
#: Larger frames are thinned out before they are rendered: nobody sees it in a thumbnail.
_LARGE: Final = 8


def thumbnail(samples: Samples, attributes: Mapping[str, Any]) -> str:
    """Return a picture of a frame as a data URI, at most 96 pixels wide and high."""
    return data_uri(encode_png(small_picture(samples, attributes, THUMBNAIL_PIXELS)), "image/png")


def small_picture(samples: Samples, attributes: Mapping[str, Any], most: int) -> Picture:
    """Return a rendered frame that fits `most` pixels, right aspect (also for DICOMDIR icons)."""
    rows, columns = fitted(attributes, samples.shape[0], samples.shape[1], most)
    step = max(1, min(samples.shape[0] // rows, samples.shape[1] // columns) // _LARGE)
    return scaled(render(samples[::step, ::step], attributes), rows, columns)


def preview_jpeg(samples: Samples, attributes: Mapping[str, Any]) -> bytes:
    """Return a JPEG picture of a frame, at most 1024 pixels wide and high.

    Raises UnshowableError when no encoder is installed.
    """
    try:
        pillow = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise UnshowableError(SPACE, "Previews need the package Pillow.") from error
    picture = render(samples, attributes)
    longest = max(picture.shape[:2])
    if longest > PREVIEW_PIXELS:
        rows, columns = (max(1, s * PREVIEW_PIXELS // longest) for s in picture.shape[:2])
        picture = scaled(picture, rows, columns)
    target = io.BytesIO()
    try:
        pillow.fromarray(picture).save(target, "JPEG", quality=_JPEG_QUALITY)
    except OSError as error:  # what Pillow raises for what it cannot encode
        raise UnshowableError(SPACE, "The preview could not be encoded.") from error
    return target.getvalue()

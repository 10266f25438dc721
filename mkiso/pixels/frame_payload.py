"""One frame into the spool, with what the page is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from mkiso.core.viewer_values import Values
from mkiso.pixels.deflating import adler32
from mkiso.pixels.frames import FrameReader
from mkiso.pixels.icons import icon
from mkiso.pixels.native import stored_values
from mkiso.pixels.overlays import read_overlays
from mkiso.pixels.payload import (
    PART_BYTES,
    PayloadEncoder,
    Samples,
    band_rows,
    check_sum,
    encode_bits,
    sample_type,
)
from mkiso.pixels.preview import preview_jpeg
from mkiso.pixels.spool import Spool
from mkiso.pixels.statistics import stored_statistics
from mkiso.pixels.unshowable import DECODER_FAILED, MEMORY_LIMIT, SPACE, UnshowableError

#: What rendering raises for values that a stranger wrote.
_NO_PICTURE: Final = (
    *(UnshowableError, MemoryError, ValueError, IndexError, TypeError),
    *(KeyError, ArithmeticError),
)


class FrameMaker:
    """Makes the frames of one image."""

    def __init__(
        self,
        reader: FrameReader,
        values: Values,
        attributes: Mapping[str, Any],
        encoder: PayloadEncoder,
        spool: Spool,
    ) -> None:
        """Take the reader of the frames, and what is said of the whole image."""
        self._reader = reader
        self._attributes = attributes
        self._overlays = read_overlays(values)
        self._encoder = encoder
        self._spool = spool
        self._look: Callable[[Samples], None] | None = None  # at what was decoded

    def frame_and_icon(
        self, index: int, own: Mapping[str, Any], *, preview: bool
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return what `frame` does, and the frame's icon for DICOMDIR, from one decoding.

        What cannot be shown has no icon. Raises OSError.
        """
        icons: list[dict[str, Any]] = []

        def look(samples: Samples) -> None:
            with suppress(*_NO_PICTURE):
                icons.append(icon(samples, {**self._attributes, **own}))

        self._look = look
        found = self.frame(index, own, preview=preview)
        self._look = None
        if found["coding"] == "jpeg":  # the page gets it as it is: nobody has decoded it
            with suppress(*_NO_PICTURE):
                look(self._reader.samples(index))
        return found, icons[0] if icons else None

    def frame(self, index: int, own: Mapping[str, Any], *, preview: bool) -> dict[str, Any]:
        """Return what the page gets of a frame: where its parts are, and its own attributes.

        A frame that cannot be shown says why. Raises OSError.
        """
        found = dict(own)
        try:
            found.update(self._preview(index, own) if preview else self._full(index, own))
        except UnshowableError as error:
            found.update({"coding": "none", "reason": error.reason()})
        except MemoryError:
            found.update({"coding": "none", "reason": {"code": MEMORY_LIMIT}})
        except (ValueError, IndexError, TypeError, ArithmeticError) as error:
            # what a stranger wrote was taken for something it is not: one tile, not the disc
            reason = {"code": DECODER_FAILED, "text": type(error).__name__}
            found.update({"coding": "none", "reason": reason})
        return found

    def _full(self, index: int, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return a frame with all its values."""
        stream = self._reader.stream(index) if self._reader.is_encapsulated else None
        jpeg = self._reader.browser_jpeg(stream) if stream else None
        if jpeg is not None:
            return {
                **self._spooled(_pieces(jpeg)),
                **self._overlay_planes(index, None),
                "sum": adler32(jpeg),
                "coding": "jpeg",
                "sample": "u8",
                "photometric_interpretation": "RGB",
            }
        words = self._reader.words(index, stream)
        samples = stored_values(words, self._reader.format)
        if self._look:
            self._look(samples)
        return {
            **self._values(samples),
            **self._colours(samples),
            **self._range(samples, own),
            **self._overlay_planes(index, words),
        }

    def _values(self, samples: Samples) -> dict[str, Any]:
        """Return where the values are, and how they are coded."""
        if self._reader.format.bits_allocated == 1 and samples.itemsize == 1:
            stream, total = encode_bits(samples)
            return {**self._spooled([stream]), "sum": total, "coding": "bits", "sample": "u8"}
        coding, parts = self._encoder.encode(samples)
        found = {
            **self._spooled(parts),
            "sum": check_sum(samples),
            "coding": coding,
            "sample": sample_type(samples),
        }
        rows = band_rows(samples)
        return {**found, "band_rows": rows} if rows < samples.shape[0] else found

    def _spooled(self, parts: Iterable[bytes]) -> dict[str, Any]:
        start, lengths = self._spool.append(parts)
        return {"spool": [self._spool.name, start, lengths]}

    def _colours(self, samples: Samples) -> dict[str, Any]:
        """Return the colour space when it is not the stored one any more."""
        stored = self._reader.format.photometric
        if samples.ndim == 2 or stored == "RGB":
            return {}
        return {"photometric_interpretation": "RGB", "stored_photometric_interpretation": stored}

    def _range(self, samples: Samples, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the statistics of a grey frame that has no window."""
        every = {**self._attributes, **own}
        if samples.ndim == 3 or every.get("windows") or every.get("voi_luts"):
            return {}
        if every["photometric_interpretation"] == "PALETTE COLOR":
            return {}
        return {"statistics": stored_statistics(samples, every)}

    def _overlay_planes(self, index: int, words: Samples | None) -> dict[str, Any]:
        planes = [overlay.plane(index, words) for overlay in self._overlays]
        shown = [plane for plane in planes if plane]
        return {"overlays": shown} if shown else {}

    def _preview(self, index: int, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return a frame as a picture of 8 bits."""
        samples = self._reader.samples(index)
        if self._look:
            self._look(samples)
        picture = preview_jpeg(samples, {**self._attributes, **own})
        return {
            **self._spooled(_pieces(picture)),
            "sum": adler32(picture),
            "coding": "preview",
            "sample": "u8",
            "reason": {"code": SPACE},
        }


def _pieces(stream: bytes) -> list[bytes]:
    return [stream[at : at + PART_BYTES] for at in range(0, len(stream), PART_BYTES)]

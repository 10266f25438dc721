"""How the pixels of an object are stored, with what is illegal refused (PS3.3 C.7.6.3, PS3.5 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mkiso.core.viewer_values import Values
from mkiso.pixels.unshowable import PIXEL_FORMAT, TOO_LARGE, TRUNCATED, UnshowableError

#: A frame larger than this, decoded, is not shown: neither here nor in a browser is there room.
MAX_FRAME_BYTES: Final = 96 << 20
#: Frames that an object announces without having them are tiles, up to this number.
MAX_MISSING_FRAMES: Final = 1000

# Photometric interpretations that are stored values, or RGB after one conversion.
_ONE_SAMPLE: Final = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
_THREE_SAMPLES: Final = frozenset(
    {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}
)
# GE's private syntax: Implicit VR Little Endian, but the pixels are big endian.
_GE_PRIVATE: Final = "1.2.840.113619.5.2"
_KEYWORDS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """One frame as it is stored, and how many there should be."""

    keyword: str  # the element: PixelData, FloatPixelData, DoubleFloatPixelData
    transfer_syntax_uid: str
    rows: int
    columns: int
    samples: int
    planar: bool
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    frames: int
    big_endian: bool = False
    word_swapped: bool = False

    @property
    def is_subsampled(self) -> bool:
        """Whether two pixels share their colour in native data (PS3.3 C.7.6.3.1.2)."""
        return self.photometric in {"YBR_FULL_422", "YBR_PARTIAL_422"}

    @property
    def frame_bits(self) -> int:
        """How many bits one native frame takes."""
        samples = 2 if self.is_subsampled else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a stored value in the data set, byte order included."""
        integer = "i" if self.signed else "u"
        kind = integer if self.keyword == "PixelData" else "f"
        size = max(1, self.bits_allocated // 8)
        return np.dtype(f"{'>' if self.big_endian else '<'}{kind}{size}")


def has_pixels(values: Values) -> bool:
    """Tell whether there is a pixel element with something in it."""
    spans = (values.span(keyword) for keyword in _KEYWORDS)
    return any(span is not None and span.stop > span.start for span in spans)


def read_format(values: Values, transfer_syntax_uid: str) -> PixelFormat:
    """Return how the pixels are stored. Raises UnshowableError for what nobody can show."""
    keyword = next((k for k in _KEYWORDS if values.span(k) is not None), "")
    span = values.span(keyword) if keyword else None
    if span is None or span.stop == span.start:
        raise UnshowableError(TRUNCATED, "There is no pixel data.")
    allocated = _bits_allocated(values, keyword)
    stored = values.integer("BitsStored")
    stored = stored if 0 < stored <= allocated else allocated
    high_bit = values.integer("HighBit", -1)
    high_bit = high_bit if stored - 1 <= high_bit < allocated else stored - 1
    found = PixelFormat(
        keyword=keyword,
        transfer_syntax_uid=transfer_syntax_uid,
        rows=values.integer("Rows"),
        columns=values.integer("Columns"),
        samples=values.integer("SamplesPerPixel", 1),
        planar=values.integer("PlanarConfiguration") == 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high_bit,
        signed=values.integer("PixelRepresentation") == 1,
        photometric=values.text("PhotometricInterpretation") or "MONOCHROME2",
        frames=max(1, values.integer("NumberOfFrames", 1)),
        big_endian=span.encoding.big_endian or transfer_syntax_uid == _GE_PRIVATE,
        word_swapped=allocated <= 8 and values.is_word_swapped(keyword),
    )
    _require_showable(found)
    return found


def _bits_allocated(values: Values, keyword: str) -> int:
    if keyword == "FloatPixelData":
        return 32
    if keyword == "DoubleFloatPixelData":
        return 64
    return values.integer("BitsAllocated")


def _require_showable(found: PixelFormat) -> None:
    """Raise UnshowableError for a combination that cannot be shown."""
    if found.rows < 1 or found.columns < 1:
        raise UnshowableError(PIXEL_FORMAT, "Rows or Columns are missing.")
    integers = (1, 8, 16, 32) if found.samples == 1 else (8, 16, 32)
    allowed = integers if found.keyword == "PixelData" else (32, 64)
    if found.bits_allocated not in allowed:
        raise UnshowableError(PIXEL_FORMAT, f"Bits Allocated is {found.bits_allocated}.")
    known = {1: _ONE_SAMPLE, 3: _THREE_SAMPLES}.get(found.samples, frozenset())
    if found.photometric not in known or (found.samples == 3 and found.keyword != "PixelData"):
        raise UnshowableError(
            PIXEL_FORMAT, f"{found.samples} samples a pixel as {found.photometric[:16]}."
        )
    if found.rows * found.columns * found.samples * max(8, found.bits_allocated) > (
        8 * MAX_FRAME_BYTES
    ):
        raise UnshowableError(TOO_LARGE, f"A frame has {found.columns} x {found.rows} pixels.")

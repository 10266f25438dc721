"""Which objects may show a patient in their pixels, and how the pixels are blanked (PS3.15 E.3.1).

No program sees a name in a picture for certain: what is likely to show one is refused, left out or
blanked by rules about where names stand, and everything else is taken for what it says it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mkiso.core.byte_source import Encoding
from mkiso.core.element_walk import Pieces, Placed, element_head

_STORAGE = "1.2.840.10008.5.1.4.1.1."
#: What comes with text in its pixels by habit: ultrasound, secondary capture, photographs, video.
_RISKY_CLASSES = tuple(
    f"{_STORAGE}{rest}"
    for rest in (
        *("3", "3.1", "6", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4"),
        *("77.1.1", "77.1.1.1", "77.1.2.1", "77.1.4", "77.1.4.1"),
    )
)
_RISKY_MODALITIES = frozenset(("US", "IVUS", "ES", "XC", "OT", "DOC", "SC"))
_SCREENS = (b"SCREEN", b"DOSE_INFO", b"PROTOCOL")
BURNED_IN, CONVERSION_TYPE, IMAGE_TYPE, MODALITY = 0x00280301, 0x00080064, 0x00080008, 0x00080060
_ROWS, _COLUMNS, _SAMPLES, _PLANAR = 0x00280010, 0x00280011, 0x00280002, 0x00280006
_PHOTOMETRIC, _FRAMES, _BITS, _MODEL = 0x00280004, 0x00280008, 0x00280100, 0x00081090
_OVERLAY_POSITIONS = frozenset(0x60000102 + (n << 17) for n in range(16))
US_REGIONS = 0x00186011
REGION_CORNERS = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)
#: Of an instance, to decide what may be in its pixels and where.
PIXEL_TAGS = _OVERLAY_POSITIONS | {
    *(BURNED_IN, CONVERSION_TYPE, IMAGE_TYPE, MODALITY, _ROWS, _COLUMNS, _SAMPLES, _PLANAR),
    *(_PHOTOMETRIC, _FRAMES, _BITS, _MODEL),
}


class Rectangle(NamedTuple):
    """Pixels from `left`, `top` up to, and without, `right`, `bottom`."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class RegionRule:
    """What is blanked in pictures that match; "" and 0 match all."""

    modality: str
    model: str
    rows: int
    columns: int
    blank: Rectangle


@dataclass(frozen=True, slots=True)
class Picture:
    """How the pixels of an object are laid out, as far as blanking must know."""

    rows: int
    columns: int
    samples: int
    bytes_allocated: int
    is_planar: bool
    photometric: str
    frames: int

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all frames."""
        return self.frames * self.rows * self.columns * self.samples * self.bytes_allocated


def risk(values: Mapping[int, bytes], sop_class_uid: str) -> str:
    """Say why the pixels of an object may show a patient; "" when nothing speaks for it."""
    said = _text(values, BURNED_IN)
    if said == "YES":
        return "it says that it has burned-in annotation"
    if any(values.get(tag, b"\0\0") != b"\0\0" for tag in _OVERLAY_POSITIONS):
        return "there are overlays among its pixels"
    if said == "NO" or not values.get(_ROWS):
        return ""
    modality = _text(values, MODALITY)
    if sop_class_uid in _RISKY_CLASSES or modality in _RISKY_MODALITIES:
        return f"objects of modality {modality or '?'} often have burned-in annotation"
    if _text(values, CONVERSION_TYPE) or any(
        word in values.get(IMAGE_TYPE, b"").upper() for word in _SCREENS
    ):
        return "it was captured from a screen or a film"
    return ""


def decoded_bytes(values: Mapping[int, bytes]) -> int:
    """Return about how many bytes the pixels of an object are when they are decoded."""
    frames = _text(values, _FRAMES)
    pixels = _number(values, _ROWS) * _number(values, _COLUMNS) * (_number(values, _SAMPLES) or 1)
    return pixels * (_number(values, _BITS) + 7) // 8 * (int(frames) if frames.isdecimal() else 1)


def picture_of(values: Mapping[int, bytes]) -> Picture | None:
    """Return the layout of native pixels that can be blanked, None for others."""
    bits, frames = _number(values, _BITS), _text(values, _FRAMES)
    photometric = _text(values, _PHOTOMETRIC)
    plain = photometric in {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL"}
    if bits % 8 or not bits or not plain:
        return None
    return Picture(
        _number(values, _ROWS),
        _number(values, _COLUMNS),
        _number(values, _SAMPLES) or 1,
        bits // 8,
        bool(_number(values, _PLANAR)),
        photometric,
        int(frames) if frames.isdecimal() else 1,
    )


def matching_rules(
    rules: Iterable[RegionRule], values: Mapping[int, bytes]
) -> tuple[Rectangle, ...]:
    """Return what the site's rules blank in an object."""
    own = (_text(values, MODALITY), _text(values, _MODEL))
    size = (_number(values, _ROWS), _number(values, _COLUMNS))
    return tuple(
        rule.blank
        for rule in rules
        if rule.modality in {"", own[0]}
        and rule.model in {"", own[1]}
        and rule.rows in {0, size[0]}
        and rule.columns in {0, size[1]}
    )


def leaves_all(picture: Picture, keep: Sequence[Rectangle], blank: Sequence[Rectangle]) -> bool:
    """Say whether nothing is blanked by these: regions as large as the picture, rules beside it."""
    whole = ((0, picture.columns),)
    return all(_kept(picture, row, keep, blank) == whole for row in range(picture.rows))


def blanked(
    placed: Placed,
    encoding: Encoding,
    picture: Picture,
    *,
    keep: Sequence[Rectangle] = (),
    blank: Sequence[Rectangle] = (),
) -> Pieces:
    """Return PixelData with all of `blank`, and all that is in none of `keep`, in one colour."""
    (tag, vr, length, value), _, _ = placed
    made = Pieces()
    made.add(element_head(encoding, tag, vr or b"OW", length))
    width = picture.bytes_allocated * (1 if picture.is_planar else picture.samples)
    planes = picture.samples if picture.is_planar else 1
    kept = [_kept(picture, row, keep, blank) for row in range(picture.rows)]
    offset = value
    for _ in range(picture.frames):
        for plane in range(planes):
            pattern = _colour(picture, plane)
            for spans in kept:
                at = 0
                for left, right in spans:
                    made.fill(pattern, (left - at) * width)
                    made.stay(offset + left * width, offset + right * width)
                    at = right
                made.fill(pattern, (picture.columns - at) * width)
                offset += picture.columns * width
    made.stay(offset, value + length)  # padding
    return made


def _kept(
    picture: Picture, row: int, keep: Sequence[Rectangle], blank: Sequence[Rectangle]
) -> tuple[tuple[int, int], ...]:
    """Return which columns of a row stay, from and up to."""
    marks = bytearray(b"\0" if keep else b"\1") * picture.columns
    for mark, rectangles in ((b"\1", keep), (b"\0", blank)):
        for left, top, right, bottom in rectangles:
            if top <= row < bottom:
                begin, end = max(0, left), min(picture.columns, right)
                marks[begin:end] = mark * max(0, end - begin)
    spans = []
    start = marks.find(b"\1")
    while start >= 0:
        end = marks.find(b"\0", start)
        end = picture.columns if end < 0 else end
        spans.append((start, end))
        start = marks.find(b"\1", end)
    return tuple(spans)


def _colour(picture: Picture, plane: int) -> bytes:
    """Return the pattern of a blanked pixel: black, where zero is black."""
    if picture.photometric != "YBR_FULL" or picture.bytes_allocated != 1:
        return b"\0"
    if picture.is_planar:
        return b"\x80" if plane else b"\0"
    return b"\0\x80\x80"


def _text(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("latin-1").strip(" \0").upper()


def _number(values: Mapping[int, bytes], tag: int) -> int:
    return int.from_bytes(values.get(tag, b"")[:2], "little")

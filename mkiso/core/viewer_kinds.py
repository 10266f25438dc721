"""How the viewer shows an object of a SOP class (docs/viewer-format.md, section 2)."""

from __future__ import annotations

from typing import Final

IMAGE: Final = "image"
WAVEFORM: Final = "waveform"
REPORT: Final = "report"
KEY_OBJECTS: Final = "key_objects"
PRESENTATION_STATE: Final = "presentation_state"
DOCUMENT: Final = "document"
VIDEO: Final = "video"
NONE: Final = "none"

_STORAGE = "1.2.840.10008.5.1.4.1.1"

# PS3.4 B.5. Presentation states that are no softcopy ones (volumetric, blending) are not shown.
_CLASSES: Final = {
    KEY_OBJECTS: (f"{_STORAGE}.88.59",),
    PRESENTATION_STATE: tuple(f"{_STORAGE}.11.{n}" for n in (1, 2, 3, 5)),
    DOCUMENT: tuple(f"{_STORAGE}.104.{n}" for n in (1, 2)),
}
# Classes whose UIDs begin so.
_FAMILIES: Final = {
    REPORT: (f"{_STORAGE}.88.", f"{_STORAGE}.78.6", f"{_STORAGE}.79.1"),
    WAVEFORM: (f"{_STORAGE}.9.",),
}
_KIND_OF: Final = {uid: kind for kind, uids in _CLASSES.items() for uid in uids}

# PS3.5 A.4.6 to A.4.9: the pixels are a video stream.
_MPEG_2: Final = frozenset({"1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101"})
_VIDEO: Final = tuple(f"1.2.840.10008.1.2.4.{n}" for n in range(100, 109))

WHOLE_SLIDE: Final = f"{_STORAGE}.77.1.6"


def kind_of(sop_class_uid: str, transfer_syntax_uid: str, *, has_pixels: bool) -> str:
    """Return the kind of an object."""
    found = _KIND_OF.get(sop_class_uid)
    if found:
        return found
    if has_pixels:
        return VIDEO if is_video(transfer_syntax_uid) else IMAGE
    for kind, beginnings in _FAMILIES.items():
        if sop_class_uid.startswith(beginnings):
            return kind
    return NONE


def is_video(transfer_syntax_uid: str) -> bool:
    """Tell whether the pixels are one video stream (MPEG-2, H.264, H.265; fragmentable or not)."""
    return transfer_syntax_uid.removesuffix(".1").startswith(_VIDEO)


def is_mpeg_2(transfer_syntax_uid: str) -> bool:
    """Tell whether it is MPEG-2, which no browser plays."""
    return transfer_syntax_uid.removesuffix(".1") in _MPEG_2

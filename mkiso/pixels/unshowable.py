"""Why something cannot be shown: the reasons of docs/viewer-format.md, section 7."""

from __future__ import annotations

from typing import Final

CLASS: Final = "class"
DECODER_MISSING: Final = "decoder_missing"
DECODER_FAILED: Final = "decoder_failed"
DECODER_CRASHED: Final = "decoder_crashed"
TIME_LIMIT: Final = "time_limit"
MEMORY_LIMIT: Final = "memory_limit"
TRUNCATED: Final = "truncated"
PIXEL_FORMAT: Final = "pixel_format"
TOO_LARGE: Final = "too_large"
VIDEO_FORMAT: Final = "video_format"
UNREADABLE: Final = "unreadable"
SPACE: Final = "space"
#: Of conversions only: not a reason of the viewer.
NOT_LOSSLESS: Final = "not_lossless"


class UnshowableError(Exception):
    """One frame or one object that becomes a tile. `text` holds no patient data."""

    def __init__(self, code: str, text: str = "") -> None:
        """Keep one of the codes above, and the detail in English."""
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text

    def reason(self) -> dict[str, str]:
        """Return the reason as the page gets it."""
        return {"code": self.code, **({"text": self.text} if self.text else {})}


def name_of_uid(uid: str) -> str:
    """Return the name of a SOP class or transfer syntax (PS3.6 A), the UID when it has none."""
    from pydicom.uid import UID  # noqa: PLC0415 - rarely needed, and slow to load

    return str(UID(uid).name)

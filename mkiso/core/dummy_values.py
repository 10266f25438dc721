"""Values that say nothing, of every value representation (PS3.15 E.1.1, PS3.5 6.2)."""

from __future__ import annotations

_REMOVED = b"REMOVED"
# fmt: off
_DUMMIES = {
    **dict.fromkeys((b"AE", b"CS", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"), _REMOVED),
    b"AS": b"000Y",
    b"DA": b"19000101",
    b"DT": b"19000101000000",
    b"TM": b"000000",
    b"DS": b"0",
    b"IS": b"0",
    b"UR": b"http://removed.invalid",
}
# fmt: on
#: Numbers whose dummy is as long as they are, since others count them.
_AS_LONG = frozenset((b"FL", b"FD", b"OF", b"OD", b"US", b"SS", b"UL", b"SL", b"UV", b"SV", b"AT"))
_TEXTS = frozenset((b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UR", b"UT"))
#: In a dummy item these say how it is built, not about whom it is.
_STRUCTURE = frozenset((b"CS", b"AT", b"US", b"SS", b"UL", b"SL", b"UV", b"SV", b"UI"))


def dummy_value(vr: bytes, size_bytes: int) -> bytes | int:
    """Return a dummy for a value of so many bytes; a number stands for as many zeros."""
    text = _DUMMIES.get(vr)
    if text is not None:
        return text
    return size_bytes if vr in _AS_LONG else b"\0\0"


def is_text(vr: bytes) -> bool:
    """Say whether people write such values freely."""
    return vr in _TEXTS


def is_structure(vr: bytes) -> bool:
    """Say whether such values hold an item together."""
    return vr in _STRUCTURE

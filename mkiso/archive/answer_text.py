"""Character sets of C-FIND answers: the object's own where it fits, UTF-8 otherwise (PS3.5 6.1)."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence

from mkiso.core.text import decode, defined_terms

UTF_8 = "ISO_IR 192"


def joint_character_set(character_sets: Sequence[str], values: Sequence[tuple[str, str]]) -> str:
    """Return the Specific Character Set for an answer whose values (VR, text) came in several.

    Empty when the text is ASCII and no object names a set.
    """
    named = {name for name in character_sets if name}
    coded = [(vr, text) for vr, text in values if not text.isascii()]
    if not coded:
        return named.pop() if len(named) == 1 else ""
    if len(named) != 1 or len(set(character_sets)) != 1:
        return UTF_8
    name = named.pop()
    for vr, text in coded:
        raw = _encoded(vr, text, name)
        if raw is None or decode(raw, name, vr.encode()) != text:
            return UTF_8
    return name


def encoded(vr: str, text: str, character_set: str) -> bytes:
    """Return the bytes of a value in a set that `joint_character_set` chose."""
    if vr == "US":
        numbers = [int(part) for part in text.split("\\") if part.isdigit()]
        return struct.pack(f"<{len(numbers)}H", *numbers)
    if text.isascii():
        return text.encode("ascii")
    raw = _encoded(vr, text, character_set)
    return text.encode() if raw is None else raw


def _encoded(vr: str, text: str, character_set: str) -> bytes | None:
    """Return the bytes of a text that is not ASCII, None when the set cannot express it.

    By pydicom, which knows how to write code extensions (PS3.5 6.1.2.5); such answers are rare.
    """
    terms = defined_terms(character_set)
    if terms is None:
        return None
    from pydicom import charset, valuerep  # noqa: PLC0415 - start-up time

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            encodings = charset.convert_encodings(list(terms))
            if vr == "PN":
                return valuerep.PersonName(text).encode(encodings)
            return charset.encode_string(text, encodings)
        except (UnicodeError, LookupError, Warning):
            return None

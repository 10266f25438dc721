"""What a value of each VR may be (PS3.5 6.2), and the nearest legal value where it is not.

A directory record has to be legal whatever the instance holds; a value that is legal is never
touched. Lengths of text count characters.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

_IS_MAX = 2**31 - 1
# PS3.5 table 6.2-1: the most characters of a value of text.
_TEXT_LENGTH = {b"SH": 16, b"LO": 64, b"PN": 64, b"ST": 1024, b"LT": 10240, b"UC": 2**16}
_FREE_TEXT = frozenset({b"ST", b"LT", b"UT"})  # may have line ends and backslashes
TEXT_VRS = frozenset(_TEXT_LENGTH) | {b"UT"}
_WORD_BYTES = {b"US": 2, b"SS": 2, b"UL": 4, b"SL": 4, b"FL": 4, b"FD": 8, b"AT": 4}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_IN_FREE_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_NOT_CODE = re.compile(rb"[^A-Z0-9_ \\]")
_DATE_WITH_DOTS = re.compile(rb"\d{4}\.\d\d\.\d\d").fullmatch  # ACR-NEMA, PS3.5 6.2 note

_matches: dict[bytes, Callable[[bytes], object]] = {
    b"CS": re.compile(rb"[A-Z0-9_ ]{0,16}(\\[A-Z0-9_ ]{0,16})*").fullmatch,
    # PS3.5 9.1; ISO/IEC 9834-1: the roots are 0, 1 and 2
    b"UI": re.compile(
        rb"(?=[^\\]{1,64}(\\|$))[012](\.(0|[1-9]\d*))+"
        rb"(\\(?=[^\\]{1,64}(\\|$))[012](\.(0|[1-9]\d*))+)*"
    ).fullmatch,
    b"IS": re.compile(rb" *[+-]?\d{1,11} *(\\ *[+-]?\d{1,11} *)*").fullmatch,
    b"DS": re.compile(
        rb"(?=[^\\]{1,16}(\\|$)) *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *"
        rb"(\\(?=[^\\]{1,16}(\\|$)) *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *)*"
    ).fullmatch,
    b"TM": re.compile(rb"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?").fullmatch,
    b"DT": re.compile(
        rb"\d{4}((0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])(([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?)?)?)?"
        rb"([+-](0\d|1[0-4])[0-5]\d)?"
    ).fullmatch,
    b"AS": re.compile(rb"\d{3}[DWMY]").fullmatch,
    b"AE": re.compile(rb"[ -\[\]-~]{0,16}").fullmatch,
    b"SH": re.compile(rb"[ -\[\]-~]{0,16}").fullmatch,
    b"LO": re.compile(rb"[ -\[\]-~]{0,64}").fullmatch,
    b"PN": re.compile(rb"[ -<>-\[\]-~]{0,64}").fullmatch,
    b"ST": re.compile(rb"[ -~]{0,1024}").fullmatch,
    b"LT": re.compile(rb"[ -~]{0,10240}").fullmatch,
    b"UC": re.compile(rb"[ -~]{0,65536}").fullmatch,
    b"UT": re.compile(rb"[ -~]*").fullmatch,
}


def legal(vr: bytes, value: bytes) -> bool:
    """Tell whether a value without padding is legal; text beyond ASCII is not judged here."""
    match = _matches.get(vr)
    if match is not None:
        if not match(value):
            return not value
        if vr == b"PN":
            return value.count(b"^") <= 4
        return vr != b"IS" or all(abs(int(part)) <= _IS_MAX for part in value.split(b"\\"))
    if vr == b"DA":
        return not value or _is_date(value)
    return not len(value) % _WORD_BYTES.get(vr, 1)


def nearest(vr: bytes, value: bytes) -> bytes:
    """Return a legal value for an illegal one of a VR without text, b"" when there is none."""
    if vr == b"DA" and _DATE_WITH_DOTS(value):
        value = value.replace(b".", b"")
    elif vr == b"TM":
        value = value[:64].strip().replace(b":", b"")
        while value and not legal(vr, value):
            value = value[:-1]
    elif vr == b"CS":
        cleaned = _NOT_CODE.sub(b"_", value.upper())
        value = b"\\".join(part.strip()[:16] for part in cleaned.split(b"\\"))
    elif vr == b"AE":
        value = re.sub(rb"[^ -\[\]-~]", b"", value).strip()[:16]
    return value if legal(vr, value) else b""


def legal_text(vr: bytes, text: str) -> str:
    """Return a text with what its VR forbids taken out, cut to its length; itself when legal."""
    if vr in _FREE_TEXT:
        return _CONTROL_IN_FREE_TEXT.sub(" ", text)[: _TEXT_LENGTH.get(vr)]
    text = _CONTROL.sub(" ", text).replace("\\", "/")
    if vr != b"PN":
        return text[: _TEXT_LENGTH[vr]]
    groups = ["^".join(group.split("^")[:5])[:64] for group in text.split("=")[:3]]
    return "=".join(groups)


def _is_date(value: bytes) -> bool:
    if len(value) != 8 or not value.isdigit():
        return False
    try:
        dt.date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return False
    return True

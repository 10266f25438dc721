"""Character sets: the text of a value for a person, a page or a comparison (PS3.5 6.1).

Nothing here raises: what cannot be decoded is shown with U+FFFD in its place.
"""

from __future__ import annotations

import re

# PS3.3 C.12.1.1.2, tables C.12-2 to C.12-5: the number of the ISO registration, Python's codec.
# As a first value it is what the text begins in; ISO 2022 IR 87 and the like begin in ASCII.
_CODECS = {
    "6": "ascii",  # read as Latin-1, since that is what else is found there
    "13": "shift_jis",  # JIS X 0201: half-width katakana
    "58": "gb2312",
    "87": "iso2022_jp",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "149": "euc_kr",
    "159": "iso2022_jp_2",
    "166": "iso8859_11",
    "192": "utf_8",
    "203": "iso8859_15",
}
_OTHER_TERMS = {"": "ascii", "GB18030": "gb18030", "GBK": "gbk"}

# PS3.3 C.12.1.1.2, tables C.12-3 and C.12-4: what an escape sequence switches to.
_ESCAPES = {
    b"\x1b(B": "ascii",
    b"\x1b(J": "shift_jis",
    b"\x1b)I": "shift_jis",
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "iso8859_11",
    b"\x1b-b": "iso8859_15",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)A": "gb2312",
    b"\x1b$)C": "euc_kr",
}
_ESCAPE = re.compile(b"(" + b"|".join(re.escape(escape) for escape in _ESCAPES) + b")")
# PS3.5 6.1.2.5.3: before these the text has to return, and does so by itself, to where it began.
_DELIMITERS = re.compile(rb"[\\\r\n\t\f]")
_PERSON_NAME_DELIMITERS = re.compile(rb"[\\\r\n\t\f^=]")
_TERM = re.compile(r"ISO[ _-]?(2022)?[ _-]?IR[ _-]?(\d+)")
_CODED = re.compile(rb"[\x1b\x80-\xff]").search


def is_ascii(value: bytes) -> bool:
    """Tell whether a value reads the same in every character set: ASCII, no escape sequence."""
    return _CODED(value) is None


def defined_terms(character_set: str) -> tuple[str, ...] | None:
    """Return the terms of a Specific Character Set as the standard spells them.

    `character_set` is the value as it stands, with backslashes. None when one is unknown;
    ("",) for an absent value.
    """
    terms = []
    for term in character_set.upper().split("\\"):
        spelled = term.strip(" \0")
        match = _TERM.fullmatch(spelled)
        if match and match[2] in _CODECS:
            spelled = f"ISO 2022 IR {match[2]}" if match[1] else f"ISO_IR {match[2]}"
        elif spelled not in _OTHER_TERMS:
            return None
        terms.append(spelled)
    return tuple(terms)


def _codec(term: str, *, strict: bool) -> str:
    codec = _OTHER_TERMS.get(term) or _CODECS[term.rpartition(" ")[2]]
    return "latin_1" if codec == "ascii" and not strict else codec


def decode_terms(value: bytes, terms: tuple[str, ...], vr: bytes = b"LO", *, strict: bool) -> str:
    """Return the text of a value under known terms.

    Raises UnicodeDecodeError when `strict` and a byte means nothing there.
    """
    errors = "strict" if strict else "replace"
    first = _codec(terms[0], strict=strict)
    if b"\x1b" not in value or terms[0] in {"ISO_IR 192", "GB18030", "GBK"}:
        return value.decode(first, errors)
    delimiters = _PERSON_NAME_DELIMITERS if vr == b"PN" else _DELIMITERS
    pieces = _ESCAPE.split(value)
    text = [pieces[0].decode(first, errors)]
    for escape, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        codec = _ESCAPES[escape]
        if codec.startswith("iso2022"):  # two bytes of 7 bits: a delimiter's code may be half of it
            text.append((escape + piece).decode(codec, errors))
            continue
        end = delimiters.search(piece)
        cut = end.start() if end else len(piece)
        # ESC ( B leaves the upper half as it was: what stands there is the first set's
        text.append(piece[:cut].decode(first if codec == "ascii" else codec, errors))
        text.append(piece[cut:].decode(first, errors))
    return "".join(text)


def decode(value: bytes, character_set: str, vr: bytes | str = b"LO") -> str:
    """Return the text of a value for a person or a comparison, without padding.

    `character_set` is (0008,0005) as it stands. Where it is absent or unknown to everybody,
    UTF-8 is tried before Latin-1: that is what modalities write without saying so.
    """
    value = value.rstrip(b" \0")
    if is_ascii(value):
        return value.decode("ascii")
    terms = defined_terms(character_set)
    if terms is not None and terms not in {("",), ("ISO_IR 6",)}:
        vr = vr.encode("ascii") if isinstance(vr, str) else vr
        return decode_terms(value, terms, vr, strict=False)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


#: Of table C.12-2: one byte a character, or UTF-8; a delimiter's code is never half of another.
_PLAIN_TERMS = frozenset(
    f"ISO_IR {n}" for n in (100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 192, 203)
)


def encode(text: str, terms: tuple[str, ...] | None) -> bytes | None:
    """Return a text in a character set; None when it does not fit, or only with code extensions.

    ASCII fits every set, unknown ones too.
    """
    if text.isascii():
        return text.encode("ascii")
    if terms is None or len(terms) != 1 or terms[0] not in _PLAIN_TERMS:
        return None
    try:
        return text.encode(_codec(terms[0], strict=True))
    except UnicodeEncodeError:
        return None

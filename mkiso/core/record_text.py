"""The Specific Character Set of a directory record: what its text needs, and no more.

It is 1C in every record (PS3.3 F.3.2.2). The bytes of the instance are kept wherever a legal
declaration reads them as the instance's own does; only the rest is written anew in UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mkiso.core import text

UTF_8 = "ISO_IR 192"
_LATIN_1 = "ISO_IR 100"

# Terms that validators (dicom3tools, dcmtk) know as the only value. GBK, ISO_IR 203 and a single
# ISO 2022 term are legal in today's PS3.3 C.12.1.1.2, but refused by the readers in the field.
_WELL_KNOWN = frozenset(
    {"GB18030", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 126"}
    | {"ISO_IR 127", "ISO_IR 138", "ISO_IR 144", "ISO_IR 148", "ISO_IR 166", UTF_8}
)
_C1_CONTROL = re.compile("[\x80-\x9f]").search


def declaration(character_set: str, texts: Iterable[tuple[bytes, bytes]]) -> tuple[str, bool]:
    """Return the Specific Character Set for a record and whether its texts stay as they are.

    `texts` are (value, VR) in `character_set`; "" when no declaration is needed. Texts that do
    not stay are to be written in UTF-8, as `text.decode` reads them.
    """
    special = [(value, vr) for value, vr in texts if not text.is_ascii(value)]
    if not special:
        return "", True
    for terms in _candidates(character_set):
        if all(_reads_alike(value, vr, character_set, terms) for value, vr in special):
            return "\\".join(terms), True
    return UTF_8, False


def _candidates(character_set: str) -> list[tuple[str, ...]]:
    """Return the declarations to try, the instance's own first."""
    terms = text.defined_terms(character_set)
    if terms is None or terms in {("",), ("ISO_IR 6",)}:
        return [(UTF_8,), (_LATIN_1,)]  # what text.decode takes it for
    if len(terms) > 1 or terms[0] in _WELL_KNOWN:
        return [terms]
    number = terms[0].rpartition(" ")[2]
    if number == "13":
        return [("ISO 2022 IR 13", "ISO 2022 IR 87")]
    return [(f"ISO_IR {number}",), ("", f"ISO 2022 IR {number}")]


def _reads_alike(value: bytes, vr: bytes, character_set: str, terms: tuple[str, ...]) -> bool:
    """Tell whether `terms` is well known and reads `value` as the instance's own set does."""
    if len(terms) == 1 and terms[0] not in _WELL_KNOWN:
        return False
    try:
        found = text.decode_terms(value, terms, vr, strict=True)
    except (UnicodeDecodeError, KeyError):
        return False
    if terms[0] not in {UTF_8, "GB18030"} and _C1_CONTROL(found):
        return False  # refused as no character of the repertoire
    return found == text.decode(value, character_set, vr)

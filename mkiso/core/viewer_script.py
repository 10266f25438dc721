"""JSON as classic scripts that a page may load from file:// (docs/viewer-format.md, section 1)."""

from __future__ import annotations

import json
from typing import Any, Final

#: Harmless when the file is double-clicked: Windows Script Host has no document.
_GUARD: Final = 'if(typeof document!=="undefined"&&window.MKISO)MKISO.'

# What could end a script element, or begin a comment or an entity, were the text ever inlined.
_ESCAPED: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def to_json(content: Any) -> str:
    """Return JSON of ASCII characters that is safe in a script element, too.

    Raises ValueError for numbers that JSON does not know.
    """
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPED)


def script(function: str, *arguments: Any) -> bytes:
    """Return the script that calls `MKISO.function` with JSON arguments."""
    listed = ",".join(to_json(argument) for argument in arguments)
    return f"{_GUARD}{function}({listed});\n".encode("ascii")


def chunk_frame(series: str, number: int) -> tuple[bytes, bytes, bytes]:
    """Return what stands before, between and after the base64 texts of a chunk."""
    before = f'{_GUARD}chunk({to_json(series)},{number},["'
    return before.encode("ascii"), b'","', b'"]);\n'

"""The institution's logo as a part of INDEX.HTM, which needs no other file to be whole."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from mkiso.errors import ConfigError

MAX_LOGO_BYTES: Final = 256 * 1024

#: How a picture begins, and what it is; as an <img> none of them can run a script.
_KINDS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"<svg", "image/svg+xml"),
    (b"<?xml", "image/svg+xml"),
)


def logo_uri(path: str) -> str:
    """Give the picture as a data URI, "" without one. Raises ConfigError when it cannot be used."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_LOGO_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"The logo {path} cannot be read: {error.strerror}; correct [institution] logo."
        ) from error
    kind = next((kind for magic, kind in _KINDS if content.startswith(magic)), "")
    if not kind or len(content) > MAX_LOGO_BYTES:
        raise ConfigError(
            f"The logo {path} must be a PNG, JPEG, GIF or SVG file of at most "
            f"{MAX_LOGO_BYTES >> 10} KiB."
        )
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"

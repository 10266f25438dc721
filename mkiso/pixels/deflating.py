"""zlib streams and check sums, as fast as the machine can make them (RFC 1950).

Strategy Z_RLE is both smaller and faster on prediction residuals than the default one. zlib-ng
makes streams of the same size in about half the time; where it is missing Python's zlib does.
"""

from __future__ import annotations

import importlib
import zlib
from typing import Any

_library: Any
try:
    _library = importlib.import_module("zlib_ng.zlib_ng")
except ImportError:  # no wheel for this machine, and nothing to compile it with
    _library = zlib

_LEVEL, _WINDOW_BITS, _MEMORY_LEVEL = 6, 15, 9


def deflate(content: Any) -> bytes:
    """Return the zlib stream of a buffer of prediction residuals."""
    packer = _library.compressobj(
        _LEVEL, _library.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, _library.Z_RLE
    )
    first: bytes = packer.compress(content)
    last: bytes = packer.flush()
    return first + last


def deflate_bits(content: Any) -> bytes:
    """Return the zlib stream of packed bits, where longer repetitions are worth finding."""
    return zlib.compress(content, 6)


def adler32(content: Any, start: int = 1) -> int:
    """Return the Adler-32 of a buffer, going on from `start`."""
    return int(_library.adler32(content, start))

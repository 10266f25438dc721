"""The stages after the transfer, which are imported while the archive searches.

Importing them takes half as long again as what the first question to the archive needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mkiso.later import Preparation, later

_FOR_ALL = ("audit", "author", "convert", "forward", "label", "pack", "publish", "verify", "write")
_STAGES = tuple(f"mkiso.stages.{name}" for name in _FOR_ALL)

if TYPE_CHECKING:
    from mkiso.stages import (
        audit,
        author,
        convert,
        deidentify,
        forward,
        label,
        pack,
        publish,
        verify,
        write,
    )
else:
    audit, author, convert, forward, label, pack, publish, verify, write = later(*_STAGES)
    (deidentify,) = later("mkiso.stages.deidentify")

__all__ = [
    "audit", "author", "convert", "deidentify", "forward", "label", "pack", "prepare", "publish",
    "verify", "write",
]  # fmt: skip


def prepare(then: Callable[[], object]) -> Preparation:
    """Begin to import them, and call `then`, beside the thread that waits for the archive."""
    return Preparation(_STAGES, then)

"""The standard streams, however PHP or cron left them: closed, in ASCII, or on a full disk."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def prepare_streams() -> None:
    """Open what is closed among stdin, stdout and stderr, and make them UTF-8.

    A closed descriptor would be given to the next file that is opened, an image perhaps, and a
    stray print would go into it.
    """
    for descriptor in (0, 1, 2):
        if not _is_open(descriptor):
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def write_line(stream: TextIO | None, line: str) -> str:
    """Write a line at once; when the reader has gone or the disk is full, go on without.

    Return why it is lost, "" when it is not: a reader that went away wanted no more.
    """
    if stream is None:
        return ""
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        _point_nowhere(stream)
    except (OSError, ValueError) as error:
        _point_nowhere(stream)
        return getattr(error, "strerror", None) or "it is closed"
    return ""


def close_quietly() -> None:
    """Flush the streams, so that the interpreter's end finds nothing to fail on (its code: 120)."""
    _flush(sys.stdout)
    _flush(sys.stderr)


def text_argument(value: str) -> str:
    """Return an argument as the UTF-8 text that was typed, also under a locale such as ISO 8859-1.

    Bytes that are no UTF-8 stay undecodable: the checks of accession numbers refuse them.
    """
    return os.fsencode(value).decode("utf-8", "surrogateescape")


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _flush(stream: TextIO | None) -> None:
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        _point_nowhere(stream)


def _point_nowhere(stream: TextIO | None) -> None:
    """Let the stream's descriptor lead to the null device, for what is still in its buffer."""
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

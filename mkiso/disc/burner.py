"""Runs xorriso, and compares what is on a medium with the image."""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from mkiso.disc.disc_reading import ReportBytes, silent
from mkiso.errors import DriveError

#: A command and who hears its lines -> exit status.
Run: TypeAlias = Callable[[Sequence[str], Callable[[str], None]], int]

#: A drive that says nothing for so long hangs; closing a disc takes some minutes.
SILENCE_SECONDS = 900.0
_PIECE = 4 * 1024 * 1024


def run_program(
    command: Sequence[str], hear: Callable[[str], None], silence_seconds: float = SILENCE_SECONDS
) -> int:
    """Run a command and return its exit status; `hear` gets every line, and may raise to stop it.

    Raises DriveError when it is not installed, or says nothing for too long.
    """
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            bufsize=0,
        )
    except FileNotFoundError as error:
        raise DriveError(f"{command[0]} is not installed; install the package xorriso.") from error
    try:
        for line in _lines(process, silence_seconds):
            hear(line)
        return process.wait(timeout=silence_seconds)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout:
            process.stdout.close()


def _lines(process: subprocess.Popen[bytes], silence_seconds: float) -> Iterator[str]:
    """Give the lines of a program; those of progress end in a carriage return."""
    assert process.stdout  # noqa: S101 - a pipe was asked for
    descriptor = process.stdout.fileno()
    rest = b""
    deadline = time.monotonic() + silence_seconds
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise DriveError(f"The drive said nothing for {silence_seconds:g} s; it hangs.")
        read = os.read(descriptor, 65536)
        deadline = time.monotonic() + silence_seconds
        *whole, rest = (rest + read).replace(b"\r", b"\n").split(b"\n")
        for line in whole if read else [*whole, rest]:
            if line.strip():
                yield line.decode("utf-8", "replace").strip()
        if not read:
            return


def first_difference(image: Path, medium: Path, progress: ReportBytes = silent) -> int | None:
    """Return the offset of the piece in which the medium is not the image, None when it is equal.

    What follows the image on the medium is padding. The medium is read from the medium, not from
    memory. Raises OSError.
    """
    size, done = image.stat().st_size, 0
    with image.open("rb", buffering=0) as one, medium.open("rb", buffering=0) as other:
        os.posix_fadvise(other.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while done < size:
            wanted = min(_PIECE, size - done)
            if _read(one.fileno(), wanted, done) != _read(other.fileno(), wanted, done):
                return done
            done += wanted
            progress(done, size)
    return None


def _read(descriptor: int, length: int, offset: int) -> bytes:
    """Return the hash of a piece, which may come in parts."""
    digest = hashlib.sha256()
    while length:
        piece = os.pread(descriptor, length, offset)
        if not piece:
            break
        digest.update(piece)
        offset, length = offset + len(piece), length - len(piece)
    return digest.digest()

"""A worker process: reads tasks from stdin, sends events to stdout, one JSON value a line.

Whatever a decoder does to this process costs one frame: memory and time are limited by the
kernel, and nothing but JSON goes back, so that a captured decoder has nobody to persuade.
A line is a letter and JSON: I description, F frame, P icon, R result, E the task cannot be done, X
the disk failed, B it goes on, D done; H once, when the process is ready.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkiso.core.byte_source import HeaderError
from mkiso.core.viewer_groups import shared_attributes
from mkiso.core.viewer_image import image_attributes
from mkiso.core.viewer_values import Values, read_values
from mkiso.pixels.chunk_files import assemble
from mkiso.pixels.frames import FrameReader
from mkiso.pixels.icons import icon
from mkiso.pixels.instance_payload import InstancePayload
from mkiso.pixels.large_frames import LargeFrames
from mkiso.pixels.preview import thumbnail
from mkiso.pixels.spool import Spool
from mkiso.pixels.unshowable import MEMORY_LIMIT, NOT_LOSSLESS, UNREADABLE, UnshowableError

_HEAD_BYTES = 65536
#: Decoding gives way to the reception that goes on at the same time.
_NICENESS = 5
#: How often a long task says that it goes on.
_BEAT_SECONDS = 5


class _Worker:
    """One process's state: where it writes, and scratch arrays."""

    def __init__(
        self, folder: Path, name: str, frame_seconds: int, send: Callable[[bytes], None]
    ) -> None:
        self._frame_seconds = frame_seconds
        self._send = send
        self._last = time.monotonic()
        self._room = LargeFrames(folder, self._beat).room
        self._payload = InstancePayload(Spool(folder, name, self._beat), self._room)
        self._tasks: dict[str, Callable[[dict[str, Any]], None]] = {
            "instance": self._instance,
            "thumbnail": self._thumbnail,
            "chunk": self._chunk,
            "convert": self._convert,
            "icon": self._icon,
        }

    def do(self, task: dict[str, Any]) -> None:
        """Do a task and say so; what cannot be done is said, too."""
        try:
            self._tasks[task["do"]](task)
        except UnshowableError as error:
            self._event("E", error.reason())
        except MemoryError:
            self._event("E", {"code": MEMORY_LIMIT})
        except OSError as error:
            self._event("X", error.errno or errno.EIO)
        except Exception as error:  # noqa: BLE001 - a stranger's bytes; a bug costs one tile
            self._event("E", {"code": UNREADABLE, "text": type(error).__name__})
        signal.alarm(0)
        self._send(b"D\n")

    def _beat(self) -> None:
        """Begin the time of a frame anew: something is going on, and nothing hangs."""
        signal.alarm(self._frame_seconds)
        if time.monotonic() > self._last + _BEAT_SECONDS:
            self._last = time.monotonic()
            self._send(b"B\n")

    def _event(self, letter: str, content: Any) -> None:
        self._send(
            f"{letter}{json.dumps(content, allow_nan=False, separators=(',', ':'))}\n".encode(
                "ascii"
            )
        )

    def _instance(self, task: dict[str, Any]) -> None:
        """Describe an object and make its frames, each within its time."""
        with _opened(task) as (values, read_at):
            self._beat()
            for letter, content in self._payload.events(
                values,
                task["syntax"],
                read_at,
                frames=(task["first"], task["stop"]),
                preview=task["preview"],
                with_icon=task["icon"],
            ):
                self._event(letter, content)
                self._beat()

    def _thumbnail(self, task: dict[str, Any]) -> None:
        """Send the picture of one frame."""
        with _opened(task) as (values, read_at):
            self._beat()
            reader = FrameReader(values, task["syntax"], read_at, self._room)
            index = min(task["frame"], reader.count - 1)
            self._event("R", thumbnail(reader.samples(index), task["attributes"]))

    def _icon(self, task: dict[str, Any]) -> None:
        """Send a small grey picture of an object's first frame."""
        with _opened(task) as (values, read_at):
            self._beat()
            reader = FrameReader(values, task["syntax"], read_at, self._room)
            attributes = {**image_attributes(values), **shared_attributes(values)}
            self._event("R", icon(reader.samples(0), attributes))

    def _convert(self, task: dict[str, Any]) -> None:
        """Write an instance in another transfer syntax, or say why that cannot be done."""
        from mkiso.pixels.conversion import NotLosslessError, convert_file  # noqa: PLC0415 - a third of a second that the viewer does not need

        self._beat()
        try:
            self._event("R", convert_file(task, self._beat))
        except NotLosslessError as error:
            self._event("E", {"code": NOT_LOSSLESS, "text": str(error)})

    def _chunk(self, task: dict[str, Any]) -> None:
        """Write one chunk file of the disc."""
        self._event("R", assemble(task))


@contextlib.contextmanager
def _opened(task: dict[str, Any]) -> Iterator[tuple[Values, Callable[[int, int], bytes]]]:
    """Give the values of the object of a task, and what reads bytes of its data set.

    Raises UnshowableError, OSError.
    """
    descriptor = os.open(task["path"], os.O_RDONLY | os.O_CLOEXEC)
    base = task["offset"]
    try:
        size = os.fstat(descriptor).st_size - base

        def read_at(offset: int, length: int) -> bytes:
            return os.pread(descriptor, length, base + offset)

        try:
            values = read_values(read_at(0, _HEAD_BYTES), read_at, size, task["syntax"])
        except HeaderError as error:
            raise UnshowableError(UNREADABLE, error.message) from error
        yield values, read_at
    finally:
        os.close(descriptor)


def main(folder: str, name: str, frame_seconds: int, memory_bytes: int) -> None:
    """Work until stdin ends. Limits are seconds a frame, and bytes of address space."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, even inside a decoder
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's image
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    os.nice(_NICENESS)
    warnings.simplefilter("ignore")
    logging.disable()
    answers = os.dup(1)
    _silence()

    def send(line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[os.write(answers, view) :]

    worker = _Worker(Path(folder), name, frame_seconds, send)
    send(b"H\n")
    for line in sys.stdin.buffer:
        worker.do(json.loads(line))


def _silence() -> None:
    """Send what decoders print nowhere: it would break the answers, or tell of a patient."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)

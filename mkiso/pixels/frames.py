"""The frames of one object, read one at a time whatever their number."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final, TypeAlias

from mkiso.core.viewer_values import Values
from mkiso.pixels.codestream import read_codestream, shows_right_in_browser
from mkiso.pixels.fragments import Frame, ReadAt, frames_of, stream_of
from mkiso.pixels.native import frame_place, stored_values, words_of
from mkiso.pixels.payload import Samples
from mkiso.pixels.pixel_format import MAX_MISSING_FRAMES, PixelFormat, read_format
from mkiso.pixels.unshowable import MEMORY_LIMIT, TRUNCATED, UnshowableError

# What may be passed through: JPEG of 8 bits.
_JPEG: Final = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
#: Waits until a frame of so many bytes may be decoded.
Room: TypeAlias = "Callable[[int], contextlib.AbstractContextManager[None]]"


def any_room(size_bytes: int) -> contextlib.AbstractContextManager[None]:
    """Give room at once."""
    del size_bytes
    return contextlib.nullcontext()


class FrameReader:
    """Reads the frames of an object with pixels. Raises UnshowableError where one cannot be."""

    def __init__(
        self, values: Values, transfer_syntax_uid: str, read_at: ReadAt, room: Room = any_room
    ) -> None:
        """Take the object's values, what reads bytes of its data set, and room for decoding."""
        self._room = room
        self.format: PixelFormat = read_format(values, transfer_syntax_uid)
        self._read_at = read_at
        self._fragments: list[Frame] | None = None
        span = values.span(self.format.keyword)
        self._start, self._size = (span.start, span.stop - span.start) if span else (0, 0)
        if values.is_encapsulated(self.format.keyword):
            self._fragments = frames_of(values, read_at, self.format.frames)
            available = len(self._fragments)
        else:
            available = 8 * self._size // self.format.frame_bits
        self.count = min(self.format.frames, available + MAX_MISSING_FRAMES)

    @property
    def is_encapsulated(self) -> bool:
        """Whether the frames have to be decoded."""
        return self._fragments is not None

    def stream(self, index: int) -> bytes:
        """Return the compressed bytes of a frame."""
        if self._fragments is None or index >= len(self._fragments):
            raise UnshowableError(TRUNCATED, f"Frame {index + 1} is not there.")
        return stream_of(self._fragments[index], self._read_at)

    def browser_jpeg(self, stream: bytes) -> bytes | None:
        """Return the JPEG stream of a colour frame that a browser shows as it is meant."""
        if self.format.transfer_syntax_uid not in _JPEG or self.format.samples != 3:
            return None
        found = read_codestream(stream)
        size = self.format.rows, self.format.columns
        if found is None or (found.rows, found.columns) != size:
            return None
        return stream if shows_right_in_browser(found, self.format.photometric) else None

    def words(self, index: int, stream: bytes | None = None) -> Samples:
        """Return the words of a frame, colours as RGB; unused bits are as they were stored."""
        try:
            if self._fragments is None:
                return self._native(index)
            from mkiso.pixels.decoding import decode_frame  # noqa: PLC0415 - a third of a second

            stream = self.stream(index) if stream is None else stream
            with self._room(self.format.frame_bits // 8):
                return decode_frame(stream, self.format)
        except MemoryError as error:
            raise UnshowableError(MEMORY_LIMIT, f"Frame {index + 1}") from error

    def samples(self, index: int) -> Samples:
        """Return the stored values of a frame."""
        return stored_values(self.words(index), self.format)

    def _native(self, index: int) -> Samples:
        start, length, skip = frame_place(self.format, index)
        if (index + 1) * self.format.frame_bits > 8 * self._size:
            raise UnshowableError(TRUNCATED, f"Frame {index + 1} is not whole.")
        raw = self._read_at(self._start + start, min(length, self._size - start))
        try:
            words = words_of(raw, self.format, skip)
        except ValueError as error:
            raise UnshowableError(TRUNCATED, f"Frame {index + 1} is not whole.") from error
        if self.format.samples == 1 or self.format.photometric == "RGB":
            return words
        from mkiso.pixels.colour import rgb_of  # noqa: PLC0415 - a third of a second

        return rgb_of(words, self.format.photometric)

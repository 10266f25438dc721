"""One object into what the page gets of it: a description, then its frames one by one.

Each step is a JSON value that the caller sends on at once: nothing of an object is kept here,
whatever its number of frames.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from mkiso.core import viewer_kinds as kinds
from mkiso.core.record_types import record_type
from mkiso.core.viewer_groups import frame_attributes, shared_attributes
from mkiso.core.viewer_image import image_attributes
from mkiso.core.viewer_presentation import presentation_state
from mkiso.core.viewer_report import key_object, report
from mkiso.core.viewer_values import Values
from mkiso.pixels.documents import document, video
from mkiso.pixels.fragments import ReadAt
from mkiso.pixels.frame_payload import FrameMaker
from mkiso.pixels.frames import FrameReader, Room, any_room
from mkiso.pixels.icons import icon
from mkiso.pixels.overlays import read_overlays
from mkiso.pixels.payload import PayloadEncoder
from mkiso.pixels.pixel_format import has_pixels
from mkiso.pixels.spool import Spool
from mkiso.pixels.unshowable import (
    CLASS,
    TOO_LARGE,
    TRUNCATED,
    UnshowableError,
    name_of_uid,
)
from mkiso.pixels.waveforms import waveform_frames

#: "I" and the description of the object, "F" and one frame, "P" and the icon of the first.
Event: TypeAlias = "tuple[str, dict[str, Any]]"

#: A whole slide of more raw bytes than this is not a stack of frames that anybody wants to see.
_WHOLE_SLIDE_BYTES = 64 << 20


class Wanted(NamedTuple):
    """The frames of an image from `first` to before `stop`: how, and whether its icon, too."""

    first: int
    stop: int
    preview: bool
    icon: bool


class InstancePayload:
    """Makes the events of objects; keeps scratch arrays between them."""

    def __init__(self, spool: Spool, room: Room = any_room) -> None:
        """Write pixels and documents into `spool`; large frames wait for `room`."""
        self._room = room
        self._spool = spool
        self._encoder = PayloadEncoder()

    def events(
        self,
        values: Values,
        transfer_syntax_uid: str,
        read_at: ReadAt,
        *,
        frames: tuple[int, int] = (0, sys.maxsize),
        preview: bool = False,
        with_icon: bool = False,
    ) -> Iterator[Event]:
        """Yield the description, then the frames from the first of `frames` to before the second.

        The description comes with frame 0 alone, as does an image's icon, `with_icon`. With
        `preview` frames are 8-bit pictures.

        Raises UnshowableError when there is nothing to show at all, and OSError.
        """
        kind = kinds.kind_of(
            values.uid("SOPClassUID"), transfer_syntax_uid, has_pixels=has_pixels(values)
        )
        if kind == kinds.IMAGE:
            wanted = Wanted(*frames, preview, with_icon)
            yield from self._image(values, transfer_syntax_uid, read_at, wanted)
        elif kind == kinds.WAVEFORM:
            yield from self._waveform(values)
        else:
            yield "I", {"kind": kind, **self._described(kind, values, transfer_syntax_uid, read_at)}

    def _described(
        self, kind: str, values: Values, transfer_syntax_uid: str, read_at: ReadAt
    ) -> dict[str, Any]:
        """Return the content of what has no frames."""
        number = values.number("InstanceNumber")
        found: dict[str, Any] = {} if number is None else {"number": number}
        if kind == kinds.REPORT:
            return {**found, "report": report(values)}
        if kind == kinds.KEY_OBJECTS:
            return {**found, "report": report(values), "key_object": key_object(values)}
        if kind == kinds.PRESENTATION_STATE:
            planes = (overlay.plane(0, None) for overlay in read_overlays(values))
            overlays = [plane for plane in planes if plane]
            state = presentation_state(values)
            return {
                **found,
                "presentation_state": {**state, **({"overlays": overlays} if overlays else {})},
            }
        if kind == kinds.DOCUMENT:
            return {**found, **document(values, read_at, self._spool)}
        if kind == kinds.VIDEO:
            return {**found, **video(values, transfer_syntax_uid, read_at, self._spool)}
        sop_class_uid = values.uid("SOPClassUID")
        if record_type(sop_class_uid, has_pixels="Rows" in values) == "IMAGE":
            raise UnshowableError(TRUNCATED, "There is no pixel data.")
        raise UnshowableError(CLASS, name_of_uid(sop_class_uid))

    def _image(
        self,
        values: Values,
        transfer_syntax_uid: str,
        read_at: ReadAt,
        wanted: Wanted,
    ) -> Iterator[Event]:
        """Yield the events of an image."""
        reader = FrameReader(values, transfer_syntax_uid, read_at, self._room)
        attributes = {**image_attributes(values), **shared_attributes(values)}
        if _is_large_slide(values, reader):
            if wanted.icon:
                yield "P", icon(reader.samples(0), attributes)
            raise UnshowableError(TOO_LARGE, f"A whole slide of {reader.count} tiles.")
        attributes["transfer_syntax"] = transfer_syntax_uid
        number = values.number("InstanceNumber")
        if number is not None:
            attributes["number"] = number
        if not wanted.first:
            yield "I", {"kind": kinds.IMAGE, "frames": reader.count, **attributes}
        maker = FrameMaker(reader, values, attributes, self._encoder, self._spool)
        own = itertools.chain(frame_attributes(values), itertools.repeat({}))
        numbers = range(wanted.first, min(wanted.stop, reader.count))
        for index, said in zip(numbers, itertools.islice(own, wanted.first, None), strict=False):
            if index or not wanted.icon:
                yield "F", maker.frame(index, said, preview=wanted.preview)
                continue
            frame, picture = maker.frame_and_icon(index, said, preview=wanted.preview)
            if picture:
                yield "P", picture
            yield "F", frame

    def _waveform(self, values: Values) -> Iterator[Event]:
        """Yield the events of a waveform: each multiplex group is a frame."""
        described, frames = waveform_frames(values, self._encoder, self._spool)
        number = values.number("InstanceNumber")
        own = {} if number is None else {"number": number}
        yield "I", {"kind": kinds.WAVEFORM, "frames": len(frames), "waveform": described, **own}
        yield from (("F", frame) for frame in frames)


def _is_large_slide(values: Values, reader: FrameReader) -> bool:
    """Tell whether this is a whole slide image of many tiles (PS3.3 C.8.12.4)."""
    size = reader.count * reader.format.frame_bits // 8
    return values.uid("SOPClassUID") == kinds.WHOLE_SLIDE and size > _WHOLE_SLIDE_BYTES

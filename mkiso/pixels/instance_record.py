"""What is known of one submitted object: the workers' lines, and tiles where one died."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from mkiso.core.icon_rules import Icon
from mkiso.core.model import ReceivedInstance
from mkiso.pixels.icon_jobs import icon_of
from mkiso.pixels.unshowable import UNREADABLE

#: Frames that the worker makes that describes an object; the others are shared out.
_FIRST_FRAMES: Final = 8
#: Fewer frames are not worth another worker's reading of the header.
_FEWEST_SHARED: Final = 8
#: Workers that one object, one series, one job may kill before the rest of it is given up.
_MOST_OF_INSTANCE: Final = 2
_MOST_OF_SERIES: Final = 4
_MOST_OF_ALL: Final = 24
_ALL = ""


class Deaths:
    """Counts the workers that died, so that a bad decoder does not take hours to be bad."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, *names: str) -> None:
        """Count one more for each of the names, and for all."""
        with self._lock:
            self._counts.update((*names, _ALL))

    def are_too_many(self, instance: ReceivedInstance) -> bool:
        """Tell whether nothing more of an object is to be tried."""
        return (
            self._counts[instance.sop_instance_uid] >= _MOST_OF_INSTANCE
            or self._counts[instance.series_instance_uid] >= _MOST_OF_SERIES
            or self._counts[_ALL] >= _MOST_OF_ALL
        )


class InstanceRecord:
    """One object, and what came of it. There are as many as instances: it has to be small."""

    __slots__ = (
        "_description",
        "_error",
        "_frames",
        "_shares",
        "_submit",
        "_wants_icon",
        "deaths",
        "icon",
        "instance",
        "payload_bytes",
        "preview",
    )

    def __init__(
        self,
        instance: ReceivedInstance,
        deaths: Deaths,
        submit: Callable[[FrameRange], None],
        *,
        preview: bool,
        shares: int = 1,
        icon: bool = False,
    ) -> None:
        """Ask for all frames of the object by `submit`, many of them in `shares` at once.

        With `preview` they are pictures of 8 bits; with `icon` the first is to be an icon, too.
        """
        self.instance = instance
        self.icon: Icon | None = None
        self._wants_icon = icon
        self.preview = preview
        self.deaths = deaths
        self.payload_bytes = 0  # of its frames on the disc
        self._description = b""
        self._frames: dict[int, bytes] = {}
        self._error: dict[str, str] | None = None
        self._submit = submit
        self._shares = shares
        submit(FrameRange(self, 0, _FIRST_FRAMES))

    @property
    def wants_icon(self) -> bool:
        """Whether an icon is to be made with the first frame."""
        return self._wants_icon

    # --- in the threads of supervisors

    def picture(self, line: bytes) -> None:
        """Take the icon."""
        self.icon = icon_of(json.loads(line))

    def describe(self, line: bytes) -> None:
        """Take the description."""
        self._description = line

    def fail(self, reason: dict[str, str]) -> None:
        """Take note that the object, or the rest of it, cannot be shown."""
        self._error = reason

    def frame(self, index: int, line: bytes) -> None:
        """Take one frame."""
        self._frames[index] = line
        self.payload_bytes += sum(json.loads(line).get("spool", ("", 0, ()))[2])

    def share_out(self, first: int) -> None:
        """Ask for the frames from `first` on, in parts that several workers can take."""
        left = self.announced - first
        if left < 1 or self._error:
            return
        parts = self._shares if left >= self._shares * _FEWEST_SHARED else 1
        bounds = [first + left * number // parts for number in range(parts + 1)]
        for start, stop in itertools.pairwise(bounds):
            self._submit(FrameRange(self, start, stop))

    # --- at any time

    @property
    def is_described(self) -> bool:
        """Whether the description is there."""
        return bool(self._description)

    @property
    def announced(self) -> int:
        """How many frames there are to be."""
        return int(self.description.get("frames", 0))

    @property
    def description(self) -> dict[str, Any]:
        """What is said of the object; its `kind` is none when nothing of it can be shown."""
        if not self._description:
            return {"kind": "none", "reason": self._error or {"code": UNREADABLE}}
        found: dict[str, Any] = json.loads(self._description)
        return found

    @property
    def disc_bytes(self) -> int:
        """How much it takes on the disc: pixels or document, and its part of the index."""
        described = self.description
        document = described.get("document") or described.get("video") or {}
        index = len(self._description) + sum(map(len, self._frames.values()))
        return self.payload_bytes + index + int(document.get("bytes", 0))

    @property
    def frames(self) -> list[dict[str, Any]]:
        """What is said of each frame; those that are not there are tiles."""
        reason = self._error or {"code": UNREADABLE}
        missing = json.dumps({"coding": "none", "reason": reason}).encode("ascii")
        return [json.loads(self._frames.get(i, missing)) for i in range(self.announced)]


class FrameRange:
    """A job of the pool: the frames of an object from `first` on, before `stop`."""

    def __init__(self, record: InstanceRecord, first: int, stop: int) -> None:
        """Ask for frames; the range that begins with 0 also brings the description."""
        self._record = record
        self._begin = first
        self._next = first
        self._stop = stop

    @property
    def task(self) -> dict[str, Any]:
        """What a worker is to do, from the first frame that is not there."""
        instance = self._record.instance
        return {
            "do": "instance",
            "path": str(instance.path),
            "offset": instance.data_set_offset,
            "syntax": instance.transfer_syntax_uid,
            "first": self._next,
            "stop": self._stop,
            "preview": self._record.preview,
            "icon": self._record.wants_icon and not self._next,
        }

    def line(self, line: bytes) -> None:
        """Take one line of the worker."""
        letter, content = line[:1], line[1:]
        if letter == b"F":
            self._record.frame(self._next, content)
            self._next += 1
        elif letter == b"P":
            self._record.picture(content)
        elif letter == b"I":
            self._record.describe(content)
        elif letter == b"E":
            self._record.fail(json.loads(content))

    def died(self, code: str) -> dict[str, Any] | None:
        """Make a tile of the frame at which the worker died; go on with the next one."""
        record, instance = self._record, self._record.instance
        record.deaths.count(instance.series_instance_uid, instance.sop_instance_uid)
        if not record.is_described:
            record.fail({"code": code})
            return None
        stop = min(self._stop, record.announced)
        self._tile(code)
        while record.deaths.are_too_many(instance) and self._next < stop:
            self._tile(code)
        return self.task if self._next < stop else None

    def finished(self) -> None:
        """Ask for what the first range has left."""
        if self._begin == 0 and self._record.is_described:
            self._record.share_out(max(self._stop, self._next))

    def _tile(self, code: str) -> None:
        tile = {"coding": "none", "reason": {"code": code}}
        self._record.frame(self._next, json.dumps(tile).encode("ascii"))
        self._next += 1

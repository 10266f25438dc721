"""Associations that stay open from one job of a batch to the next, for a moment.

A new association may cost an archive as much as a query does (dcmqrscp forks a process for each).
Some let only a few stand: what nobody uses for a second is released.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from mkiso.network.association import Association

#: How long an association may stand idle: other users of the archive may wait for its place.
IDLE_SECONDS = 1.0
#: So many of a kind: the next job's list is asked for beside the question whether this one grew.
_MOST_OF_A_KIND = 2
#: How long an archive has to answer our A-RELEASE when there is nothing else to do.
_RELEASE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Idle:
    key: Hashable
    association: Association
    end: float  # of its time


class KeptAssociations:
    """The idle associations of a batch, a few of a kind; a `Keeper`.

    Nothing is kept before `allow`, and nothing after `close`.
    """

    def __init__(
        self,
        idle_seconds: float = IDLE_SECONDS,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none."""
        self._idle_seconds = idle_seconds
        self._monotonic = monotonic
        self._idle: list[_Idle] = []
        self._distrusted: set[Hashable] = set()
        self._is_allowed = self._was_turned_away = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def allow(self, *, allowed: bool) -> None:
        """Keep associations from now on, or none any more."""
        with self._changed:
            self._is_allowed = allowed and not self._was_turned_away
        if not allowed:
            self._release(self._due(everything=True))

    def turned_away(self) -> None:
        """Keep none any more: the archive takes only so many, and one of ours was too many."""
        self._was_turned_away = True
        self.allow(allowed=False)

    def take(self, key: Hashable) -> Association | None:
        """Give the association of that kind, unless the archive has closed it or said something."""
        with self._changed:
            mine = [idle for idle in self._idle if idle.key == key]
            self._idle = [idle for idle in self._idle if idle.key != key or idle is not mine[-1]]
        if not mine:
            return None
        association = mine[-1].association
        if association.is_open and not association.readable(0):
            return association
        association.close()
        return None

    def keep(self, key: Hashable, thing: Any) -> bool:
        """Keep an association on which nothing is under way; False when it is not wanted."""
        assert isinstance(thing, Association)  # noqa: S101 - for the type checker
        with self._changed:
            is_wanted = self._is_allowed and not self._is_closed and thing.is_open
            of_a_kind = sum(idle.key == key for idle in self._idle)
            if not is_wanted or of_a_kind == _MOST_OF_A_KIND or key in self._distrusted:
                return False
            end = self._monotonic() + self._idle_seconds
            self._idle.append(_Idle(key, thing, end))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="idle associations", daemon=True
                )
                self._thread.start()
        return True

    def distrust(self, key: Hashable) -> None:
        """Keep none of that kind any more: the archive does not do well on it a second time."""
        with self._changed:
            self._distrusted.add(key)

    def close(self) -> None:
        """Release what stands, and keep nothing any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._release(self._due(everything=True))
        if self._thread is not None:
            self._thread.join(2 * _RELEASE_SECONDS)

    def _watch(self) -> None:
        """Release what was idle for too long, until the end."""
        while True:
            with self._changed:
                if self._is_closed:
                    return
                self._changed.wait(self._idle_seconds / 4)
            self._release(self._due(everything=False))

    def _due(self, *, everything: bool) -> list[Association]:
        now = self._monotonic()
        with self._changed:
            due = [idle for idle in self._idle if everything or idle.end <= now]
            self._idle = [idle for idle in self._idle if idle not in due]
        return [idle.association for idle in due]

    @staticmethod
    def _release(associations: list[Association]) -> None:
        """Release associations side by side; one that is not answered in time is aborted."""
        releases = [
            threading.Thread(target=association.release, name="release", daemon=True)
            for association in associations
        ]
        for release in releases:
            release.start()
        end = time.monotonic() + _RELEASE_SECONDS
        for release, association in zip(releases, associations, strict=True):
            release.join(max(0.0, end - time.monotonic()))
            association.close()

"""The importer: folders that have settled are imported, one after the other; restart-safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mkiso.errors import MkisoError
from mkiso.importer.one_import import CHANGED, OneImport
from mkiso.importer.outcome import ImportOutcome
from mkiso.importer.places import require_places
from mkiso.importer.settings import ImportSettings
from mkiso.importer.settling import Settling
from mkiso.storage.folder_events import FolderEvents
from mkiso.storage.import_ledger import ImportLedger
from mkiso.storage.moving import old_places, remove, remove_unfinished
from mkiso.toolbox.world import World

_POLL_SECONDS = 5.0
_SOONEST_SECONDS = 0.2
_RETENTION_SECONDS = 3600.0


@dataclass(slots=True)
class _Retry:
    """When a folder that could not be finished is tried again, on the monotonic clock."""

    at: float
    pause: float
    lacking: frozenset[str]  # names of destinations


@dataclass(slots=True)
class Importer:
    """Imports what is in a folder. `job_world` gives the surroundings of one import."""

    settings: ImportSettings
    ledger: ImportLedger
    world: World
    make_job_id: Callable[[], str]
    make_disc_id: Callable[[], str]
    job_world: Callable[[str], World]
    ended: Callable[[ImportOutcome], None]
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    left: int = 0  # entries that have not settled, at the end of a round
    _retries: dict[str, _Retry] = field(default_factory=dict)
    _swept: float = float("-inf")
    _events: FolderEvents | None = None
    _settling: Settling | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold the folder, and put right what a killed run left.

        Raises CantCreateError, DiskError, or TemporaryError when another importer has it.
        """
        places = self.settings.places
        with places.held():
            require_places(places)
            remove_unfinished((places.archive, places.rejected))
            places.put_back()
            self._settling = Settling(
                places.root, self.settings.settle_seconds, places.clock_ns, self._last_event
            )
            yield

    def watch(self) -> None:
        """Import for as long as `world.require_running` returns."""
        self._events = self._start_events()
        try:
            while True:
                wait = self.round()
                self._wait(min(wait, self._look_seconds))
        finally:
            if self._events is not None:
                self._events.stop()

    def round(self) -> float:
        """Import what has settled and is due; return the seconds until something may be.

        Raises what `world.require_running` raises, and DiskError for the watched folder itself.
        """
        self._sweep()
        places, settling = self.settings.places, self._settling
        assert settling is not None  # noqa: S101 - `open` made it
        places.put_back()
        names = places.names()
        self._forget_gone(frozenset(names) | places.parked())
        if self._events is not None:
            self._events.forget(set(names))
        waits = settling.waits(names)
        soonest, self.left = float("inf"), 0
        for name, wait in waits.items():
            self.world.require_running()
            retry = self._retries.get(name)
            due = wait if retry is None else max(wait, retry.at - self.monotonic())
            if due <= 0 and settling.is_being_written(name):
                self.world.log("a file is still open for writing: its folder is left alone")
                settling.forget(name)
                due = max(self.settings.settle_seconds, _SOONEST_SECONDS)
                self.left += 1
            self.left += wait > 0
            if due > 0:
                soonest = min(soonest, due)
                continue
            soonest = min(soonest, self._import(name))
        return soonest

    # --- one folder

    def _import(self, name: str) -> float:
        """Import one entry; return in how many seconds it is due again (inf: never)."""
        places = self.settings.places
        job_id = places.under_way().get(name)
        if job_id is None:
            job_id = self.make_job_id()
            places.begin(job_id, name)
        world = self.job_world(job_id)
        attempt = self.ledger.begin(job_id)
        world.log(f"import {job_id}, attempt {attempt}")
        try:
            outcome = self._attempt(job_id, name, world)
        except BaseException:
            self.ledger.end(
                job_id, code=75, message="Stopped; the next run goes on.", is_open=True,
                log=world.log_path,
            )  # fmt: skip
            raise
        self.ledger.end(
            job_id,
            code=outcome.code,
            message=outcome.message,
            is_open=outcome.is_open,
            accession_numbers=outcome.accession_numbers,
            place=outcome.archived,
            log=outcome.log,
        )
        due = self._after(name, outcome)
        self.ended(outcome)
        return due

    def _attempt(self, job_id: str, name: str, world: World) -> ImportOutcome:
        retry = self._retries.get(name)
        if retry is not None and retry.lacking:
            try:
                self.settings.destinations.require_one_there(retry.lacking)
            except MkisoError as error:  # no need to copy it all to learn this
                return ImportOutcome(
                    job_id, error.code, error.message, is_open=True, log=world.log_path
                )
        run = OneImport(
            job_id, name, self.settings, self.ledger, world, self.make_disc_id, now=self.now
        )
        return run.run()

    def _after(self, name: str, outcome: ImportOutcome) -> float:
        """Remember what follows of an outcome; return the seconds until the next attempt."""
        settling = self._settling
        assert settling is not None  # noqa: S101 - `open` made it
        before = self._retries.pop(name, None)
        if not outcome.is_open:
            self.settings.places.end(outcome.job_id)
            return float("inf")
        if outcome.message == CHANGED:
            settling.forget(name)
            self.left += 1
            return self.settings.settle_seconds
        pause = self.settings.first_pause_seconds
        if before is not None:
            pause = min(2 * before.pause, self.settings.longest_pause_seconds)
        lacking = frozenset(each.node for each in outcome.forwarded if each.failed)
        if not outcome.forwarded and before is not None:
            lacking = before.lacking
        self._retries[name] = _Retry(self.monotonic() + pause, pause, lacking)
        return pause

    # --- around them

    def _forget_gone(self, names: frozenset[str]) -> None:
        """End the imports whose folders are not there any more."""
        places = self.settings.places
        for name in self._retries.keys() - names:
            del self._retries[name]
        for name, job_id in places.under_way().items():
            if name in names:
                continue
            archived = places.archived(job_id)
            if archived:  # killed between the last two steps
                message = f"Archived in {archived}."
                self.ledger.end(job_id, code=0, message=message, is_open=False, place=archived)
            else:
                self.ledger.forget(job_id)
            places.end(job_id)

    def _sweep(self) -> None:
        """Remove archived folders that are too old, once an hour."""
        keep = self.settings.keep_seconds
        if keep is None or self.monotonic() - self._swept < _RETENTION_SECONDS:
            return
        self._swept = self.monotonic()
        for path in old_places(self.settings.places.archive, keep, self.now()):
            remove(path)
            self.world.log(f"removed {path}: older than it is to be kept")

    def _start_events(self) -> FolderEvents | None:
        if self.settings.poll:
            return None
        places = self.settings.places
        events = FolderEvents(places.root, places.own_names, self.monotonic)
        try:
            events.start()
        except OSError as error:
            self.world.say(
                f"The system gives no events for {places.root} ({error.strerror}): looking every "
                f"{_POLL_SECONDS:g} seconds instead."
            )
            self._events = None
            return None
        return events

    @property
    def _look_seconds(self) -> float:
        is_told = self._events is not None and self._events.is_alive
        return self.settings.look_seconds if is_told else _POLL_SECONDS

    def _last_event(self, name: str) -> float | None:
        return self._events.last_change(name) if self._events else None

    def _wait(self, seconds: float) -> None:
        """Wait so long, or until an event; a signal ends it."""
        end = self.monotonic() + max(seconds, _SOONEST_SECONDS)
        while (left := end - self.monotonic()) > 0:
            self.world.require_running()
            nap = min(left, _SOONEST_SECONDS)
            if self._events is None:
                time.sleep(nap)
            elif self._events.wait(nap):  # nothing that changes now is due sooner than that
                end = min(end, self.monotonic() + self.settings.settle_seconds + _SOONEST_SECONDS)
                time.sleep(nap)

"""Where an importer keeps things: the watched folder, its work folder, archive and rejected."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mkiso.errors import CantCreateError, DiskError, TemporaryError
from mkiso.storage.moving import move

WORK = ".mkiso-watch"
_NAME_FILE, _TARGET_FILE, _LOCK, _CLOCK = "folder.json", "target.json", "lock", "clock"
_LEAVING = "leaving"
_MAKING = ".new"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one importer, all absolute."""

    root: Path
    archive: Path
    rejected: Path

    @property
    def work(self) -> Path:
        """What the importer needs for itself; readable by its user alone."""
        return self.root / WORK

    @property
    def own_names(self) -> frozenset[str]:
        """Entries of the watched folder that are no patient's: what ours are, or are in."""
        root = Path(os.path.realpath(self.root))
        own = (Path(os.path.realpath(path)) for path in (self.work, self.archive, self.rejected))
        return frozenset(
            path.relative_to(root).parts[0]
            for path in own
            if path != root and path.is_relative_to(root)
        )

    def names(self) -> list[str]:
        """Return the entries of the watched folder that may be imported. Raises DiskError."""
        own = self.own_names
        try:
            found = [path.name for path in self.root.iterdir()]
        except OSError as error:
            raise DiskError(f"{self.root} cannot be read: {error.strerror}.") from error
        return sorted(n for n in found if n not in own and not n.startswith("."))

    def clock_ns(self) -> int:
        """Return what time the file system of the watched folder says it is."""
        clock = self.work / _CLOCK
        try:
            clock.touch(mode=0o600)
            os.utime(clock)
            return clock.stat().st_mtime_ns
        except OSError as error:
            raise DiskError(f"{self.work} cannot be written: {error.strerror}.") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the watched folder: one importer at a time.

        Raises CantCreateError for the folder, TemporaryError when another importer has it.
        """
        try:
            if not stat.S_ISDIR(self.root.stat().st_mode):
                raise CantCreateError(f"{self.root} is no folder; name the one to watch.")
            self.work.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.work / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CantCreateError(f"{self.root} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise TemporaryError(
                f"Another 'mkiso watch' has {self.root}; this one ends at once."
            ) from error
        try:
            yield
        finally:
            os.close(descriptor)

    # --- the imports under way, each in a folder of its own

    def begin(self, job_id: str, name: str) -> None:
        """Make the folder of an import, which remembers what it imports. Raises DiskError."""
        making = self.work / f"{job_id}{_MAKING}"
        try:
            making.mkdir(mode=0o700)
            text = json.dumps({"folder": name})
            (making / _NAME_FILE).write_text(text, encoding="ascii")
            making.rename(self.work / job_id)
        except OSError as error:
            raise DiskError(f"{self.work} cannot be written: {error.strerror}.") from error

    def under_way(self) -> dict[str, str]:
        """Return the imports under way: entry of the watched folder to job."""
        found: dict[str, str] = {}
        for path in sorted(self.work.iterdir()):
            if path.name.endswith(_MAKING):
                shutil.rmtree(path, ignore_errors=True)
                continue
            try:
                name = json.loads((path / _NAME_FILE).read_text("ascii"))["folder"]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            found[str(name)] = path.name
        return found

    def copies(self, job_id: str) -> Path:
        """Return an empty folder for the corrected copies. Raises DiskError."""
        folder = self.work / job_id / "copies"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise DiskError(f"{self.work} cannot be written: {error.strerror}.") from error
        return folder

    def drop_copies(self, job_id: str) -> None:
        """Remove the corrected copies."""
        shutil.rmtree(self.work / job_id / "copies", ignore_errors=True)

    def leaving(self, job_id: str, name: str) -> Path:
        """Return where a folder is between the watched one and the archive: nobody adds to it.

        Raises DiskError.
        """
        number = 1
        while (place := self.work / _LEAVING / f"{job_id}-{number}").exists():
            number += 1
        try:
            place.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise DiskError(f"{self.work} cannot be written: {error.strerror}.") from error
        return place / name

    def put_back(self) -> None:
        """Put folders that did not get to the archive back where they were.

        One whose name is taken by now waits until it is free. What is left of one that is whole in
        the archive, on another disk, goes: a killed run did not come to its end.
        """
        leaving = self.work / _LEAVING
        for place in sorted(leaving.iterdir()) if leaving.is_dir() else ():
            if self._has_left(place):
                shutil.rmtree(place, ignore_errors=True)
                continue
            for folder in list(place.iterdir()):
                if not os.path.lexists(self.root / folder.name):
                    move(folder, self.root / folder.name)
            with contextlib.suppress(OSError):  # somebody waits in it
                place.rmdir()

    def parked(self) -> frozenset[str]:
        """Return the names of folders that wait until they can be put back."""
        return frozenset(path.name for path in (self.work / _LEAVING).glob("*/*"))

    def note_target(self, job_id: str, leaving: Path, target: Path) -> None:
        """Remember where in the archive a folder goes, and from where. Raises DiskError."""
        path = self.work / job_id / _TARGET_FILE
        noted = {"leaving": leaving.parent.name, "target": str(target)}
        try:
            path.write_text(json.dumps(noted), encoding="ascii")
        except OSError as error:
            raise DiskError(f"{self.work} cannot be written: {error.strerror}.") from error

    def archived(self, job_id: str) -> str:
        """Return the archive's folder of a second that an import went to; "" when it did not."""
        return self._went(job_id)[1]

    def _went(self, job_id: str) -> tuple[str, str]:
        """Return the place an import left by and the archive's folder of a second it is in.

        A name in the archive is that of a whole copy. Empty, when it is not there.
        """
        path = self.work / job_id / _TARGET_FILE
        try:
            noted = json.loads(path.read_text("ascii"))
            target, place = Path(noted["target"]), str(noted["leaving"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", ""
        return (place, str(target.parent)) if os.path.lexists(target) else ("", "")

    def _has_left(self, place: Path) -> bool:
        """Say whether what lay in a place of those that leave is in the archive."""
        return self._went(place.name.rpartition("-")[0])[0] == place.name

    def end(self, job_id: str) -> None:
        """Forget an import that is over."""
        shutil.rmtree(self.work / job_id, ignore_errors=True)


def require_places(places: Places) -> None:
    """Make archive and rejected where they are missing. Raises CantCreateError."""
    root = os.path.realpath(places.root)
    for folder in (places.archive, places.rejected):
        if os.path.realpath(folder) == root:
            raise CantCreateError(
                f"{folder} is the watched folder: what is put there is imported. Choose another."
            )
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise CantCreateError(f"{folder} cannot be made: {error.strerror}.") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise CantCreateError(f"{folder} cannot be written; choose another.")

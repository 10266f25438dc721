"""The output folder of `retrieve` and `receive`: files under names made of UIDs, found again later.

A file has its name only when it is whole. While a retrieval is not complete the folder says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mkiso.core.byte_source import HeaderError
from mkiso.core.header import LevelCache, read_header
from mkiso.core.model import ExpectedInstance, ReceivedInstance
from mkiso.core.record_keys import PATIENT_ID
from mkiso.core.text import decode
from mkiso.core.tidy_places import place_of, safe_uid
from mkiso.disc.file_meta import MAX_META_BYTES, parse_file_meta
from mkiso.errors import TemporaryError

MARKER = "INCOMPLETE.txt"
_MARKER_TEXT = (
    "mkiso is retrieving into this folder, or was stopped doing so: what is here is not all.\n"
    "Run the same command again; it asks for what is missing and removes this file.\n"
)
_HEAD_BYTES = 256 * 1024
_PIECE = 1 << 20
#: Folders known to be there; a receiver that runs for months must not grow.
_MOST_REMEMBERED = 10_000


class TidyFolder:
    """A folder with its way to sort; `place` from one thread."""

    def __init__(self, folder: Path, sort: str) -> None:
        """Use the existing `folder`; `sort` is one of `tidy_places.SORTS`."""
        self.folder = folder
        self.placed: list[Path] = []  # in this run, not yet brought to the disk
        self._sort = sort
        self._made: set[Path] = set()
        self._listed: dict[str, list[Path]] | None = None  # what `found` has seen, by file name

    def place(self, instance: ReceivedInstance) -> Path:
        """Move a received file to its place and return it; one that is there is replaced."""
        path = self._place_of(instance)
        instance.path.replace(path)
        self.placed.append(path)
        if self._listed is not None and path not in (
            seen := self._listed.setdefault(path.name, [])
        ):
            seen.append(path)
        return path

    def free_place(self, instance: ReceivedInstance) -> Path | None:
        """Return where an instance goes, beside another content; None: it is there already.

        Nothing is ever replaced: a second content gets the beginning of its hash into its name.
        """
        path = self._place_of(instance)
        if not path.exists():
            return path
        if sha256_of(path) == instance.sha256:
            return None
        return path.with_name(f"{path.stem}_{instance.sha256[:8]}{path.suffix}")

    def _place_of(self, instance: ReceivedInstance) -> Path:
        """Return the path of an instance, its folder made."""
        path = self.folder.joinpath(
            *place_of(
                self._sort,
                patient_id=patient_id_of(instance),
                study_instance_uid=instance.study_instance_uid,
                series_instance_uid=instance.series_instance_uid,
                sop_instance_uid=instance.sop_instance_uid,
            )
        )
        if path.parent not in self._made or not path.parent.is_dir():
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            if len(self._made) > _MOST_REMEMBERED:
                self._made.clear()
            self._made.add(path.parent)
        return path

    def bring_to_disk(self) -> None:
        """Sync everything that was placed, and the folders. Raises OSError."""
        for path in self.placed:
            sync_path(path)
        for folder in self._made:
            sync_path(folder)
        self.placed.clear()

    @contextlib.contextmanager
    def marked_incomplete(self) -> Iterator[Callable[[], None]]:
        """Let the folder say that it is not complete, until what is given is called.

        Raises TemporaryError while another run retrieves into the folder, and OSError.
        """
        path = self.folder / MARKER
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(descriptor, _MARKER_TEXT.encode(), 0)
            yield lambda: path.unlink(missing_ok=True)
        except BlockingIOError as error:
            raise TemporaryError(
                f"Another run retrieves into {self.folder}; wait for it, or give another --output."
            ) from error
        finally:
            os.close(descriptor)

    def found(self, expected: Iterable[ExpectedInstance]) -> tuple[ReceivedInstance, ...]:
        """Return those of the expected instances that are here, whole, from an earlier run.

        The folder is listed once: for each line of a long list it would take longer than the line.
        """
        if self._listed is None:
            self._listed = {}
            for path in _files(self.folder):
                self._listed.setdefault(path.name, []).append(path)
        levels: LevelCache = {}
        here: dict[str, ReceivedInstance] = {}
        for one in expected:
            for path in self._listed.get(f"{safe_uid(one.sop_instance_uid)}.dcm", ()):
                instance = read_instance(path, levels)
                if instance is not None and (
                    (instance.sop_instance_uid, instance.study_instance_uid)
                    == (one.sop_instance_uid, one.study_instance_uid)
                ):
                    here[one.sop_instance_uid] = instance
        return tuple(here.values())


def read_instance(path: Path, levels: LevelCache) -> ReceivedInstance | None:
    """Return what a DICOM file holds, without its hash; None when it is not a whole one."""
    try:
        with path.open("rb", buffering=0) as file:
            descriptor, size = file.fileno(), os.fstat(file.fileno()).st_size
            head = os.pread(descriptor, max(_HEAD_BYTES, MAX_META_BYTES), 0)
            meta = parse_file_meta(head)
            if meta is None:
                return None
            start = meta.size_bytes
            parsed = read_header(
                head[start:],
                lambda offset, length: os.pread(descriptor, length, start + offset),
                size - start,
                meta.transfer_syntax_uid,
                levels,
            )
    except (OSError, HeaderError):
        return None
    return ReceivedInstance(
        path=path,
        size_bytes=size,
        sha256="",
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        study_instance_uid=parsed.study_instance_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        header=parsed.header,
        data_set_offset=start,
    )


def patient_id_of(instance: ReceivedInstance) -> str:
    """Return the PatientID of an instance, decoded, "" when it has none."""
    raw = dict(instance.header.patient).get(PATIENT_ID, b"")
    return decode(raw, instance.header.character_set).strip(" \0")


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            yield Path(place, name)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a whole file, in hex. Raises OSError."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


def sync_path(path: Path) -> None:
    """Bring a file or folder to the disk; one that is gone is no error. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

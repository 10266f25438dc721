"""De-identify: files, folders, discs and archives of files into a folder of copies of nobody."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.byte_source import HeaderError
from mkiso.core.disguise import Disguise
from mkiso.core.header import LevelCache, read_header
from mkiso.core.job import Job
from mkiso.core.model import ReceivedInstance
from mkiso.errors import DataError, DiskError, MkisoError
from mkiso.network.store import OutgoingFile
from mkiso.stages import deidentify
from mkiso.storage.workspace import Workspace, require_free, require_output_folder, sweep_stale
from mkiso.toolbox.sources import LACKING, Sources
from mkiso.toolbox.tidy_folder import TidyFolder
from mkiso.toolbox.world import World

_HEAD_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies in the output folder, and what has none, by reason."""

    paths: tuple[Path, ...]
    studies: int
    left_out: Counter[str]
    not_read: Counter[str]

    @property
    def lacking(self) -> int:
        """How much of what was there to be de-identified was not, being unreadable."""
        return sum(self.not_read[reason] for reason in LACKING)


def disguised_world(world: World, disguise: Disguise) -> World:
    """Return surroundings that are told nothing of whom the work is about."""
    return dataclasses.replace(
        world,
        say=lambda sentence: world.say(disguise.text(sentence)),
        log=lambda line: world.log(disguise.text(line)),
        notice=disguise.notice,
    )


@contextlib.contextmanager
def failures_disguised(disguise: Disguise) -> Iterator[None]:
    """Let a failure say nothing of whom the work is about."""
    try:
        yield
    except MkisoError as error:
        error.message = disguise.text(error.message)
        error.details = tuple(map(disguise.text, error.details))
        raise


def deidentify_all(
    paths: Sequence[Path],
    job: Job,
    disguise: Disguise,
    sort: str,
    world: World,
    *,
    only_studies: frozenset[str] | None = None,
) -> Copies:
    """De-identify what is at the paths into the job's output folder; all of it, or nothing.

    Raises UsageError or DataError for paths, RefusedContentError for pixels that may show a
    patient, CantCreateError or DiskError for the folder, and what a signal is.
    """
    folder = job.output_folder
    make_ready(folder, world)
    with Workspace(folder, f"deidentify-{secrets.token_hex(4)}") as workspace:
        unpacked = workspace.folder / "unpacked"
        unpacked.mkdir(mode=0o700)
        sources = Sources(unpacked, world.require_running)
        sources.add(paths)
        if sources.conflicts:
            raise DataError(
                f"{len(sources.conflicts)} SOP Instance UIDs have two contents; nothing was made.",
                details=tuple(sources.conflicts),
            )
        for reason in LACKING:
            if sources.not_sent[reason]:
                world.warn(f"Not de-identified: {sources.not_sent[reason]} ({reason}).")
        instances = tuple(
            instance
            for instance in _instances(sources.files.values())
            if only_studies is None or instance.study_instance_uid in only_studies
        )
        if not instances:
            raise DataError("There is no DICOM file at what is to be de-identified.")
        size = sum(instance.size_bytes - instance.data_set_offset for instance in instances)
        require_free(folder, size + job.minimum_free_bytes)
        made = deidentify.run(instances, disguise, workspace.folder / "copies", world.context(job))
        placed = _placed(made.instances, TidyFolder(folder, sort))
    return Copies(
        placed,
        len({instance.study_instance_uid for instance in made.instances}),
        Counter(each.reason for each in made.left_out),
        Counter(sources.not_sent),
    )


def make_ready(folder: Path, world: World) -> None:
    """Make an output folder where there is none, and sweep what dead runs left in it."""
    if require_output_folder(folder):
        world.say(f"Made the output folder {folder}.")
    for name in sweep_stale(folder):
        world.log(f"swept {name}, left by a run that died")


def _placed(instances: Sequence[ReceivedInstance], tidy: TidyFolder) -> tuple[Path, ...]:
    """Move the copies to their places; the same copy of an earlier run is replaced."""
    try:
        placed = tuple(tidy.place(instance) for instance in instances)
        tidy.bring_to_disk()
    except OSError as error:
        raise DiskError(f"{tidy.folder} cannot be written: {error.strerror or error}.") from error
    return placed


def _instances(files: Iterable[OutgoingFile]) -> Iterator[ReceivedInstance]:
    """Yield what stages take of the files that were found."""
    levels: LevelCache = {}
    for file in files:
        yield _instance(file, levels)


def _instance(file: OutgoingFile, levels: LevelCache) -> ReceivedInstance:
    path = file.path.resolve()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        parsed = read_header(
            os.pread(descriptor, min(file.size_bytes, _HEAD_BYTES), file.offset),
            lambda start, length: os.pread(descriptor, length, file.offset + start),
            file.size_bytes,
            file.transfer_syntax_uid,
            levels,
        )
    except HeaderError as error:
        raise DataError(f"{path} changed while it was read: {error.message}") from error
    finally:
        os.close(descriptor)
    return ReceivedInstance(
        path=path,
        size_bytes=file.offset + file.size_bytes,
        sha256="",
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        study_instance_uid=parsed.study_instance_uid,
        transfer_syntax_uid=file.transfer_syntax_uid,
        header=parsed.header,
        data_set_offset=file.offset,
    )

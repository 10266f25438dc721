"""Where the parts measure: a folder, studies and archives made when they are first asked for."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import archives
from archives import Archive
from chain import TUNED, Tuning
from studies import Study, describe

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Sizes:
    """How much each part measures."""

    slices: int = 1000
    small_objects: int = 20_000
    directories: tuple[int, ...] = (1000, 10_000, 50_000)
    dcmmkdir_limit_seconds: float = 180.0
    batch_jobs: int = 200
    batch_slices: int = 20
    start_ups: int = 7
    tenfold: int = 10
    large_object_bytes: int = 2 << 30
    shipped_rounds: int = 1
    model: tuple[tuple[int, int], ...] = (  # instances, side
        (10, 512), (250, 512), (1000, 512), (500, 93), (3000, 93), (150, 1024),
    )  # fmt: skip


FULL = Sizes()
QUICK = Sizes(
    slices=24,
    small_objects=150,
    directories=(50, 200, 400),
    dcmmkdir_limit_seconds=30.0,
    batch_jobs=3,
    batch_slices=3,
    start_ups=1,
    tenfold=4,
    large_object_bytes=32 << 20,
    model=((5, 512), (20, 512), (50, 93), (10, 700)),
)


class Lab:
    """Everything in one folder; archives and studies stay until `close`."""

    def __init__(self, folder: Path, rounds: int, sizes: Sizes) -> None:
        self.folder = folder
        self.rounds = rounds
        self.sizes = sizes
        self._stack = contextlib.ExitStack()
        self._archives: dict[tuple[str, str, Path], Archive] = {}
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """End the archives."""
        self._stack.close()

    def new_folder(self) -> Path:
        """Return the name of a folder that is not there yet."""
        return self.folder / f"w{next(self._numbers):04d}"

    def studies(self, name: str, studies: Sequence[Study]) -> Path:
        """Return the folder with the files of these studies; written once."""
        folder = self.folder / f"studies-{name}"
        if not folder.is_dir():
            aside = folder.with_suffix(".part")
            generate(aside, describe(studies))
            aside.rename(folder)
        return folder

    def slices(self) -> Path:
        """Return the study of most parts."""
        return self.studies("slices", [Study(instances=self.sizes.slices)])

    def large_object(self) -> Path:
        """Return a study of one large object."""
        folder = self.folder / "studies-large"
        if not folder.is_dir():
            generate(folder, str(self.sizes.large_object_bytes))
        return folder

    def archive(self, name: str, studies: Path, tuning: Tuning = TUNED) -> Archive:
        """Return a running archive that has these studies; started once."""
        key = (name, tuning.name, studies)
        if key not in self._archives:
            start = archives.ARCHIVES[name](studies, self.new_folder(), tuning)
            self._archives[key] = self._stack.enter_context(start)
        return self._archives[key]

    def remove(self, folder: Path) -> None:
        """Remove what a round made."""
        shutil.rmtree(folder, ignore_errors=True)

    def settle(self) -> None:
        """Bring to the disk what earlier rounds left, so that the next does not pay for it."""
        os.sync()


def own(*arguments: str) -> list[str]:
    """Return the command of a part of mkiso alone."""
    return [sys.executable, str(HERE / "own.py"), *arguments]


def generate(folder: Path, wanted: str) -> None:
    """Write studies, or one object of so many bytes, by a program of its own."""
    subprocess.run(
        [sys.executable, str(HERE / "studies.py"), str(folder), wanted], check=True, timeout=900
    )

"""One directory tree of an ISO 9660 image: a bounded walk that reports faults, never raises."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from mkiso.core.findings import Findings
from mkiso.disc.iso_records import (
    MULTI_EXTENT,
    SECTOR,
    Record,
    VolumeDescriptor,
    in_order,
    parse_directory,
    parse_path_table,
    rock_ridge_name,
    susp_skip,
)

MAX_RECORDS = 300_000
MAX_PATH = 255  # ECMA-119 6.8.2.1
MAX_DIRECTORY_BYTES = 128 * 1024 * 1024  # of all directories of one tree together

#: (offset, size) in bytes of each piece of a file, in order.
Extents = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """One view of an image: paths with `/`, as stored, without version -> extents."""

    files: Mapping[str, Extents]
    directories: Mapping[str, int]  # path -> sector


EMPTY = Tree({}, {})


@dataclass(frozen=True, slots=True)
class _Directory:
    path: str
    rock_path: str
    record: Record
    parent: int  # sector


@dataclass(slots=True)
class TreeWalk:
    """Walks one tree of the image in the open file `descriptor`; `run` fills the dictionaries."""

    descriptor: int
    volume: VolumeDescriptor
    label: str
    findings: Findings
    files: dict[str, Extents] = field(default_factory=dict)
    rock_files: dict[str, Extents] = field(default_factory=dict)
    directories: dict[str, int] = field(default_factory=dict)
    rock_skip: int | None = None  # bytes to skip in system use areas; None: no Rock Ridge
    _records: int = 0
    _bytes_read: int = 0

    def run(self) -> None:
        """Read all directories, breadth first, then compare them with the path tables."""
        waiting = [_Directory("", "", self.volume.root, self.volume.root.extent)]
        seen: set[int] = set()
        for directory in waiting:  # grows while it is read
            if directory.record.extent in seen:
                self.findings.error(
                    "iso.loop", f"The directory {directory.path or '/'} is reached twice."
                )
                continue
            seen.add(directory.record.extent)
            self.directories[directory.path] = directory.record.extent
            waiting += self._read(directory)
            if self._records > MAX_RECORDS or self._bytes_read > MAX_DIRECTORY_BYTES:
                self.findings.error("iso.too-large", "The directories are too large to be read.")
                return
        self._check_path_tables()

    def _read(self, directory: _Directory) -> list[_Directory]:
        """Take the files of one directory and give its subdirectories."""
        record, where = directory.record, f"{self.label} {directory.path or '/'}"
        if not self._inside(record, where) or record.size > MAX_DIRECTORY_BYTES:
            return []
        if record.size % SECTOR:
            self.findings.error(
                "iso.directory-size", f"The directory {where} ends inside a sector."
            )
        data = os.pread(self.descriptor, record.size, record.extent * SECTOR)
        records = parse_directory(data, where, self.findings.error)
        self._bytes_read += len(data)
        self._records += len(records)
        self._check_dots(records, directory, where)
        if not self.volume.is_joliet and not in_order(records[2:]):
            self.findings.warning("iso.order", f"The names of {where} are not in order.")
        if not directory.path and records:
            self.rock_skip = susp_skip(records[0].system_use)
        return self._children(directory, records[2:], where)

    def _children(
        self, directory: _Directory, records: list[Record], where: str
    ) -> list[_Directory]:
        below: list[_Directory] = []
        pieces: list[tuple[int, int]] = []
        for record in records:
            name = self._name(record)
            path = f"{directory.path}/{name}"
            rock_path = f"{directory.rock_path}/{self._rock_name(record, name)}"
            if len(path) > MAX_PATH or len(rock_path) > MAX_PATH:
                self.findings.error("iso.path-length", f"A path below {where} is too long.")
            elif record.is_directory:
                below.append(_Directory(path, rock_path, record, directory.record.extent))
            elif self._inside(record, f"{self.label} {path}"):
                pieces.append((record.extent * SECTOR, record.size))
                if not record.flags & MULTI_EXTENT:
                    self._add_file(path, rock_path, tuple(pieces))
                    pieces = []
        return below

    def _add_file(self, path: str, rock_path: str, extents: Extents) -> None:
        if path in self.files or rock_path in self.rock_files:
            self.findings.error("iso.name-twice", f"{self.label} {path} is there twice.")
        self.files[path] = extents
        self.rock_files[rock_path] = extents

    def _inside(self, record: Record, where: str) -> bool:
        end = record.extent + -(-record.size // SECTOR)
        if (record.extent > 16 and end <= self.volume.volume_sectors) or record.size == 0:
            return True  # an empty file has no place
        self.findings.error("iso.extent-outside", f"{where} lies outside of the volume.")
        return False

    def _check_dots(self, records: list[Record], directory: _Directory, where: str) -> None:
        if len(records) < 2 or records[0].identifier != b"\0" or records[1].identifier != b"\1":
            self.findings.error("iso.dots", f"The directory {where} does not begin with itself.")
            return
        itself = directory.record
        if records[0].extent != itself.extent or records[0].size != itself.size:
            self.findings.error("iso.dots", f"The first record of {where} is another directory.")
        if records[1].extent != directory.parent:
            # libisofs lets ".." of the Joliet tree point to the directory itself; nobody minds
            tell = self.findings.note if self.volume.is_joliet else self.findings.error
            tell("iso.dots", f"The second record of {where} is not its parent.")

    def _name(self, record: Record) -> str:
        encoding = "utf-16-be" if self.volume.is_joliet else "latin-1"
        name, _, version = record.identifier.decode(encoding, "replace").partition(";")
        if version not in ("", "1"):
            self.findings.warning("iso.version", f"A {self.label} name has another version than 1.")
        if not record.is_directory:
            name = name.removesuffix(".")
        return self._usable(name) or f"UNUSABLE{self._records}"

    def _rock_name(self, record: Record, name: str) -> str:
        if self.rock_skip is None:
            return name
        rock_name = rock_ridge_name(record.system_use, self.rock_skip)
        return self._usable(rock_name or "") or name

    def _usable(self, name: str) -> str:
        if name and name not in (".", "..") and name.isprintable() and "/" not in name:
            return name
        self.findings.error("iso.name", f"A name in the {self.label} tree is not usable.")
        return ""

    def _check_path_tables(self) -> None:
        size = min(self.volume.path_table_bytes, MAX_DIRECTORY_BYTES)
        extents = sorted(self.directories.values())
        for name, sector, big in (
            ("L", self.volume.path_table_little, False),
            ("M", self.volume.path_table_big, True),
        ):
            data = os.pread(self.descriptor, size, sector * SECTOR)
            entries = parse_path_table(data, big_endian=big)
            if sorted(extent for _, extent, _ in entries) != extents:
                self.findings.error(
                    "iso.path-table",
                    f"Path table {name} ({self.label}) disagrees with the directories.",
                )

"""The index: which patients, studies, series and instances the folder holds, in SQLite.

It only repeats what is in the files, and is made anew when it is missing, damaged or of another
version. One connection serves all associations in turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkiso.archive import schema
from mkiso.archive.attributes import Attribute, Level
from mkiso.archive.stored_file import StoredFile

DUPLICATE = "duplicate"
NOT_DICOM = "not DICOM"
DAMAGED = "damaged or without UIDs"


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One instance to be sent, with its file as it was when it was read."""

    path: Path
    size_bytes: int
    mtime_ns: int
    data_set_offset: int
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A look-up by index: the attribute is one of these values."""

    keyword: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """How much the index holds; `skipped` counts files by reason."""

    studies: int
    instances: int
    skipped: dict[str, int]


class Index:
    """The index in a file, or in memory when `path` is None."""

    def __init__(self, folder: Path, path: Path | None) -> None:
        """Open or make the index of a folder; paths are kept relative to it.

        Raises sqlite3.Error or OSError when it cannot be written.
        """
        self._folder = folder
        self._lock = threading.RLock()
        self._connection = _open(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes of a block together, or none of them."""
        with self._lock, self._connection:
            yield

    # --- files in and out

    def files(self) -> dict[bytes, tuple[int, int]]:
        """Return size and modification time (ns) of every file that was looked at, by path."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT path, size_bytes, mtime_ns FROM instances "
                "UNION ALL SELECT path, size_bytes, mtime_ns FROM skipped"
            ).fetchall()
        return {path: (size, mtime_ns) for path, size, mtime_ns in rows}

    def add(self, path: bytes, file: StoredFile) -> bool:
        """Add an instance; False when its series has it already, from another file."""
        values = file.values
        row = (
            *(path, file.size_bytes, file.mtime_ns, file.data_set_offset),
            *(file.transfer_syntax_uid, file.character_set),
            *(values.get(column, "") for column in schema.COLUMNS["instances"]),
        )
        with self._lock:
            unique = (values.get("PatientID", ""), values.get("IssuerOfPatientID", ""))
            patient = self._entity("patients", (), unique, file)
            study = self._entity("studies", (patient,), (values["StudyInstanceUID"],), file)
            series = self._entity("series", (study,), (values["SeriesInstanceUID"],), file)
            insert = schema.INSERT["instances"]
            if self._connection.execute(insert, (series, *row)).rowcount:
                return True
            self.skip(path, file.size_bytes, file.mtime_ns, DUPLICATE)
            return False

    def skip(self, path: bytes, size_bytes: int, mtime_ns: int, reason: str) -> None:
        """Remember a file that is not served, so that it is not read again."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?)",
                (path, size_bytes, mtime_ns, reason),
            )

    def forget(self, paths: Iterable[bytes]) -> None:
        """Remove files, and what nothing is left of.

        Second files of an instance are forgotten, too: one of them may now be the only one.
        """
        marks = [(path,) for path in paths]
        if not marks:
            return
        with self._lock:
            self._connection.executemany("DELETE FROM instances WHERE path = ?", marks)
            self._connection.executemany("DELETE FROM skipped WHERE path = ?", marks)
            self._connection.execute("DELETE FROM skipped WHERE reason = ?", (DUPLICATE,))
            for statement in schema.PRUNE:
                self._connection.execute(statement)

    def _entity(
        self, table: str, parent: tuple[int, ...], unique: tuple[str, ...], file: StoredFile
    ) -> int:
        """Return the key of the patient, study or series of a file; the first file describes it."""
        found = self._connection.execute(schema.FIND[table], (*parent, *unique)).fetchone()
        if found:
            return int(found[0])
        attributes = (file.values.get(column, "") for column in schema.COLUMNS[table])
        row = (*parent, file.character_set, *attributes)
        return int(self._connection.execute(schema.INSERT[table], row).lastrowid or 0)

    # --- questions

    def contents(self) -> Contents:
        """Count studies, instances and the files that are not served."""
        with self._lock:
            execute = self._connection.execute
            (studies,) = execute("SELECT COUNT(*) FROM studies").fetchone()
            (instances,) = execute("SELECT COUNT(*) FROM instances").fetchone()
            skipped = dict(execute("SELECT reason, COUNT(*) FROM skipped GROUP BY reason"))
        return Contents(studies, instances, skipped)

    def select(
        self, level: Level, attributes: Sequence[Attribute], conditions: Sequence[Condition]
    ) -> list[tuple[str, ...]]:
        """Return a row for each entity of a level: its character sets, then the attributes."""
        columns = (
            *schema.CHARACTER_SETS[level],
            *(schema.expression(attribute, level) for attribute in attributes),
        )
        return self._rows(", ".join(columns), level, conditions)

    def stored(self, conditions: Sequence[Condition]) -> list[StoredInstance]:
        """Return the instances that meet all conditions, series by series."""
        columns = (
            "path, size_bytes, mtime_ns, data_set_offset, transfer_syntax, SOPClassUID, "
            "SOPInstanceUID"
        )
        return [
            StoredInstance(self._folder / os.fsdecode(path), *rest)
            for path, *rest in self._rows(columns, Level.IMAGE, conditions)
        ]

    def file_of(self, study_instance_uid: str, sop_instance_uid: str) -> StoredInstance | None:
        """Return the instance of a study that has this SOP Instance UID."""
        study = Condition("StudyInstanceUID", (study_instance_uid,))
        found = self.stored((study, Condition("SOPInstanceUID", (sop_instance_uid,))))
        return found[0] if found else None

    def transfer_syntaxes(self) -> dict[str, dict[str, int]]:
        """Return for each SOP class how many instances there are in which transfer syntax."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT SOPClassUID, transfer_syntax, COUNT(*) FROM instances GROUP BY 1, 2"
            ).fetchall()
        found: dict[str, dict[str, int]] = {}
        for sop_class_uid, syntax, count in rows:
            found.setdefault(sop_class_uid, {})[syntax] = count
        return found

    def _rows(self, columns: str, level: Level, conditions: Sequence[Condition]) -> list[Any]:
        statement = schema.select(columns, level, [c.keyword for c in conditions])
        values = [json.dumps(condition.values) for condition in conditions]
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _open(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return _prepared(":memory:")
    try:
        return _prepared(str(path))
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # not writable, locked
            raise
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        return _prepared(str(path))


def _prepared(name: str) -> sqlite3.Connection:
    """Open an index and make its tables when they are missing or of another version."""
    connection = sqlite3.connect(name, timeout=10, check_same_thread=False)
    try:
        # a crash of the machine may lose the newest entries, never damage the file
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -32768")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != schema.VERSION:
            with connection:
                for (table,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                ).fetchall():
                    connection.execute(f"DROP TABLE {table}")
                for statement in schema.SCHEMA:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {schema.VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection

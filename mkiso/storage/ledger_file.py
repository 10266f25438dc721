"""The ledger's one SQLite file: its tables, and how it is opened.

Write-ahead log and full synchronisation: what was written down is there after a power cut. It holds
accession numbers and UIDs, no names, and is readable by its owner alone.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

FILE_NAME = "ledger.sqlite3"
_VERSION = 2
_BUSY_SECONDS = 10.0
_TABLES = """
CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    key TEXT NOT NULL,                -- what is asked for, of whom: equal for a repeated job
    accession_numbers TEXT NOT NULL,  -- JSON array
    state TEXT NOT NULL,              -- waiting, running, cancelling, done, failed, cancelled
    code INTEGER,                     -- the exit code of the last attempt, NULL before it
    message TEXT NOT NULL DEFAULT '',
    started TEXT NOT NULL,            -- of the last attempt: ISO 8601, UTC
    ended TEXT NOT NULL,
    image_path TEXT NOT NULL,
    in_queue INTEGER NOT NULL DEFAULT 0,  -- 1: of a list; 0: of one `mkiso make`, already over
    value TEXT NOT NULL DEFAULT '',   -- of a list: the whole job, JSON
    result TEXT NOT NULL DEFAULT '',  -- its discs and log, JSON
    batch TEXT NOT NULL DEFAULT '',   -- the run that wants it now, or wanted it last
    position INTEGER NOT NULL DEFAULT 0,  -- in that run
    attempts INTEGER NOT NULL DEFAULT 0,  -- in all
    tries INTEGER NOT NULL DEFAULT 0,     -- in that run
    not_before REAL NOT NULL DEFAULT 0,   -- seconds since 1970
    changed REAL NOT NULL DEFAULT 0       -- seconds since 1970
);
CREATE INDEX jobs_by_key ON jobs (key);
CREATE UNIQUE INDEX jobs_of_queue ON jobs (key) WHERE in_queue;
CREATE INDEX jobs_waiting ON jobs (batch, state, position);
CREATE TABLE attempts (
    job_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    started TEXT NOT NULL,
    ended TEXT NOT NULL DEFAULT '',   -- '': it is running, or was killed
    stage TEXT NOT NULL DEFAULT '',   -- the last one that was entered
    code INTEGER,
    message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, number)
) WITHOUT ROWID;
CREATE TABLE stages (
    job_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    stage TEXT NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (job_id, attempt, stage)
) WITHOUT ROWID;
CREATE TABLE instances (
    job_id TEXT NOT NULL,
    sop_instance_uid TEXT NOT NULL,
    state TEXT NOT NULL,              -- received, missing
    file_name TEXT NOT NULL,          -- in the work folder
    sop_class_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (job_id, sop_instance_uid)
) WITHOUT ROWID;
"""
_FORWARDED = """
CREATE TABLE forwarded (
    image_sha256 TEXT NOT NULL,
    node TEXT NOT NULL,
    sop_instance_uid TEXT NOT NULL,
    status INTEGER NOT NULL,          -- the DIMSE status of its C-STORE
    at REAL NOT NULL,                 -- seconds since 1970
    PRIMARY KEY (image_sha256, node, sop_instance_uid)
) WITHOUT ROWID;
"""


def open_ledger(path: Path, busy_seconds: float = _BUSY_SECONDS) -> sqlite3.Connection:
    """Return a connection in autocommit mode, its tables made when the file is new.

    Raises sqlite3.Error (DatabaseError itself: the file is no database) and OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    os.close(os.open(path, flags, 0o600))
    connection = sqlite3.connect(
        path, timeout=busy_seconds, check_same_thread=False, isolation_level=None
    )
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            connection.execute("PRAGMA journal_mode = WAL")
            _make_tables(connection)
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables, once, however many runs begin at the same moment."""
    connection.execute("BEGIN EXCLUSIVE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version in (0, 1):
        tables = _TABLES
        if version == 0:
            tables += _FORWARDED
        else:
            connection.execute("DROP TABLE jobs")  # nothing ever read it
        for statement in tables.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    elif version != _VERSION:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError(f"it was made by another version, {version}")
    connection.execute("COMMIT")

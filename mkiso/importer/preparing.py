"""Corrected copies of what is in a patient's folder, checked before anything is sent.

The originals are only read. What cannot be sent is told with its reason, and the others go on.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mkiso.core.byte_source import ByteSource, HeaderError
from mkiso.core.display_text import counted
from mkiso.core.element_walk import Stretch
from mkiso.core.elements import EXPLICIT_LITTLE
from mkiso.core.file_meta import encode_file_meta
from mkiso.core.folder_names import FolderIdentity
from mkiso.core.header import DEFLATED, ENCODINGS, LevelCache, read_header
from mkiso.core.identity import difference, patient_identity
from mkiso.core.model import ReceivedInstance
from mkiso.core.patient_correction import Corrected, corrected
from mkiso.disc.dicomdir_reader import MEDIA_STORAGE_DIRECTORY
from mkiso.disc.file_meta import MAX_META_BYTES, FileMeta, is_dicom, parse_file_meta
from mkiso.errors import DiskError, IdentityError
from mkiso.storage.folder_state import Signature, entries, signature
from mkiso.toolbox.tidy_folder import read_instance

NOT_DICOM = "It is not a DICOM file."
DAMAGED = "It is damaged: it ends within the file meta information."
NOT_A_FILE = "It is no regular file."
TWO_CONTENTS = "Another file of this folder has the same SOP Instance UID and another content."
DEFLATED_FILE = "It is deflated as a whole, which is not read here: convert it (dcmconv +te)."
NO_UIDS = "It has no SOP Class UID or no SOP Instance UID."

#: What file managers leave; archived with the folder, not sent, no reason to complain.
_LEFT_BY_FILE_MANAGERS = frozenset((".ds_store", "thumbs.db", "desktop.ini"))
_HEAD_BYTES = 256 * 1024
_PIECE = 1 << 20

_ReadAt = Callable[[int, int], bytes]


@dataclass(slots=True)
class Prepared:
    """What a folder holds. Paths are relative to it."""

    instances: list[ReceivedInstance] = field(default_factory=list)  # the copies
    rejected: dict[str, str] = field(default_factory=dict)  # path to reason
    signatures: dict[str, Signature] = field(default_factory=dict)  # of all files, as they were
    twice: int = 0  # files with an instance that is there already
    guessed: int = 0  # texts that were not in the character set they claim


def prepare(
    folder: Path,
    identity: FolderIdentity,
    copies: Path,
    *,
    issuer: str = "",
    require_running: Callable[[], None] = lambda: None,
) -> Prepared:
    """Copy every instance below `folder` with this identity into `copies`.

    Raises DiskError when the copies have no room, and what `require_running` raises.
    """
    prepared = Prepared()
    source_of: dict[str, tuple[str, ReceivedInstance]] = {}
    conflicts: set[str] = set()
    levels: LevelCache = {}
    for relative, state in entries(folder):
        require_running()
        if stat.S_ISDIR(state.st_mode):
            if not os.access(folder / relative, os.R_OK | os.X_OK):
                prepared.rejected[relative] = "It is a folder that cannot be read."
            continue
        prepared.signatures[relative] = signature(state)
        if Path(relative).name.lower() in _LEFT_BY_FILE_MANAGERS:
            continue
        try:
            copy = copies / f"{len(prepared.signatures):08}.dcm"
            made = _copied(folder / relative, copy, identity, issuer, levels)
        except _RejectedError as error:
            prepared.rejected[relative] = str(error)
            continue
        if made is None:
            continue
        instance, prepared.signatures[relative], guessed = made
        prepared.guessed += guessed
        first, known = source_of.setdefault(instance.sop_instance_uid, (relative, instance))
        if known is instance:
            prepared.instances.append(instance)
        elif known.sha256 == instance.sha256:
            prepared.twice += 1
            instance.path.unlink()
        else:
            conflicts.add(instance.sop_instance_uid)
            prepared.rejected[first] = prepared.rejected[relative] = TWO_CONTENTS
    prepared.instances = [i for i in prepared.instances if i.sop_instance_uid not in conflicts]
    return prepared


def require_one_patient(prepared: Prepared, identity: FolderIdentity) -> None:
    """Raise IdentityError unless all copies are of the patient that the folder names.

    Two birth dates are two patients, whatever the folder says.
    """
    joined = None
    seen: set[tuple[int, str]] = set()
    for instance in prepared.instances:
        key = (id(instance.header.patient), instance.header.character_set)
        if key in seen:
            continue
        seen.add(key)
        found = patient_identity(instance.header)
        if found.patient_id != identity.patient_id:
            raise IdentityError("A corrected copy does not have the PatientID of its folder.")
        joined = joined or found
        differing = difference(joined, found, same_study=True)
        if differing is not None:
            raise IdentityError(
                f"The files of this folder differ in the {differing.what}: nothing was sent. If "
                "they are of two patients, make two folders; if not, correct the files."
            )
        if not joined.birth_date:
            joined = found


class _RejectedError(Exception):
    """Why a file is not sent, in words without patient data."""


def _copied(
    path: Path, copy: Path, identity: FolderIdentity, issuer: str, levels: LevelCache
) -> tuple[ReceivedInstance, Signature, int] | None:
    """Return the corrected copy of one file; None for a DICOMDIR.

    Raises _RejectedError for what cannot be sent, DiskError when there is no room.
    """
    with _opened(path) as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise _RejectedError(NOT_A_FILE)
        meta = _meta(file)
        if meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
            return None
        if meta.transfer_syntax_uid in DEFLATED:
            raise _RejectedError(DEFLATED_FILE)
        uids, made, read_at = _corrected(file, state.st_size, meta, identity, issuer)
        sha256 = _write(copy, encode_file_meta(*uids, meta.transfer_syntax_uid), made, read_at)
    instance = read_instance(copy, levels)
    if instance is None:
        raise _RejectedError("Its corrected copy cannot be read.")
    return dataclasses.replace(instance, sha256=sha256), signature(state), made.guessed


def _opened(path: Path) -> BinaryIO:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.fdopen(os.open(path, flags), "rb", buffering=0)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _RejectedError(NOT_A_FILE) from error
        raise _RejectedError(f"It cannot be read: {error.strerror}.") from error


def _meta(file: BinaryIO) -> FileMeta:
    head = _read(file, 0, MAX_META_BYTES)
    if not is_dicom(head):
        raise _RejectedError(NOT_DICOM)
    meta = parse_file_meta(head)
    if meta is None:
        raise _RejectedError(DAMAGED)
    return meta


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    try:
        return os.pread(file.fileno(), length, offset)
    except OSError as error:
        raise _RejectedError(f"It cannot be read: {error.strerror}.") from error


def _corrected(
    file: BinaryIO, size_bytes: int, meta: FileMeta, identity: FolderIdentity, issuer: str
) -> tuple[tuple[str, str], Corrected, _ReadAt]:
    """Return the SOP Class and Instance UID, the corrected data set, and what reads the old one."""
    start, length = meta.size_bytes, size_bytes - meta.size_bytes
    syntax = meta.transfer_syntax_uid

    def read_at(offset: int, count: int) -> bytes:
        return _read(file, start + offset, count)

    head = read_at(0, min(length, _HEAD_BYTES)) if length > 0 else b""
    try:
        parsed = read_header(head, read_at, length, syntax, {})
        encoding = ENCODINGS.get(syntax, EXPLICIT_LITTLE)
        made = corrected(ByteSource(head, read_at, length), encoding, identity, issuer=issuer)
    except HeaderError as error:
        raise _RejectedError(f"It is damaged: {error.message}") from error
    if not parsed.sop_class_uid or not parsed.sop_instance_uid:
        raise _RejectedError(NO_UIDS)
    return (parsed.sop_class_uid, parsed.sop_instance_uid), made, read_at


def _write(copy: Path, first: bytes, made: Corrected, read_at: _ReadAt) -> str:
    """Write a copy; return its SHA-256."""
    hasher = hashlib.sha256()
    try:
        with copy.open("xb") as target:
            for part in itertools.chain((first,), _parts(made, read_at)):
                hasher.update(part)
                target.write(part)
    except OSError as error:
        raise DiskError(
            f"The corrected copies cannot be written in {copy.parents[2]}: {error.strerror}; make "
            "room there. Nothing was sent."
        ) from error
    return hasher.hexdigest()


def _parts(made: Corrected, read_at: _ReadAt) -> Iterator[bytes]:
    for piece in made.pieces.parts:
        if isinstance(piece, bytes):
            yield piece
            continue
        assert isinstance(piece, Stretch)  # noqa: S101 - a correction fills nothing
        offset, stop = piece
        while offset < stop:
            part = read_at(offset, min(_PIECE, stop - offset))
            if not part:
                raise _RejectedError("It became shorter while it was read.")
            yield part
            offset += len(part)


def reasons(prepared: Prepared) -> list[str]:
    """Return what was rejected by reason, with counts and without names."""
    counts: dict[str, int] = {}
    for reason in prepared.rejected.values():
        counts[reason] = counts.get(reason, 0) + 1
    return [f"{counted(count, 'file')}: {reason}" for reason, count in sorted(counts.items())]

"""Received instances in the job folder: file meta of ours, the data set bit for bit, SHA-256.

An instance is `00000001.part` while it arrives and `00000001.dcm` once it was read and found whole:
names are counters, since UIDs come from the wire. The hash is made from the file, by whoever calls
`settle` or `catch_up` (threads beside those that receive), so that no archive waits for it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mkiso.core.file_meta import encode_file_meta
from mkiso.core.header import LevelCache, ParsedHeader, read_header
from mkiso.core.model import ReceivedInstance
from mkiso.errors import LimitError

#: Head of a data set, reader of the rest, size in bytes, transfer syntax, levels seen before.
HeaderReader = Callable[[bytes, Callable[[int, int], bytes], int, str, LevelCache], ParsedHeader]

MAX_INSTANCE_BYTES = 64 << 30
#: The beginning of a data set that is kept in memory until its header is read.
_HEAD_BYTES = 32 * 1024
#: Smaller fragments are collected: a write for each of 16 KiB costs more than the copy.
_STAGE_BYTES = 256 * 1024
_DIRECT_BYTES = 64 * 1024
#: Read at a time for the hash: what stays in the processor's cache.
_HASH_BYTES = 256 * 1024
#: Hashed at a time while an object still arrives: its end must not wait long for it.
_CATCH_UP_BYTES = 16 << 20
#: How often the free space is looked at: by time, by what was written of the bytes that are to stay
#: free (a fast sender fills them within that time), and within a long object by its size.
_SPACE_CHECK_SECONDS = 0.5
_SPACE_CHECK_PART = 8
_SPACE_CHECK_BYTES = 64 << 20


class InstanceStore:
    """The instances of one job in one folder. `begin` from any thread, `settle` from one."""

    def __init__(
        self,
        folder: Path,
        *,
        header_reader: HeaderReader = read_header,
        minimum_free_bytes: int = 0,
        max_instance_bytes: int = MAX_INSTANCE_BYTES,
        free_bytes: Callable[[Path], int] | None = None,
        adopted: Sequence[ReceivedInstance] = (),
        durable: bool = False,
    ) -> None:
        """Use the existing `folder`, of which at least `minimum_free_bytes` stay free.

        `adopted` instances of an earlier run are in it already. With `durable` an instance that was
        kept is there after a power cut, too.
        """
        self.folder = folder
        self.duplicates = 0  # instances that came again with the same bytes
        self.conflicts: list[str] = []  # SOP Instance UIDs that came with two contents
        self.durable = durable
        self._minimum_free_bytes = minimum_free_bytes
        self.max_instance_bytes = max_instance_bytes
        self._free_bytes = free_bytes or _free_bytes
        numbers = [int(i.path.stem) for i in adopted if i.path.stem.isdecimal()]
        self._numbers = itertools.count(1 + max(numbers, default=0))
        self._spares: list[tuple[str, int]] = []  # new open files; append and pop are atomic
        self._header_reader = header_reader
        self._levels: LevelCache = {}
        self._hashes = {i.sop_instance_uid: i.sha256 for i in adopted if i.sha256}
        self._memory = threading.local()  # one buffer for each thread that hashes
        self._next_look = 0.0  # on the monotonic clock
        self._unseen_bytes = 0  # written since

    def begin(
        self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
    ) -> InstanceWriter:
        """Open a new instance. Raises OSError; ENOSPC also when too little would stay free."""
        is_much = self._unseen_bytes * _SPACE_CHECK_PART >= self._minimum_free_bytes
        if is_much or time.monotonic() >= self._next_look:
            self.require_room(0)  # as long as there is none, each instance looks
            self._next_look = time.monotonic() + _SPACE_CHECK_SECONDS
            self._unseen_bytes = 0
        uids = (sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        try:
            number, descriptor = self._spares.pop()
        except IndexError:
            number, descriptor = self._create()
        return InstanceWriter(self, number, descriptor, uids)

    def make_ready(self) -> None:
        """Create the file of the next instance, now that nobody waits for it. Raises OSError.

        A file system may take as long for that as for writing a slice: ext4 looks for an inode
        that was not freed within the last seconds.
        """
        if not self._spares:
            self._spares.append(self._create())

    def close(self) -> None:
        """Remove what was made ready and not needed."""
        while self._spares:
            number, descriptor = self._spares.pop()
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(self.part_path(number))  # noqa: PTH108 - as it was created

    def count(self, size_bytes: int) -> None:
        """Take note that so much was written."""
        self._unseen_bytes += size_bytes

    def part_path(self, number: str) -> str:
        """Return the name of an instance's file while it is written."""
        return f"{self.folder}{os.sep}{number}.part"

    def _create(self) -> tuple[str, int]:
        number = f"{next(self._numbers):08d}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return number, os.open(self.part_path(number), flags, 0o600)

    def settle(self, writer: InstanceWriter) -> ReceivedInstance | None:
        """Hash a kept instance and return it; None when its SOP Instance UID was here already.

        The first of two stays. The second is removed, and is counted in `duplicates` when its
        bytes are equal, named in `conflicts` when they are not. Raises OSError.
        """
        instance = writer.received()
        first = self._hashes.get(instance.sop_instance_uid)
        if first is None:
            self._hashes[instance.sop_instance_uid] = instance.sha256
            return instance
        writer.discard()
        if first == instance.sha256:
            self.duplicates += 1
        elif instance.sop_instance_uid not in self.conflicts:
            self.conflicts.append(instance.sop_instance_uid)
        return None

    def forget(self) -> None:
        """Forget the instances seen so far: a receiver that runs for months must not grow."""
        self._hashes.clear()
        self._levels.clear()

    def require_room(self, size_bytes: int) -> None:
        """Raise OSError (ENOSPC) when too little is free, LimitError for an object too large."""
        if size_bytes > self.max_instance_bytes:
            raise LimitError(
                f"An instance is larger than {self.max_instance_bytes} bytes, which is the most "
                "that one may have; ask for less, or raise max_instance_size in [job]."
            )
        if self._minimum_free_bytes and self._free_bytes(self.folder) < self._minimum_free_bytes:
            raise OSError(
                errno.ENOSPC,
                f"Less than {self._minimum_free_bytes / 1e6:,.0f} MB free",
                str(self.folder),
            )

    def sync_folder(self) -> None:
        """Bring the names in the folder to the disk. Raises OSError."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read_header(
        self, head: bytes, read_at: Callable[[int, int], bytes], size: int, syntax: str
    ) -> ParsedHeader:
        """Read a data set of `size` bytes, sharing what instances of this job have in common."""
        return self._header_reader(head, read_at, size, syntax, self._levels)

    def hash_up_to(
        self, update: Callable[[memoryview], object], descriptor: int, start: int, stop: int
    ) -> None:
        """Give the bytes from `start` to `stop` of an open file to `update`. Raises OSError."""
        buffer = getattr(self._memory, "buffer", None)
        if buffer is None:
            buffer = self._memory.buffer = bytearray(_HASH_BYTES)
        with memoryview(buffer) as view:
            while start < stop:
                count = os.preadv(descriptor, [view[: min(_HASH_BYTES, stop - start)]], start)
                if count == 0:
                    raise OSError(errno.EIO, "A received file became shorter", str(self.folder))
                update(view[:count])
                start += count


class InstanceWriter:
    """One instance on its way in: `write`, `finish`, then `keep` or `discard`."""

    def __init__(
        self, store: InstanceStore, number: str, descriptor: int, uids: tuple[str, str, str]
    ) -> None:
        """Fill the new open file; `uids` are those of class, instance and transfer syntax."""
        self._store = store
        self._transfer_syntax_uid = uids[2]
        self._path = store.part_path(number)
        self._final_path = f"{store.folder}{os.sep}{number}.dcm"
        self._stage = bytearray(encode_file_meta(*uids))
        self._offset = len(self._stage)  # of the data set in the file
        self._written = 0  # bytes in the file
        self._next_check = min(_SPACE_CHECK_BYTES, store.max_instance_bytes)
        self._head = bytearray()
        self._parsed: ParsedHeader | None = None
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._guard = threading.Lock()  # of the open file and of the hash
        self._descriptor = descriptor

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set. Raises OSError, LimitError when it is too large."""
        if len(self._head) < _HEAD_BYTES:
            self._head += fragment[: _HEAD_BYTES - len(self._head)]
        if len(fragment) >= _DIRECT_BYTES:
            self._put(fragment)
            return
        self._stage += fragment
        if len(self._stage) >= _STAGE_BYTES:
            self._put(None)

    def finish(self) -> ParsedHeader:
        """Write what is left, read the data set to its end, close the file; return its header.

        Raises HeaderError when it is no whole data set, and OSError.
        """
        if self._stage:
            self._put(None)
        size = self._written - self._offset
        self._parsed = self._store.read_header(
            bytes(self._head), self._read_at, size, self._transfer_syntax_uid
        )
        self._head = bytearray()
        self._store.count(self._written)
        if self._store.durable:
            os.fsync(self._descriptor)
        self._close()  # a file system may say only now that it has no room (NFS)
        return self._parsed

    def keep(self) -> InstanceWriter:
        """Give the finished file its name; return what `InstanceStore.settle` takes."""
        os.rename(self._path, self._final_path)  # noqa: PTH104 - as cheap as can be, per instance
        self._path = self._final_path
        if self._store.durable:
            self._store.sync_folder()
        return self

    def discard(self) -> None:
        """Close and remove the file; at any time, any number of times, without an error."""
        with contextlib.suppress(OSError):
            self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)  # noqa: PTH108 - as cheap as can be, per instance

    def catch_up(self) -> None:
        """Hash some of what is in the file so far, in any thread. Raises OSError."""
        with self._guard:
            stop = min(self._written, self._hashed + _CATCH_UP_BYTES)
            if self._descriptor >= 0:
                self._hash(self._descriptor, stop)
            elif self._path == self._final_path:
                self._hash_by_name(stop)

    def received(self) -> ReceivedInstance:
        """Hash the rest of the kept file and return the instance. Raises OSError."""
        if self._parsed is None:
            raise ValueError("the instance is not finished")
        with self._guard:
            self._hash_by_name(self._written)
        return ReceivedInstance(
            path=Path(self._path),
            size_bytes=self._written,
            sha256=self._digest.hexdigest(),
            sop_class_uid=self._parsed.sop_class_uid,
            sop_instance_uid=self._parsed.sop_instance_uid,
            series_instance_uid=self._parsed.series_instance_uid,
            study_instance_uid=self._parsed.study_instance_uid,
            transfer_syntax_uid=self._transfer_syntax_uid,
            header=self._parsed.header,
            data_set_offset=self._offset,
        )

    def _read_at(self, start: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, self._offset + start)

    def _hash_by_name(self, stop: int) -> None:
        if stop > self._hashed:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                self._hash(descriptor, stop)
            finally:
                os.close(descriptor)

    def _hash(self, descriptor: int, stop: int) -> None:
        self._store.hash_up_to(self._digest.update, descriptor, self._hashed, stop)
        self._hashed = stop

    def _put(self, fragment: memoryview | None) -> None:
        """Write what was collected, and `fragment` after it without a copy."""
        parts = [memoryview(self._stage)] if self._stage else []
        if fragment is not None:
            parts.append(fragment)
        while parts:
            count = os.writev(self._descriptor, parts)
            self._written += count
            while parts and count >= len(parts[0]):
                count -= len(parts.pop(0))
            if count:
                parts[0] = parts[0][count:]
        self._stage = bytearray()
        if self._written >= self._next_check:
            self._next_check = self._written + _SPACE_CHECK_BYTES
            self._store.require_room(self._written)

    def _close(self) -> None:
        with self._guard:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _free_bytes(folder: Path) -> int:
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize

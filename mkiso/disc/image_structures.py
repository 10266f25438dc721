"""The structures of an image: descriptors, path tables and directories, made by pycdlib in memory.

The data is not pycdlib's business: a source that is shorter than planned it would fill with zeros
without a word, and its copy loop cannot be stopped. It is told the sizes, and gets nothing to read.
"""

from __future__ import annotations

import gc
import io
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

from mkiso.core.model import DiscFile, FileSet
from mkiso.disc.iso_records import SECTOR
from mkiso.errors import InternalError

#: Larger files need interchange level 3 (several extents): whole sectors in 32 bits.
LARGEST_EXTENT = 0xFFFFF800

#: So many files that waiting for the next garbage collection costs memory.
MANY_FILES = 5000

FILE_MODE = 0o100444
DIRECTORY_MODE = 0o040555


@dataclass(frozen=True, slots=True)
class Structures:
    """The first bytes of an image, the place of each file with content, and the size of it all."""

    content: bytes
    offsets: Mapping[str, int]  # path -> offset in bytes; empty files have none
    size_bytes: int


def build_structures(file_set: FileSet, made_at: int) -> Structures:
    """Lay out the image of `file_set`, all dates being `made_at` (seconds since 1970, UTC).

    ISO 9660 level 1 (PS3.12 F.2.2), Joliet and Rock Ridge with the same upper-case names, no UDF.
    pycdlib places files breadth first by name: the root's, then by depth, DICOM in DICOMDIR order.
    """
    iso = PyCdlib()
    try:
        _plan(iso, file_set)
        iso.force_consistency()
        offsets = {
            file.path: iso.get_record(iso_path=_iso_path(file.path)).extent_location() * SECTOR
            for file in file_set.files
            if file.size_bytes
        }
        size = iso.pvd.space_size * SECTOR
        sink = _StructureSink(min(offsets.values(), default=size), size)
        iso.write_fp(sink, 1 << 20)
    except PyCdlibException as error:
        raise InternalError(f"The image cannot be laid out: {error}.") from error
    finally:
        iso.close()
        if len(file_set.files) > MANY_FILES:
            del iso
            gc.collect()  # its records refer to each other: 150 MB for 50,000 files
    set_dates(sink.content, made_at)
    return Structures(bytes(sink.content), offsets, size)


def _plan(iso: PyCdlib, file_set: FileSet) -> None:
    """Tell pycdlib the directories and files."""
    large = any(file.size_bytes > LARGEST_EXTENT for file in file_set.files)
    iso.new(
        interchange_level=3 if large else 1,
        sys_ident="LINUX",
        vol_ident=file_set.volume_id,
        vol_set_ident=file_set.volume_set_id,
        pub_ident_str="MKISO",
        preparer_ident_str="MKISO",
        app_ident_str="MKISO",
        joliet=3,
        rock_ridge="1.09",
    )
    made: set[str] = set()
    nothing = _Nothing()
    for file in file_set.files:
        parts = file.path.split("/")
        for depth in range(1, len(parts)):
            folder = "/" + "/".join(parts[:depth])
            if folder not in made:
                made.add(folder)
                iso.add_directory(
                    folder, rr_name=parts[depth - 1], joliet_path=folder, file_mode=DIRECTORY_MODE
                )
        _add(iso, file, parts[-1], nothing)


def _add(iso: PyCdlib, file: DiscFile, name: str, nothing: _Nothing) -> None:
    iso.add_fp(
        nothing,
        file.size_bytes,
        _iso_path(file.path),
        rr_name=name,
        joliet_path=f"/{file.path}",
        file_mode=FILE_MODE,
    )


def _iso_path(path: str) -> str:
    """Give the path with the separators that ECMA-119 7.5.1 wants: `NAME.;1`, `NAME.EXT;1`."""
    name = path.rsplit("/", 1)[-1]
    return f"/{path};1" if "." in name else f"/{path}.;1"


class _Nothing:
    """Stands for the content of every file: pycdlib asks for it and goes on without."""

    mode = "rb"

    def seek(self, _offset: int) -> int:
        return 0

    def read(self, _size: int = -1) -> bytes:
        return b""


class _StructureSink:
    """A file of `size` bytes that keeps the first `limit` of them in `content`."""

    mode = "w+b"

    def __init__(self, limit: int, size: int) -> None:
        self.content = bytearray(limit)
        self._size = size
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: bytes) -> int:
        end = self._position + len(data)
        if end <= len(self.content):
            self.content[self._position : end] = data
        self._position = end
        return len(data)


def set_dates(content: bytearray, made_at: int) -> None:
    """Set every date in the structures to `made_at`, in UTC.

    pycdlib asks the clock and the time zone for each record, so that no two images were equal.
    """
    moment = time.gmtime(made_at)
    short = struct.pack("7B", moment.tm_year - 1900, *moment[1:6], 0)  # ECMA-119 9.1.5
    long = time.strftime("%Y%m%d%H%M%S00", moment).encode() + b"\0"  # ECMA-119 8.4.26.1
    unset = b"0" * 16 + b"\0"
    sector = 16
    while content[sector * SECTOR] != 255:
        start = sector * SECTOR
        if content[start] in (1, 2):
            content[start + 813 : start + 881] = long + long + unset + long
            content[start + 174 : start + 181] = short
            _set_directory_dates(content, struct.unpack_from("<I", content, start + 158)[0], short)
        sector += 1


def _set_directory_dates(content: bytearray, root: int, short: bytes) -> None:
    """Set the dates of all records below the directory in sector `root`."""
    waiting = [root]
    for sector in waiting:  # grows while it is read
        offset = start = sector * SECTOR
        end = start + struct.unpack_from("<I", content, start + 10)[0]
        while offset < end:
            length = content[offset]
            if length == 0:
                offset = (offset // SECTOR + 1) * SECTOR
                continue
            content[offset + 18 : offset + 25] = short
            _set_time_stamps(content, offset, length, short)
            is_dot = content[offset + 32] == 1 and content[offset + 33] <= 1
            if content[offset + 25] & 2 and not is_dot:
                waiting.append(struct.unpack_from("<I", content, offset + 2)[0])
            offset += length


def _set_time_stamps(content: bytearray, record: int, length: int, short: bytes) -> None:
    """Set the dates of the TF entry (RRIP 4.1.6) of one record, if it has one."""
    offset = record + 33 + content[record + 32]
    offset += offset - record & 1
    while offset + 4 < record + length and (size := content[offset + 2]) >= 4:
        if content[offset : offset + 2] == b"TF":
            content[offset + 5 : offset + size] = short * ((size - 5) // 7)
        offset += size

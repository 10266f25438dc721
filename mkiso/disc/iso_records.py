"""Directory records and volume descriptors of ISO 9660, read with struct alone (ECMA-119).

Shares no code with the library that writes the image: what both would misunderstand alike
nobody would notice.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass

SECTOR = 2048
DIRECTORY = 0x02
MULTI_EXTENT = 0x80

Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Record:
    """One directory record (ECMA-119 9.1). `extent` in sectors, `size` in bytes."""

    identifier: bytes
    extent: int
    size: int
    flags: int
    system_use: bytes

    @property
    def is_directory(self) -> bool:
        """Whether the record names a directory."""
        return bool(self.flags & DIRECTORY)


@dataclass(frozen=True, slots=True)
class VolumeDescriptor:
    """A primary or supplementary volume descriptor (ECMA-119 8.4, 8.5)."""

    volume_sectors: int
    path_table_bytes: int
    path_table_little: int
    path_table_big: int
    root: Record
    is_joliet: bool


def both_endian_32(data: bytes, offset: int) -> int | None:
    """Give the number that stands there in both byte orders (ECMA-119 7.3.3), None if unequal."""
    little = int.from_bytes(data[offset : offset + 4], "little")
    return little if little == int.from_bytes(data[offset + 4 : offset + 8], "big") else None


def both_endian_16(data: bytes, offset: int) -> int | None:
    """Give the number that stands there in both byte orders (ECMA-119 7.2.3), None if unequal."""
    little = int.from_bytes(data[offset : offset + 2], "little")
    return little if little == int.from_bytes(data[offset + 2 : offset + 4], "big") else None


def parse_record(data: bytes, offset: int, where: str, error: Report) -> Record | None:
    """Give the directory record at `offset`, None when it is not usable."""
    length = data[offset]
    name_length = data[offset + 32] if offset + 33 <= len(data) else 255
    if length < 34 or offset + length > len(data) or 33 + name_length > length:
        error("iso.record-cut", f"A directory record of {where} is cut off.")
        return None
    extent, size = both_endian_32(data, offset + 2), both_endian_32(data, offset + 10)
    if extent is None or size is None or both_endian_16(data, offset + 28) is None:
        error("iso.endian-halves", f"A record of {where} has two values that disagree.")
        return None
    if data[offset + 26] or data[offset + 27]:
        error("iso.interleaved", f"A file of {where} is interleaved, which DICOM media do not use.")
    start = offset + 33 + name_length
    return Record(
        identifier=data[offset + 33 : start],
        extent=extent + data[offset + 1],  # after the extended attribute record, ECMA-119 9.1.2
        size=size,
        flags=data[offset + 25],
        system_use=data[start + (1 - name_length % 2) : offset + length],
    )


def parse_directory(data: bytes, where: str, error: Report) -> list[Record]:
    """Give the records of a directory extent, "." and ".." included, in their order."""
    records: list[Record] = []
    offset = 0
    while offset < len(data):
        length = data[offset]
        if length == 0:  # the rest of the sector is unused, ECMA-119 6.8.1.1
            following = (offset // SECTOR + 1) * SECTOR
            if any(data[offset:following]):
                error("iso.unused-not-zero", f"The unused end of a sector of {where} is not empty.")
            offset = following
            continue
        if offset // SECTOR != (offset + length - 1) // SECTOR:
            error("iso.record-crosses-sector", f"A directory record of {where} crosses a sector.")
        record = parse_record(data, offset, where, error)
        if record is None:
            break
        records.append(record)
        offset += length
    return records


def in_order(records: list[Record]) -> bool:
    """Say whether the names of a directory ascend: by name, then extension (ECMA-119 9.3)."""
    found = [(record.identifier.partition(b";")[0] + b".").split(b".")[:2] for record in records]
    names = [(name.ljust(31), extension.ljust(31)) for name, extension in found]
    return all(one <= other for one, other in itertools.pairwise(names))


def parse_volume_descriptor(data: bytes, where: str, error: Report) -> VolumeDescriptor | None:
    """Give the primary or supplementary descriptor in one sector, None when it is not usable."""
    fields = (("set size", 120, 1), ("sequence number", 124, 1), ("block size", 128, SECTOR))
    for name, offset, wanted in fields:
        if (value := both_endian_16(data, offset)) != wanted:
            error("iso.volume-field", f"The {where} descriptor has a wrong {name}: {value}.")
    sectors, table = both_endian_32(data, 80), both_endian_32(data, 132)
    if sectors is None or table is None:
        error("iso.endian-halves", f"The {where} descriptor has two values that disagree.")
        return None
    root = parse_record(data[156:190], 0, f"the {where} descriptor", error)
    if root is None or not root.is_directory:
        error("iso.root", f"The {where} descriptor names no root directory.")
        return None
    return VolumeDescriptor(
        volume_sectors=sectors,
        path_table_bytes=table,
        path_table_little=struct.unpack_from("<I", data, 140)[0],
        path_table_big=struct.unpack_from(">I", data, 148)[0],
        root=root,
        is_joliet=data[0] == 2,
    )


def parse_path_table(data: bytes, *, big_endian: bool) -> list[tuple[bytes, int, int]]:
    """Give (identifier, extent, number of the parent) of a path table (ECMA-119 9.4)."""
    order = ">" if big_endian else "<"
    entries: list[tuple[bytes, int, int]] = []
    offset = 0
    while offset + 8 < len(data):
        length = data[offset]
        extent, parent = struct.unpack_from(f"{order}IH", data, offset + 2)
        entries.append((data[offset + 8 : offset + 8 + length], extent, parent))
        offset += 8 + length + (length & 1)
    return entries


def rock_ridge_name(system_use: bytes, skip: int) -> str | None:
    """Give the NM name in a system use area (RRIP 4.1.4), None when there is none.

    Continuation areas are not followed: names of DICOM media are 8.3, they never need one.
    """
    offset, name = skip, b""
    found = False
    while offset + 4 <= len(system_use):
        length = system_use[offset + 2]
        if length < 4 or offset + length > len(system_use):
            break
        if system_use[offset : offset + 2] == b"NM" and length >= 5:
            name += system_use[offset + 5 : offset + length]
            found = True
        offset += length
    return name.decode("utf-8", "replace") if found else None


def susp_skip(system_use: bytes) -> int | None:
    """Give the bytes to skip in system use areas (SUSP 5.3), None without the SP entry."""
    for start in (0, 14):  # 14: after a CD-ROM XA record
        entry = system_use[start : start + 7]
        if entry[:2] == b"SP" and entry[4:6] == b"\xbe\xef":
            return int(entry[6])
    return None

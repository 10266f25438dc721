"""The fresh reader: what the structures of an ISO 9660 image say, their faults as findings."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mkiso.core.findings import Finding, Findings
from mkiso.core.media_names import D_CHARACTERS
from mkiso.disc.iso_records import SECTOR, parse_volume_descriptor
from mkiso.disc.iso_tree import EMPTY, Tree, TreeWalk

MAX_DESCRIPTORS = 64

#: Joliet specification, "SVD Escape Sequences": UCS-2 levels 1 to 3.
JOLIET = (b"%/@", b"%/C", b"%/E")

#: Sectors after the volume that burning programs add as run-out padding: 150, some twice.
USUAL_PADDING_SECTORS = 300


@dataclass(frozen=True, slots=True)
class IsoImage:
    """The trees of an image; `rock_ridge` and `joliet` are None when it has none."""

    volume_id: str
    size_bytes: int  # by the volume descriptor
    primary: Tree
    rock_ridge: Tree | None
    joliet: Tree | None
    findings: tuple[Finding, ...]


def read_iso(descriptor: int) -> IsoImage:
    """Read the structures of the image in an open file (ECMA-119, RRIP 1.12, Joliet)."""
    findings = Findings()
    primary: TreeWalk | None = None
    joliet: TreeWalk | None = None
    volume_id = ""
    for kind, data in _descriptors(descriptor, findings):
        if kind == 1 and primary is None:
            primary = _walk(descriptor, data, "primary", findings)
            volume_id = data[40:72].decode("latin-1").rstrip(" \0")
            if not set(volume_id) <= D_CHARACTERS:  # ECMA-119 8.4.7
                findings.error("iso.volume-id-characters", "The volume identifier is not allowed.")
        elif kind == 2 and data[88:91] in JOLIET:
            joliet = _walk(descriptor, data, "Joliet", findings)
    if primary is None:
        findings.error("iso.no-volume", "This is no ISO 9660 image: it has no primary volume.")
        return IsoImage("", 0, EMPTY, None, None, findings.result())
    declared = primary.volume.volume_sectors * SECTOR
    _check_size(os.lseek(descriptor, 0, os.SEEK_END), declared, findings)
    tree = Tree(primary.files, primary.directories)
    rock = None if primary.rock_skip is None else Tree(primary.rock_files, primary.directories)
    other = Tree(joliet.files, joliet.directories) if joliet else None
    _compare(tree, rock, "Rock Ridge", findings)
    _compare(tree, other, "Joliet", findings)
    return IsoImage(volume_id, declared, tree, rock, other, findings.result())


def _descriptors(descriptor: int, findings: Findings) -> list[tuple[int, bytes]]:
    """Give (type, content) of the volume descriptor set (ECMA-119 6.7.1)."""
    found: list[tuple[int, bytes]] = []
    for sector in range(16, 16 + MAX_DESCRIPTORS):
        data = os.pread(descriptor, SECTOR, sector * SECTOR)
        if len(data) < SECTOR or data[1:6] != b"CD001":
            break
        if data[0] == 255:
            return found
        found.append((data[0], data))
    findings.error("iso.descriptors", "The volume descriptors have no proper end.")
    return found


def _walk(descriptor: int, data: bytes, label: str, findings: Findings) -> TreeWalk | None:
    volume = parse_volume_descriptor(data, label, findings.error)
    if volume is None:
        return None
    walk = TreeWalk(descriptor, volume, label, findings)
    walk.run()
    return walk


def _check_size(size_bytes: int, declared_bytes: int, findings: Findings) -> None:
    if declared_bytes > size_bytes:
        findings.error(
            "iso.truncated",
            f"The image is cut off: only {size_bytes} of {declared_bytes} bytes are there.",
        )
    elif size_bytes - declared_bytes > USUAL_PADDING_SECTORS * SECTOR:
        more = size_bytes - declared_bytes
        findings.warning("iso.longer", f"{more} bytes follow the end of the volume.")


def _compare(primary: Tree, other: Tree | None, label: str, findings: Findings) -> None:
    """Check that another tree shows the same files in the same places."""
    if other is None or other.files == primary.files:
        return
    if sorted(other.files.values()) != sorted(primary.files.values()):
        findings.error(
            "iso.trees-disagree", f"The {label} tree shows other files than the primary."
        )
        return
    upper = {path.upper(): extents for path, extents in other.files.items()}
    if upper == dict(primary.files):  # IHE RAD TF-3 4.47.4.1.2: upper case in every view
        findings.warning("iso.lower-case", f"The {label} names are not in upper case.")
    else:
        findings.warning("iso.names-differ", f"The {label} names differ from the ISO 9660 names.")

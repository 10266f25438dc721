"""Reads a DICOMDIR back: the tree of its records, and what is wrong with it (PS3.3 F.2, F.3)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mkiso.core.findings import Finding, Findings
from mkiso.disc.dicomdir_elements import DirectoryElement, DirectoryFault, elements, items

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_FILE_SET_ID = 0x00041130
_FIRST_ROOT, _LAST_ROOT, _CONSISTENCY = 0x00041200, 0x00041202, 0x00041212
_RECORD_SEQUENCE = 0x00041220
_NEXT, _IN_USE, _LOWER, _TYPE = 0x00041400, 0x00041410, 0x00041420, 0x00041430
_FILE_ID, _SOP_CLASS, _SOP_INSTANCE, _SYNTAX = 0x00041500, 0x00041510, 0x00041511, 0x00041512


@dataclass(slots=True, eq=False, repr=False)
class DirectoryRecord:
    """One record of a directory; its values are read when asked for, so that many fit memory."""

    offset: int  # from the first byte of the file
    record_type: str
    file_id: tuple[str, ...]
    sop_class_uid: str  # of the file referred to; "" when absent, as the next two
    sop_instance_uid: str
    transfer_syntax_uid: str
    next_offset: int | None
    lower_offset: int | None
    data: bytes  # the whole DICOMDIR, shared by all records
    start: int
    stop: int
    parent: DirectoryRecord | None = None
    children: list[DirectoryRecord] = field(default_factory=list)

    def values(self) -> dict[int, bytes]:
        """Return all values by tag, raw and without padding; of sequences the bytes of items."""
        found = elements(self.data, self.start, self.stop)
        return {element.tag: value_of(self.data, element) for element in found}


@dataclass(frozen=True, slots=True)
class Directory:
    """A DICOMDIR as read: all records in the order of the file, and those of the root."""

    file_set_id: str = ""
    sop_instance_uid: str = ""
    records: tuple[DirectoryRecord, ...] = ()
    roots: tuple[DirectoryRecord, ...] = ()
    findings: tuple[Finding, ...] = ()

    def references(self) -> Iterator[DirectoryRecord]:
        """Yield the records that refer to a file."""
        return (record for record in self.records if record.file_id)


def parse_dicomdir(data: bytes) -> Directory:
    """Return the records of a DICOMDIR and every fault of its structure; never raises.

    What the records say of their instances is for `check_directory` and for who has the files.
    """
    findings = Findings()
    try:
        return _parse(data, findings)
    except DirectoryFault as fault:
        findings.error("dicomdir.parses", f"DICOMDIR cannot be read: {fault}.")
        return Directory(findings=findings.result())


def _parse(data: bytes, findings: Findings) -> Directory:
    offset, meta = _file_meta(data)
    _check_meta(meta, findings)
    if _ascii(meta.get(0x00020010, b"")) != EXPLICIT_VR_LITTLE_ENDIAN:
        return Directory(findings=findings.result())
    main = {element.tag: element for element in elements(data, offset, len(data))}
    values = {tag: data[e.start : e.start + e.length] for tag, e in main.items() if e.vr != b"SQ"}
    if any(data[:128]):
        findings.warning("dicomdir.preamble-zero", "The preamble of DICOMDIR is not zero.")
    if values.get(_CONSISTENCY) != b"\0\0":
        findings.error("dicomdir.consistency-flag", "The File-set Consistency Flag is not 0000H.")
    if _RECORD_SEQUENCE not in main:
        raise DirectoryFault("it has no Directory Record Sequence")
    records = tuple(_records(data, main[_RECORD_SEQUENCE], findings))
    first, last = (
        int.from_bytes(values.get(tag, b""), "little") for tag in (_FIRST_ROOT, _LAST_ROOT)
    )
    roots = _link(records, first, last, findings)
    return Directory(
        _ascii(values.get(_FILE_SET_ID, b"")),
        _ascii(meta.get(0x00020003, b"")),
        records,
        tuple(roots),
        findings.result(),
    )


def _file_meta(data: bytes) -> tuple[int, dict[int, bytes]]:
    """Return the offset after the file meta information, and its values."""
    if data[128:132] != b"DICM":
        raise DirectoryFault("it is no DICOM file")
    meta: dict[int, bytes] = {}
    offset = 132
    for element in elements(data, offset, len(data)):
        if element.tag >> 16 != 2:
            break
        meta[element.tag] = data[element.start : element.start + element.length]
        offset = element.stop
    if int.from_bytes(meta.get(0x00020000, b""), "little") != offset - 144:
        raise DirectoryFault("its File Meta Information Group Length is wrong")
    return offset, meta


def _check_meta(meta: Mapping[int, bytes], findings: Findings) -> None:
    if _ascii(meta.get(0x00020002, b"")) != MEDIA_STORAGE_DIRECTORY:
        findings.error(
            "dicomdir.sop-class", "DICOMDIR is not of the Media Storage Directory class."
        )
    if _ascii(meta.get(0x00020010, b"")) != EXPLICIT_VR_LITTLE_ENDIAN:
        findings.error("dicomdir.transfer-syntax", "DICOMDIR is not in Explicit VR Little Endian.")
    if not 0 < len(_ascii(meta.get(0x00020003, b""))) <= 64:
        findings.error("dicomdir.sop-instance-uid", "DICOMDIR has no SOP Instance UID of its own.")


def _records(
    data: bytes, sequence: DirectoryElement, findings: Findings
) -> Iterator[DirectoryRecord]:
    for offset, start, stop in items(data, sequence):
        values = {element.tag: value_of(data, element) for element in elements(data, start, stop)}
        if values.get(_IN_USE) != b"\xff\xff":
            findings.error("dicomdir.in-use-flag", f"The record at byte {offset} is not FFFFH.")
        file_id = _ascii(values.get(_FILE_ID, b""))
        yield DirectoryRecord(
            offset=offset,
            record_type=sys.intern(_ascii(values.get(_TYPE, b""))),
            file_id=tuple(sys.intern(part) for part in file_id.split("\\")) if file_id else (),
            sop_class_uid=sys.intern(_ascii(values.get(_SOP_CLASS, b""))),
            sop_instance_uid=_ascii(values.get(_SOP_INSTANCE, b"")),
            transfer_syntax_uid=sys.intern(_ascii(values.get(_SYNTAX, b""))),
            next_offset=_offset(values.get(_NEXT)),
            lower_offset=_offset(values.get(_LOWER)),
            data=data,
            start=start,
            stop=stop,
        )


def _offset(raw: bytes | None) -> int | None:
    return int.from_bytes(raw, "little") if raw is not None and len(raw) == 4 else None


def value_of(data: bytes, element: DirectoryElement) -> bytes:
    """Return the raw value of an element without padding; of a sequence the bytes of its items."""
    if element.vr == b"SQ":
        return data[element.start : element.stop]
    raw = data[element.start : element.start + element.length]
    return (
        raw
        if element.vr in {b"US", b"UL", b"SS", b"SL", b"OB", b"OW", b"UN"}
        else raw.rstrip(b" \0")
    )


def _link(
    records: tuple[DirectoryRecord, ...], first: int, last: int, findings: Findings
) -> list[DirectoryRecord]:
    """Give every record its parent and children by the offsets; return those of the root."""
    at = {record.offset: record for record in records}
    reached: set[int] = set()
    roots = _chain(first, None, at, reached, findings)
    to_follow = list(roots)
    while to_follow:
        record = to_follow.pop()
        lower = record.lower_offset
        if lower is None or record.next_offset is None:
            findings.error(
                "dicomdir.offsets", f"The record at byte {record.offset} has no offsets."
            )
        elif lower:
            record.children = _chain(lower, record, at, reached, findings)
            to_follow += record.children
    if (roots[-1].offset if roots else 0) != last:
        findings.error("dicomdir.last-root-offset", "The offset of the last root record is wrong.")
    for record in records:
        if record.offset not in reached:
            findings.error(
                "dicomdir.record-unreached",
                f"No offset leads to the record at byte {record.offset}.",
            )
    return roots


def _chain(
    offset: int,
    parent: DirectoryRecord | None,
    at: Mapping[int, DirectoryRecord],
    reached: set[int],
    findings: Findings,
) -> list[DirectoryRecord]:
    """Return the records that follow each other from `offset` on."""
    found: list[DirectoryRecord] = []
    while offset:
        record = at.get(offset)
        if record is None or offset in reached:
            what = "no record" if record is None else "a record that was reached before"
            findings.error("dicomdir.offsets", f"An offset leads to {what}, at byte {offset}.")
            break
        reached.add(offset)
        record.parent = parent
        found.append(record)
        offset = record.next_offset or 0
    return found


def _ascii(raw: bytes) -> str:
    return raw.rstrip(b" \0").decode("ascii", "replace").strip()

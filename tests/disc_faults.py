"""Single faults to make in copies of a good disc, each with the finding that names it.

`seen_by` are other judges that see the fault, too: `dciodvfy`, `dcdirdmp` on DICOMDIR, or the id
of a line of the shared checker.
"""

import dataclasses
import io
import struct
import warnings
from collections.abc import Callable

import pydicom

from mkiso.core.checksums import checksum_file, file_in_memory
from mkiso.disc.dicomdir_reader import parse_dicomdir

NO_CHECKSUMS = "SHA256.TXT"


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    finding: str
    change: Callable  # (contents by path) -> None, in place
    seen_by: tuple = ()
    how: str = "files"  # "image": the change is made to the bytes of the image


def contents_of(file_set):
    """Give path -> bytes of a plan's files."""
    return {
        f.path: f.content if f.source is None else f.source.read_bytes() for f in file_set.files
    }


def as_file_set(file_set, contents):
    """Give the plan with other contents; the check sums are made anew."""
    files = [file_in_memory(path, data) for path, data in contents.items()]
    if NO_CHECKSUMS in contents and contents[NO_CHECKSUMS] == _sums_of(file_set):
        files = [f for f in files if f.path != NO_CHECKSUMS]
        files.append(checksum_file(files))
    return dataclasses.replace(file_set, files=tuple(files))


def _sums_of(file_set):
    return next(f.content for f in file_set.files if f.path == NO_CHECKSUMS)


# --- ways to change a directory


def directory(change):
    """Give a change of DICOMDIR's records as pydicom sees them; the offsets are made anew."""

    def apply(contents):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong here is meant to be
            changed(contents)

    def changed(contents):
        whole = pydicom.dcmread(io.BytesIO(contents["DICOMDIR"]))
        records = list(whole.DirectoryRecordSequence)
        number_at = {record.seq_item_tell: number for number, record in enumerate(records)}
        links = [
            tuple(number_at.get(record[tag].value) for tag in ((0x0004, 0x1400), (0x0004, 0x1420)))
            for record in records
        ]
        change(whole, records)
        for _ in range(2):  # the first writing tells the places, the second has them
            again = pydicom.dcmread(io.BytesIO(_written(whole)))
            places = [record.seq_item_tell for record in again.DirectoryRecordSequence]
            for record, (following, lower) in zip(records, links, strict=True):
                record.OffsetOfTheNextDirectoryRecord = (
                    places[following] if following is not None else 0
                )
                record.OffsetOfReferencedLowerLevelDirectoryEntity = (
                    places[lower] if lower is not None else 0
                )
            whole.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = places[0]
            whole.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = places[0]
        contents["DICOMDIR"] = _written(whole)

    return apply


def _written(whole):
    stream = io.BytesIO()
    with pydicom.config.disable_value_validation():
        pydicom.dcmwrite(stream, whole, enforce_file_format=True)
    return stream.getvalue()


def record(kind, change):
    """Give a change of the first record of a type."""

    def apply(_whole, records):
        change(next(r for r in records if r.DirectoryRecordType == kind))

    return directory(apply)


def without(kind, keyword):
    return record(kind, lambda found: delattr(found, keyword))


def with_value(kind, keyword, value):
    def apply(found):
        found[keyword]._value = value  # as it is, legal or not

    return record(kind, apply)


def in_directory(old, new, *, after=400):
    """Give a change of bytes of the same length, behind the file meta."""

    def apply(contents):
        content = contents["DICOMDIR"]
        head, tail = content[:after], content[after:]
        assert old in tail
        assert len(old) == len(new)
        contents["DICOMDIR"] = head + tail.replace(old, new, 1)

    return apply


def at_directory(place, value):
    """Give a change of four bytes of a record's offsets: `place(directory)` tells where."""

    def apply(contents):
        content = bytearray(contents["DICOMDIR"])
        at = place(parse_dicomdir(bytes(content)))
        content[at : at + len(value)] = value
        contents["DICOMDIR"] = bytes(content)

    return apply


def next_offset(kind):
    """Give where the offset of the next record stands in the first record of a type."""

    def place(found):
        first = next(r for r in found.records if r.record_type == kind)
        return first.start + 8

    return place


def lower_offset(kind):
    def place(found):
        first = next(r for r in found.records if r.record_type == kind)
        return first.start + 8 + 4 + 8 + 2 + 8

    return place


# --- ways to change files


def an_instance(contents, number=0):
    return sorted(path for path in contents if path.startswith("DICOM/"))[number]


def instance(change, number=0):
    def apply(contents):
        path = an_instance(contents, number)
        content = bytearray(contents[path])
        contents[path] = bytes(change(content) or content)

    return apply


def page(path, old, new):
    def apply(contents):
        assert old in contents[path]
        contents[path] = contents[path].replace(old, new, 1)

    return apply


def added(path, content):
    return lambda contents: contents.update({path: content})


def removed(*paths):
    def apply(contents):
        for path in paths:
            del contents[path]

    return apply


def preamble(start):
    return instance(lambda content: start.ljust(128, b"\0") + bytes(content[128:]))


def meta_element(number, change):
    """Give a change of a file meta element's value, of the same length."""

    def apply(content):
        at = content.index(struct.pack("<HH", 2, number))
        length = int.from_bytes(content[at + 6 : at + 8], "little")
        content[at + 8 : at + 8 + length] = change(bytes(content[at + 8 : at + 8 + length]))

    return instance(apply)


def no_meta_element(number):
    """Give a change that leaves a file meta element out, with the group length right."""

    def apply(content):
        at = content.index(struct.pack("<HH", 2, number))
        length = int.from_bytes(content[at + 6 : at + 8], "little")
        del content[at : at + 8 + length]
        group = int.from_bytes(content[140:144], "little") - 8 - length
        content[140:144] = group.to_bytes(4, "little")

    return instance(apply)


# --- ways to change an image


def both_endian(at, value):
    def apply(content):
        content[at : at + 8] = struct.pack("<I", value) + struct.pack(">I", value)

    return apply


def record_of(name, change):
    """Give a change of the primary tree's directory record of a name."""

    def apply(content):
        at = content.index(name) - 33
        change(content, at)

    return apply

"""A good disc, and copies of it with one fault each: every fault has its finding."""

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from disc_faults import (
    Fault,
    added,
    an_instance,
    as_file_set,
    at_directory,
    both_endian,
    contents_of,
    directory,
    in_directory,
    instance,
    lower_offset,
    meta_element,
    next_offset,
    no_meta_element,
    page,
    preamble,
    record,
    record_of,
    removed,
    with_value,
    without,
)
from disc_sets import EPOCH, write_disc
from pydicom.dataset import Dataset

from mkiso.disc.image import write_image
from mkiso.disc.read_back import check_image

VOLUME = 16 * 2048
NAMES = ("CT_small.dcm", "MR_small.dcm", "test-SR.dcm")


def renamed(old, new):
    def apply(contents):
        contents[new] = contents.pop(old)

    return apply


def moved_with_record(old, new):
    """Move the first instance, and let DICOMDIR say so."""

    def apply(contents):
        path = an_instance(contents)
        contents[path.replace(old, new)] = contents.pop(path)
        change = record(
            "IMAGE",
            lambda r: setattr(
                r, "ReferencedFileID", [p.replace(old, new) for p in r.ReferencedFileID]
            ),
        )
        change(contents)

    return apply


def deep(contents):
    path = an_instance(contents)
    parts = ["DICOM", "A", "B", "C", "D", "E", "F", "G", "IM000000"]
    contents["/".join(parts)] = contents.pop(path)
    record("IMAGE", lambda r: setattr(r, "ReferencedFileID", parts[:8]))(contents)


def twice(contents):
    change = directory(
        lambda _, records: setattr(
            records[-1], "ReferencedSOPInstanceUIDInFile", records[3].ReferencedSOPInstanceUIDInFile
        )
    )
    change(contents)


def no_records(contents):
    """Leave an empty Directory Record Sequence behind zero offsets."""
    content = contents["DICOMDIR"]
    at = content.index(b"\x04\x00\x20\x12SQ")
    root = content.index(b"\x04\x00\x00\x12UL")
    flat = bytearray(content[: at + 8] + bytes(4))
    flat[root + 8 : root + 12] = flat[root + 20 : root + 24] = bytes(4)
    contents["DICOMDIR"] = bytes(flat)


def icon(rows=4, columns=4, size=16, photometric="MONOCHROME2"):
    def apply(found):
        item = Dataset()
        item.SamplesPerPixel = 1
        item.PhotometricInterpretation = photometric
        item.Rows, item.Columns = rows, columns
        item.BitsAllocated = item.BitsStored = 8
        item.HighBit, item.PixelRepresentation = 7, 0
        item.add_new(0x7FE00010, "OB", bytes(size))
        found.IconImageSequence = [item]

    return record("IMAGE", apply)


def sums(change):
    def apply(contents):
        lines = contents["SHA256.TXT"].decode().splitlines(keepends=True)
        contents["SHA256.TXT"] = "".join(change(lines)).encode()

    return apply


def put(at, value):
    """Give a change of bytes of the image."""

    def apply(content):
        content[at : at + len(value)] = value

    return apply


def in_joliet(name, offset, value):
    """Give a change in the Joliet record of a name; the name itself is at offset 33."""

    def apply(content):
        at = content.index(name.encode("utf-16-be")) - 33 + offset
        content[at : at + len(value)] = value

    return apply


def in_path_table(content):
    at = struct.unpack_from("<I", content, 16 * 2048 + 140)[0] * 2048
    content[at + 2 : at + 4] = b"\xff\0"


def name_of(old, new):
    """Give a change of a name in the primary tree alone, of the same length."""

    def apply(content):
        at = content.index(old)
        content[at : at + len(new)] = new

    return apply


FAULTS = (
    # the file system (IHE 1902)
    Fault(
        "descriptor end",
        "iso.descriptors",
        put(18 * 2048, bytes(6)),
        (
            "iso.descriptor-terminator",
            "dciodvfy.DICOMDIR",
            "dcdirdmp.no-errors",
            "pydicom.FileSet",
            "dicomdir.present",
            "viewer.index-in-root",
        ),
        "image",
    ),
    Fault(
        "cut off",
        "iso.truncated",
        lambda c: c.__delitem__(slice(len(c) - 4096, None)),
        ("iso.volume-size-not-over-file",),
        "image",
    ),
    Fault(
        "volume set of two",
        "iso.volume-field",
        put(VOLUME + 120, b"\2\0\0\2"),
        ("iso.volume-set-size",),
        "image",
    ),
    Fault(
        "volume id in lower case",
        "iso.volume-id-characters",
        put(VOLUME + 40, b"test"),
        ("iso.volume-id-d-characters",),
        "image",
    ),
    Fault(
        "volume id of another disc", "iso.volume-id-differs", put(VOLUME + 40, b"BEST"), (), "image"
    ),
    Fault(
        "size halves differ",
        "iso.endian-halves",
        put(VOLUME + 84, b"\0\0\0\1"),
        ("iso.volume-size-both-endian",),
        "image",
    ),
    Fault(
        "file outside",
        "iso.extent-outside",
        record_of(b"README.TXT;1", lambda c, at: both_endian(at + 2, 500_000)(c)),
        ("iso.primary-directory-records", "joliet.same-extents-as-primary"),
        "image",
    ),
    Fault(
        "files overlap",
        "iso.extents-overlap",
        record_of(b"SHA256.TXT;1", lambda c, at: both_endian(at + 10, 5_000)(c)),
        ("iso.extents-do-not-overlap", "joliet.same-extents-as-primary"),
        "image",
    ),
    Fault("path table wrong", "iso.path-table", in_path_table, ("iso.path-table-L",), "image"),
    Fault(
        "Joliet shows another file",
        "iso.trees-disagree",
        in_joliet("README.TXT", 10, struct.pack("<I", 7) + struct.pack(">I", 7)),
        ("joliet.same-extents-as-primary",),
        "image",
    ),
    Fault(
        "Joliet in lower case",
        "iso.lower-case",
        in_joliet("README.TXT", 33, "readme.txt".encode("utf-16-be")),
        (),
        "image",
    ),
    Fault(
        "names out of order",
        "iso.order",
        name_of(b"README.TXT;1", b"AEADME.TXT;1"),
        ("iso.primary-directory-order",),
        "image",
    ),
    # names and places (IHE 1903, 1911, 1912)
    Fault(
        "no DICOMDIR",
        "disc.no-dicomdir",
        removed("DICOMDIR"),
        (
            "iso.DICOMDIR-in-root",
            "joliet.DICOMDIR-upper-case",
            "dciodvfy.DICOMDIR",
            "dcdirdmp.no-errors",
            "dcdirdmp.paths-are-the-dicom-files",
            "pydicom.FileSet",
            "dicomdir.present",
            "viewer.links-exist",
        ),
    ),
    Fault("no README", "disc.page-missing", removed("README.TXT"), ("viewer.links-exist",)),
    Fault("README is empty", "disc.page-empty", added("README.TXT", b""), ()),
    Fault("README of blanks", "page.readme-empty", added("README.TXT", b" \r\n"), ()),
    Fault("README is no text", "page.readme-not-text", added("README.TXT", b"\0\1\2binary"), ()),
    Fault(
        "long name",
        "disc.name-not-8.3",
        renamed("README.TXT", "README_LONGER.TEXT"),
        ("iso.file-names-level1", "viewer.links-exist"),
        "genisoimage",
    ),
    Fault(
        "too deep",
        "disc.depth",
        deep,
        (
            "iso.depth-at-most-8-levels",
            "dcdirdmp.paths-are-the-dicom-files",
            "pydicom.FileSet",
            "disc.referenced-files-exist",
            "disc.every-dicom-file-referenced",
            "viewer.links-exist",
        ),
        "genisoimage",
    ),
    Fault(
        "instance with an extension",
        "disc.dicom-extension",
        moved_with_record("IM000000", "IM0.DCM"),
        (
            "dciodvfy.DICOMDIR",
            "dcdirdmp.paths-are-the-dicom-files",
            "pydicom.FileSet",
            "dicomdir.file-ids-valid",
            "disc.referenced-files-exist",
            "disc.every-dicom-file-referenced",
        ),
    ),
    Fault(
        "foreign file among instances",
        "disc.foreign-file",
        lambda c: c.__setitem__(an_instance(c).rpartition("/")[0] + "/NOTES.TXT", b"x"),
        (),
    ),
    Fault("program in IHE_PDI", "disc.not-web-content", added("IHE_PDI/VIEW.BIN", b"x"), ()),
    Fault("second DICOMDIR", "disc.second-dicomdir", added("MORE/DICOMDIR", b"x"), ()),
    Fault("a file called IHE_PDI", "disc.reserved-name", added("IHE_PDI", b"x"), ()),
    Fault("README in another format, too", "disc.prefix-conflict", added("README.DOC", b"x"), ()),
    Fault("starts by itself", "disc.autorun", added("AUTORUN.INF", b"[autorun]"), ()),
    Fault("a program", "disc.executable", added("VIEWER.EXE", b"MZ" + bytes(64)), ()),
    # pages (IHE 1910)
    Fault(
        "dead link",
        "page.link-missing",
        page("INDEX.HTM", b'href="README.TXT"', b'href="REEDME.TXT"'),
        ("viewer.links-exist",),
    ),
    Fault(
        "link in lower case",
        "page.link-case",
        page("INDEX.HTM", b'href="README.TXT"', b'href="readme.txt"'),
        ("viewer.links-exist",),
    ),
    Fault(
        "link to a drive",
        "page.link-absolute",
        page("INDEX.HTM", b'href="README.TXT"', b'href="D:/README.TXT"'),
        (),
    ),
    Fault(
        "link out of the disc",
        "page.link-outside",
        page("INDEX.HTM", b'href="README.TXT"', b'href="../README.TXT"'),
        ("viewer.links-exist",),
    ),
    Fault(
        "picture from the network",
        "page.network",
        page("INDEX.HTM", b"</body>", b'<img src="http://x.example/a.png"/></body>'),
        ("viewer.nothing-from-the-network",),
    ),
    Fault(
        "no way to README",
        "page.no-readme-link",
        page("INDEX.HTM", b'href="README.TXT"', b'title="README.TXT"'),
        (),
    ),
    Fault(
        "no way to the web content",
        "page.no-web-link",
        added("IHE_PDI/A.HTM", b"<html></html>"),
        (),
    ),
    Fault("INDEX.HTM is no page", "page.not-html", added("INDEX.HTM", b"see README.TXT"), ()),
    Fault(
        "page without encoding",
        "page.encoding",
        added("MORE/A.HTM", b"<html>\xe4</html>"),
        ("viewer.utf-8",),
    ),
    # the structure of DICOMDIR (IHE 1904)
    Fault(
        "DICOMDIR is none",
        "dicomdir.parses",
        added("DICOMDIR", b"DICM"),
        (
            "dciodvfy.DICOMDIR",
            "dcdirdmp.no-errors",
            "dcdirdmp.paths-are-the-dicom-files",
            "pydicom.FileSet",
            "dicomdir.preamble",
            "dicomdir.parses",
        ),
    ),
    Fault(
        "preamble of DICOMDIR",
        "dicomdir.preamble-zero",
        lambda c: c.__setitem__("DICOMDIR", b"hello" + c["DICOMDIR"][5:]),
        (),
    ),
    Fault(
        "class of DICOMDIR",
        "dicomdir.sop-class",
        lambda c: c.__setitem__(
            "DICOMDIR", c["DICOMDIR"].replace(b"1.2.840.10008.1.3.10", b"1.2.840.10008.1.3.11", 1)
        ),
        ("dciodvfy.DICOMDIR", "pydicom.FileSet", "dicomdir.media-sop-class"),
    ),
    Fault(
        "File-set ID",
        "dicomdir.file-set-id",
        in_directory(b"TESTDISC", b"testdisc", after=0),
        ("dciodvfy.DICOMDIR", "dicomdir.file-set-id"),
    ),
    Fault(
        "consistency flag",
        "dicomdir.consistency-flag",
        in_directory(
            b"\x04\x00\x12\x12US\x02\x00\x00\x00", b"\x04\x00\x12\x12US\x02\x00\xff\xff", after=0
        ),
        ("dicomdir.consistency-flag-0",),
    ),
    Fault(
        "record not in use",
        "dicomdir.in-use-flag",
        in_directory(b"\xff\xff\x04\x00", b"\x00\x00\x04\x00"),
        ("dicomdir.record-in-use-flag-ffff",),
    ),
    Fault(
        "offset into nothing",
        "dicomdir.offsets",
        at_directory(lower_offset("PATIENT"), b"\x10\x00\x00\x00"),
        (
            "dcdirdmp.no-errors",
            "dcdirdmp.paths-are-the-dicom-files",
            "pydicom.FileSet",
            "dicomdir.offsets-lead-to-records",
            "dicomdir.every-record-reached",
        ),
    ),
    Fault(
        "record that nothing leads to",
        "dicomdir.record-unreached",
        at_directory(next_offset("STUDY"), b"\0\0\0\0"),
        ("dcdirdmp.paths-are-the-dicom-files", "dicomdir.every-record-reached"),
    ),
    Fault(
        "last root record",
        "dicomdir.last-root-offset",
        lambda c: c.__setitem__(
            "DICOMDIR",
            c["DICOMDIR"].replace(
                c["DICOMDIR"][(i := c["DICOMDIR"].index(b"\x04\x00\x02\x12UL")) : i + 12],
                b"\x04\x00\x02\x12UL\x04\x00\x01\x00\x00\x00",
            ),
        ),
        ("dicomdir.last-root-offset",),
    ),
    Fault(
        "no records",
        "dicomdir.empty",
        no_records,
        ("dcdirdmp.paths-are-the-dicom-files", "disc.every-dicom-file-referenced"),
    ),
    # keys (PS3.3 F.5)
    Fault(
        "no PatientID",
        "dicomdir.key-missing",
        without("PATIENT", "PatientID"),
        ("dciodvfy.DICOMDIR", "pydicom.FileSet", "dicomdir.record-keys"),
    ),
    Fault(
        "PatientID is empty",
        "dicomdir.key-empty",
        with_value("PATIENT", "PatientID", ""),
        ("dciodvfy.DICOMDIR", "dicomdir.record-keys", "dicomdir.record-keys-agree-with-files"),
    ),
    Fault(
        "another PatientID",
        "dicomdir.identity-disagrees",
        in_directory(b"4711", b"4712"),
        ("dicomdir.record-keys-agree-with-files",),
    ),
    Fault(
        "another name",
        "dicomdir.key-disagrees",
        in_directory("Müller".encode(), "Möller".encode()),
        ("dicomdir.record-keys-agree-with-files",),
    ),
    Fault(
        "another Instance Number",
        "dicomdir.instance-number",
        with_value("IMAGE", "InstanceNumber", "777"),
        ("dicomdir.record-keys-agree-with-files",),
    ),
    Fault(
        "a date that is none",
        "dicomdir.value",
        with_value("STUDY", "StudyDate", "20041319"),
        (),
    ),
    Fault(
        "no character set",
        "dicomdir.character-set",
        in_directory(b"ISO_IR 192", b" " * 10),
        (
            "dciodvfy.DICOMDIR",
            "dicomdir.record-keys-agree-with-files",
            "dicomdir.character-set-where-needed",
        ),
    ),
    Fault(
        "unknown character set",
        "dicomdir.character-set-unknown",
        in_directory(b"ISO_IR 192", b"ISO_IR 999"),
        ("dciodvfy.DICOMDIR", "pydicom.FileSet", "dicomdir.record-keys-agree-with-files"),
    ),
    Fault(
        "text in another character set",
        "dicomdir.text",
        in_directory("Müller".encode(), b"M\xff\xfeller"),
        ("dicomdir.record-keys-agree-with-files",),
    ),
    Fault(
        "report listed as an image",
        "dicomdir.record-type",
        with_value("SR DOCUMENT", "DirectoryRecordType", "IMAGE"),
        (),
    ),
    Fault(
        "image under the root",
        "dicomdir.hierarchy",
        with_value("STUDY", "DirectoryRecordType", "SERIES"),
        ("dciodvfy.DICOMDIR", "pydicom.FileSet", "dicomdir.hierarchy", "dicomdir.record-keys"),
    ),
    Fault("icon too short", "dicomdir.icon", icon(size=10), ()),
    # references
    Fault(
        "file is not there",
        "dicomdir.reference-missing",
        in_directory(b"IM000000", b"IM000007"),
        (
            "dcdirdmp.paths-are-the-dicom-files",
            "pydicom.FileSet",
            "disc.referenced-files-exist",
            "disc.every-dicom-file-referenced",
        ),
    ),
    Fault(
        "File ID in lower case",
        "dicomdir.file-id",
        in_directory(b"IM000000", b"im000000"),
        (
            "dciodvfy.DICOMDIR",
            "dcdirdmp.paths-are-the-dicom-files",
            "pydicom.FileSet",
            "dicomdir.file-ids-valid",
            "disc.referenced-files-exist",
            "disc.every-dicom-file-referenced",
        ),
    ),
    Fault(
        "no UID in the record",
        "dicomdir.reference-uids",
        without("IMAGE", "ReferencedSOPInstanceUIDInFile"),
        (
            "dciodvfy.DICOMDIR",
            "pydicom.FileSet",
            "dicomdir.record-keys",
            "dicomdir.record-agrees-with-file-meta",
        ),
    ),
    Fault(
        "another class in the record",
        "dicomdir.record-sop-class",
        with_value("IMAGE", "ReferencedSOPClassUIDInFile", "1.2.840.10008.5.1.4.1.1.7"),
        ("dicomdir.record-agrees-with-file-meta",),
    ),
    Fault(
        "another instance in the record",
        "dicomdir.record-sop-instance",
        with_value("IMAGE", "ReferencedSOPInstanceUIDInFile", "1.2.3"),
        ("dicomdir.record-agrees-with-file-meta",),
    ),
    Fault(
        "another syntax in the record",
        "dicomdir.record-transfer-syntax",
        with_value("IMAGE", "ReferencedTransferSyntaxUIDInFile", "1.2.840.10008.1.2.4.50"),
        ("dicomdir.record-agrees-with-file-meta",),
    ),
    Fault(
        "two records of an instance",
        "dicomdir.instance-once",
        twice,
        ("dicomdir.record-agrees-with-file-meta", "dicomdir.instance-once"),
    ),
    Fault(
        "orphan",
        "dicomdir.file-unreferenced",
        lambda c: c.__setitem__("DICOM/STRAY", c[an_instance(c)]),
        ("dcdirdmp.paths-are-the-dicom-files", "disc.every-dicom-file-referenced"),
    ),
    # instances (IHE 1905)
    Fault(
        "instance is no DICOM file",
        "dicomdir.reference-not-dicom",
        lambda c: c.__setitem__(an_instance(c), b"not DICOM" * 50),
        (
            "dcdirdmp.paths-are-the-dicom-files",
            "pydicom.FileSet",
            "disc.referenced-files-read",
            "disc.files-whole",
        ),
    ),
    Fault("instance cut off", "file.data-set", instance(lambda c: c[:-100]), ()),
    Fault("program in a preamble", "file.preamble-executable", preamble(b"MZ"), ()),
    Fault("something in a preamble", "file.preamble", preamble(b"hello"), ()),
    Fault(
        "group length of the meta",
        "file.meta-group-length",
        lambda c: c.__setitem__(
            an_instance(c), c[an_instance(c)][:140] + b"\x07\0\0\0" + c[an_instance(c)][144:]
        ),
        (),
    ),
    Fault(
        "no transfer syntax",
        "file.transfer-syntax",
        no_meta_element(0x10),
        ("dicomdir.record-agrees-with-file-meta",),
    ),
    Fault("no implementation class", "file.implementation", no_meta_element(0x12), ()),
    Fault(
        "another instance in the meta",
        "file.sop-instance",
        meta_element(3, lambda v: b"2" + v[1:]),
        (),
    ),
    Fault(
        "another class in the meta", "file.sop-class", meta_element(2, lambda v: b"2" + v[1:]), ()
    ),
    # check sums
    Fault(
        "check sum is wrong",
        "checksums.differ",
        sums(lambda lines: ["0" * 8 + lines[0][8:], *lines[1:]]),
        (),
    ),
    Fault("file without check sum", "checksums.not-listed", sums(lambda lines: lines[:-1]), ()),
    Fault(
        "check sum of nothing",
        "checksums.file-missing",
        sums(lambda lines: [*lines, "0" * 64 + "  GONE.TXT\n"]),
        (),
    ),
    Fault("line that is none", "checksums.lines", sums(lambda lines: [*lines, "nonsense\n"]), ()),
)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A good disc: its path and its plan."""
    path, file_set, _ = write_disc(tmp_path_factory.mktemp("good"), NAMES)
    return path, file_set


def faulty(fault, good, folder: Path) -> Path:
    """Make the copy with the fault."""
    path, file_set = good
    target = folder / "faulty.iso"
    if fault.how == "image":
        content = bytearray(path.read_bytes())
        fault.change(content)
        target.write_bytes(content)
        return target
    contents = contents_of(file_set)
    fault.change(contents)
    changed = as_file_set(file_set, contents)
    if fault.how == "files":
        write_image(changed, target, source_date_epoch=EPOCH)
        return target
    for file in changed.files:
        place = folder / "tree" / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
    command = ["genisoimage", "-quiet", "-r", "-J", "-D", "-iso-level", "3", "-V", "TESTDISC"]
    subprocess.run([*command, "-o", str(target), str(folder / "tree")], check=True, timeout=60)
    return target


def by_name(fault):
    return fault.name


def test_the_good_disc_has_no_finding_and_meets_its_profiles(good):
    result = check_image(good[0], profile="STD-GEN-CD")
    assert result.findings == ()
    assert result.profiles == ("STD-GEN-CD", "STD-GEN-DVD-JPEG", "STD-GEN-DVD-J2K")


def test_every_fault_has_a_finding_of_its_own():
    assert len(FAULTS) >= 40
    assert len({fault.finding for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=by_name)
def test_a_single_fault_is_found(fault, good, tmp_path, need_program):
    if fault.how == "genisoimage":
        need_program("genisoimage")
    result = check_image(faulty(fault, good, tmp_path))
    found = {finding.id for finding in result.findings}
    assert fault.finding in found, sorted(found)


PROFILE_FAULTS = (
    ("STD-GEN-CD", "profile.key", without("IMAGE", "ImageType")),
    ("STD-GEN-DVD-JPEG", "profile.key", without("IMAGE", "Rows")),
    ("STD-GEN-DVD-J2K", "profile.key", without("PATIENT", "PatientBirthDate")),
    ("STD-GEN-DVD-J2K", "profile.key", without("IMAGE", "PixelSpacing")),
    ("STD-GEN-USB-JPEG", "profile.file-system", lambda contents: None),
    ("STD-GEN-BD-JPEG", "profile.file-system", lambda contents: None),
)


@pytest.mark.parametrize(("profile", "finding", "change"), PROFILE_FAULTS)
def test_what_keeps_a_disc_from_a_profile_is_a_fault_only_when_it_is_asked_for(
    good, tmp_path, profile, finding, change
):
    path = faulty(Fault("profile", finding, change), good, tmp_path)
    asked = check_image(path, profile=profile)
    assert {each.id for each in asked.errors} == {finding}
    assert profile not in asked.profiles
    unasked = check_image(path)
    assert unasked.errors == ()
    assert profile not in unasked.profiles


def test_what_no_cd_holds_is_no_general_purpose_cd(good, tmp_path):
    """Zeros behind the volume, as a drive's padding: sparse, and counted."""
    large = tmp_path / "large.iso"
    shutil.copy(good[0], large)
    with large.open("r+b") as file:
        file.truncate(800_000_000)
    assert check_image(good[0], profile="STD-GEN-CD").errors == ()
    assert "profile.size" in {f.id for f in check_image(large, profile="STD-GEN-CD").errors}
    assert "STD-GEN-CD" not in check_image(large).profiles


def test_a_compressed_instance_is_no_general_purpose_cd(tmp_path):
    path, _, _ = write_disc(tmp_path, ("CT_small.dcm", "JPEG2000.dcm"))
    asked = check_image(path, profile="STD-GEN-CD")
    assert {each.id for each in asked.errors} == {"profile.transfer-syntax"}
    assert asked.profiles == ("STD-GEN-DVD-J2K",)


def others(fault):
    """Give the judges of DICOMDIR alone that see a fault."""
    return {
        judge for judge in OTHER_JUDGES if judge in {id_.split(".")[0] for id_ in fault.seen_by}
    }


OTHER_JUDGES = ("dciodvfy", "dcdirdmp")


@pytest.mark.peers
@pytest.mark.parametrize("fault", FAULTS, ids=by_name)
def test_dicom3tools_agree_where_they_can_see_the_fault(fault, good, tmp_path, need_program):
    need_program(*OTHER_JUDGES)
    if fault.how == "image":
        pytest.skip("a fault of the image, which they do not read")
    contents = contents_of(good[1])
    fault.change(contents)
    for path, content in contents.items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    complaints = judged_by_dicom3tools(tmp_path)
    assert others(fault) <= complaints
    if complaints:  # and never do they see one that we do not
        assert fault.seen_by


def judged_by_dicom3tools(folder: Path) -> set[str]:
    """Give which of the two complain about the DICOMDIR of a folder, or about its files."""
    found = set()
    for program in OTHER_JUDGES:
        done = subprocess.run(
            [program, "DICOMDIR"], cwd=folder, capture_output=True, timeout=60, check=False
        )
        text = done.stdout + done.stderr
        if re.search(rb"(?m)^(Error|Abort)", text) or (program == "dciodvfy" and not text):
            found.add(program)
    done = subprocess.run(
        ["dcdirdmp", "-p", "DICOMDIR"], cwd=folder, capture_output=True, timeout=60, check=False
    )
    listed = {
        line.strip().decode("latin-1")
        for line in (done.stdout + done.stderr).splitlines()
        if line.strip() and b" " not in line.strip()
    }
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "DICOMDIR" and path.read_bytes()[128:132] == b"DICM"
    }
    return found | ({"dcdirdmp"} if listed != there else set())


@pytest.mark.peers
def test_dicom3tools_find_nothing_on_the_good_disc(good, tmp_path, need_program):
    need_program(*OTHER_JUDGES)
    for path, content in contents_of(good[1]).items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    assert judged_by_dicom3tools(tmp_path) == set()


@pytest.mark.nightly
@pytest.mark.parametrize("fault", FAULTS, ids=by_name)
def test_the_independent_checker_sees_what_it_is_known_to_see(
    fault, good, tmp_path, need_program, shared_tools
):
    """Each run takes apart a whole image with seven programs: minutes in all."""
    need_program("dciodvfy", "dcdirdmp", "xorriso", "bsdtar", "7z", "dcmdump", "genisoimage")
    done = subprocess.run(
        [str(shared_tools / "check_disc.sh"), str(faulty(fault, good, tmp_path))],
        env={**os.environ, "PY": sys.executable, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=150,
        check=False,
    )
    failed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAIL ")}
    assert set(fault.seen_by) <= failed

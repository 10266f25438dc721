"""The judge: a good disc has no finding, and every damage that can be done to one has."""

import dataclasses
import os
import random
import struct
import subprocess

import pytest
from check_disc import check_disc
from disc_sets import (
    EPOCH,
    bundled_file_set,
    data_set_of,
    plan,
    received,
    write_disc,
)

from mkiso.core.checksums import checksum_file, file_in_memory
from mkiso.core.disc_content import expected_content
from mkiso.disc import image_hashes
from mkiso.disc.image import write_image
from mkiso.disc.read_back import check_folder, check_image

FEW = ("CT_small.dcm", "MR_small.dcm", "test-SR.dcm")


def ids(result, severity="error"):
    return {finding.id for finding in result.findings if finding.severity == severity}


@pytest.fixture(scope="module")
def disc(tmp_path_factory):
    """A written disc that tests copy before they damage it."""
    return write_disc(tmp_path_factory.mktemp("disc"), FEW)


@pytest.fixture
def damaged(tmp_path, disc):
    """Give the judge's result after a change to a copy of the disc's image."""

    def check(change, expected=None):
        content = bytearray(disc[0].read_bytes())
        changed = change(content)
        path = tmp_path / "damaged.iso"
        path.write_bytes(content if changed is None else changed)
        return check_image(path, expected)

    return check


@pytest.fixture
def written(tmp_path):
    """Give the judge's result of a disc made from a changed plan."""

    def check(file_set, expected=None):
        path = tmp_path / "changed.part"
        write_image(file_set, path, source_date_epoch=EPOCH)
        result = check_image(path, expected)
        path.unlink()
        return result

    return check


def with_files(file_set, *added, without=()):
    files = [f for f in file_set.files if f.path not in without and f.path != "SHA256.TXT"]
    files += added
    return dataclasses.replace(file_set, files=(*files, checksum_file(files)))


def extracted(file_set, folder):
    for file in file_set.files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content if file.source is None else file.source.read_bytes())
    return folder


@pytest.mark.peers
def test_a_disc_of_many_classes_is_good_for_every_reader_there_is(tmp_path):
    path, file_set, expected = write_disc(tmp_path)
    result = check_image(path, expected)
    assert result.findings == ()
    assert {i.sop_instance_uid for i in result.instances} == expected.sop_instance_uids
    assert result.volume_id == file_set.volume_id
    (tmp_path / "out").mkdir()
    check_disc(path, tmp_path / "received", folder=tmp_path / "out")


def test_a_good_disc_has_no_finding_also_for_who_does_not_know_the_plan(disc):
    path, _, expected = disc
    assert check_image(path, expected).findings == ()
    assert check_image(path).findings == ()


def test_no_single_changed_byte_goes_unnoticed(disc, tmp_path):
    """Structures, directories, DICOMDIR, pages, instances, padding: any byte of the image."""
    path, file_set, expected = disc
    content = bytearray(path.read_bytes())
    noise = random.Random(11)
    first = expected.structure.size_bytes
    places = [noise.randrange(len(content)) for _ in range(150)]
    places += [noise.randrange(first) for _ in range(60)]
    places += [0, first - 1, first, len(content) - 1]
    places += [first + file_set.files[0].size_bytes]  # the padding after DICOMDIR
    copy = tmp_path / "copy.iso"
    copy.write_bytes(content)
    with copy.open("r+b", buffering=0) as file:
        for place in places:
            file.seek(place)
            file.write(bytes([content[place] ^ (1 << noise.randrange(8))]))
            assert check_image(copy, expected).errors, f"byte {place}"
            file.seek(place)
            file.write(content[place : place + 1])
    assert check_image(copy, expected).findings == ()


@pytest.mark.parametrize("cut", [1, 2048, 100_000])
def test_a_truncated_image_is_found_with_and_without_the_plan(damaged, disc, cut):
    for expected in (None, disc[2]):
        assert damaged(lambda content: content[:-cut], expected).errors


def test_bytes_after_the_image_are_found(damaged, disc):
    assert "image.size" in ids(damaged(lambda content: content + bytes(2048), disc[2]))


def test_blocks_do_not_matter(disc, monkeypatch):
    """A file that spans blocks, and blocks with many files, give the same result."""
    path, _, expected = disc
    whole = check_image(path, expected)
    for size in (2048, 5000, 65536):
        monkeypatch.setattr(image_hashes, "BLOCK", size)
        assert check_image(path, expected) == whole


def test_a_file_that_is_not_there_or_too_many_is_found(disc, written):
    _, file_set, expected = disc
    extra = file_in_memory("EXTRA.TXT", b"x")
    assert "disc.file-unexpected" in ids(written(with_files(file_set, extra), expected))
    fewer = with_files(file_set, without=(file_set.files[-1].path,))
    found = ids(written(fewer, expected))
    assert {"disc.file-missing", "disc.instance-missing", "dicomdir.reference-missing"} <= found


def test_a_missing_file_is_found_without_the_plan_too(disc, written):
    _, file_set, _ = disc
    found = ids(written(with_files(file_set, without=(file_set.files[-1].path,))))
    assert found == {"dicomdir.reference-missing", "page.link-missing"}


def test_an_instance_outside_of_the_directory_is_found(disc, written, tmp_path):
    _, file_set, _ = disc
    stray = received(tmp_path, 99, data_set_of("MR_small_RLE.dcm"), {})
    file = file_in_memory("DICOM/STRAY", stray.path.read_bytes())
    assert ids(written(with_files(file_set, file))) == {"dicomdir.file-unreferenced"}


def test_another_patients_instance_is_found(tmp_path, written):
    levels = {}
    instances = [
        received(tmp_path, 1, data_set_of("CT_small.dcm"), levels),
        received(tmp_path, 2, data_set_of("MR_small.dcm", PatientID="4712"), levels),
    ]
    assert "disc.several-patients" in ids(written(plan(instances)))


def test_a_differing_name_is_a_warning_for_a_disc_without_plan(tmp_path, written):
    levels = {}
    instances = [
        received(tmp_path, 1, data_set_of("CT_small.dcm"), levels),
        received(tmp_path, 2, data_set_of("MR_small.dcm", PatientName="Other^Name"), levels),
    ]
    result = written(plan(instances))
    assert "disc.patient-differs" in ids(result, "warning")
    assert "Other" not in str(result.findings)


def test_two_files_in_each_others_place_are_found(disc, written):
    _, file_set, expected = disc
    *head, one, other = file_set.files
    swapped = (
        *head,
        dataclasses.replace(
            one, source=other.source, sha256=other.sha256, size_bytes=other.size_bytes
        ),
        dataclasses.replace(other, source=one.source, sha256=one.sha256, size_bytes=one.size_bytes),
    )
    changed = with_files(dataclasses.replace(file_set, files=swapped))
    assert "dicomdir.record-sop-instance" in ids(written(changed))
    assert {"disc.file-size", "disc.file-changed"} & ids(written(changed, expected))


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (b"4711", b"4712", "dicomdir.identity-disagrees"),
        (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0", "dicomdir.record-transfer-syntax"),
        ("Müller".encode(), "Möller".encode(), "dicomdir.key-disagrees"),
        (b"20040119", b"20050119", "dicomdir.key-disagrees"),
        (b"IM000000", b"IM000007", "dicomdir.reference-missing"),
        (b"\xff\xff\x04\x00", b"\x00\x00\x04\x00", "dicomdir.in-use-flag"),
    ],
)
def test_a_directory_that_says_something_else_than_the_files_is_found(
    disc, written, old, new, finding
):
    _, file_set, _ = disc
    directory = file_set.files[0].content
    head, tail = directory[:400], directory[400:]
    assert old in tail
    changed = file_in_memory("DICOMDIR", head + tail.replace(old, new, 1))
    assert finding in ids(written(with_files(file_set, changed, without=("DICOMDIR",))))


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(128) + b"DICM", b"\xff" * 5000])
def test_a_directory_that_is_none_is_found(disc, written, content):
    _, file_set, _ = disc
    changed = file_in_memory("DICOMDIR", content)
    assert ids(written(with_files(file_set, changed, without=("DICOMDIR",))))


def test_a_disc_without_directory_is_found(disc, written):
    _, file_set, _ = disc
    assert "disc.no-dicomdir" in ids(written(with_files(file_set, without=("DICOMDIR",))))


@pytest.mark.parametrize("name", ["AUTORUN.INF", "VIEWER/AUTORUN.INF"])
def test_what_starts_by_itself_is_found(disc, written, name):
    file = file_in_memory(name, b"[autorun]")
    assert "disc.autorun" in ids(written(with_files(disc[1], file)))


@pytest.mark.parametrize(
    "magic", [b"MZ\x90", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!/bin/sh\n"]
)
def test_programs_are_told_by_their_content_not_by_their_name(disc, written, magic):
    file = file_in_memory("PICTURE.JPG", magic + b"x" * 100)
    assert ids(written(with_files(disc[1], file)), "warning") == {"disc.executable"}


@pytest.mark.parametrize(
    ("preamble", "severity", "finding"),
    [
        (b"MZ", "error", "file.preamble-executable"),
        (b"#!/bin/sh", "error", "file.preamble-executable"),
        (b"II*\0", "note", "file.preamble-tiff"),
        (b"hello", "warning", "file.preamble"),
    ],
)
def test_what_hides_in_a_preamble_is_found(disc, written, preamble, severity, finding):
    _, file_set, _ = disc
    last = file_set.files[-1]
    content = preamble.ljust(128, b"\0") + last.source.read_bytes()[128:]
    changed = with_files(file_set, file_in_memory(last.path, content), without=(last.path,))
    assert finding in ids(written(changed), severity)


def test_a_cut_off_instance_is_found_without_the_plan(disc, written):
    _, file_set, _ = disc
    last = file_set.files[-1]
    content = last.source.read_bytes()[:-100]
    changed = with_files(file_set, file_in_memory(last.path, content), without=(last.path,))
    assert "file.data-set" in ids(written(changed))


def test_file_meta_that_names_another_instance_is_found(disc, written):
    _, file_set, _ = disc
    last = file_set.files[-1]
    content = bytearray(last.source.read_bytes())
    at = content.index(b"\x02\x00\x03\x00UI") + 8
    content[at] = ord("2")
    changed = with_files(file_set, file_in_memory(last.path, bytes(content)), without=(last.path,))
    found = ids(written(changed))
    assert "file.sop-instance" in found


def test_checksums_that_lie_or_leave_something_out_are_found(disc, written):
    _, file_set, _ = disc
    sums = next(f for f in file_set.files if f.path == "SHA256.TXT")
    lines = sums.content.decode().splitlines(keepends=True)
    for content, finding in (
        ("".join([lines[0].replace(lines[0][:8], "00000000"), *lines[1:]]), "checksums.differ"),
        ("".join(lines[:-1]), "checksums.not-listed"),
        ("".join([*lines, "0" * 64 + "  GONE.TXT\n"]), "checksums.file-missing"),
        ("".join([*lines, "nonsense\n"]), "checksums.lines"),
    ):
        others = tuple(f for f in file_set.files if f.path != "SHA256.TXT")
        changed = dataclasses.replace(
            file_set, files=(*others, file_in_memory("SHA256.TXT", content.encode()))
        )
        assert finding in ids(written(changed))


def test_sha256sum_reads_the_checksums(disc, tmp_path, need_program):
    need_program("sha256sum")
    folder = extracted(disc[1], tmp_path / "disc")
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256.TXT"], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.count(b": OK") == len(disc[1].files) - 1


def test_an_image_that_cannot_be_read_is_a_finding(disc, tmp_path, monkeypatch):
    path, _, expected = disc
    assert "image.unreadable" in ids(check_image(tmp_path / "none.iso", expected))
    real = os.preadv

    def broken(descriptor, buffers, offset):
        if offset + sum(map(len, buffers)) > path.stat().st_size - 4096:
            raise OSError(5, "Input/output error")
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(image_hashes, "BLOCK", 65536)
    monkeypatch.setattr(os, "preadv", broken)
    assert "image.unreadable" in ids(check_image(path, expected))


def test_the_page_cache_is_dropped_before_reading(disc, monkeypatch):
    asked = []
    real = os.posix_fadvise
    monkeypatch.setattr(os, "posix_fadvise", lambda *args: asked.append(args[3]) or real(*args))
    check_image(disc[0], disc[2])
    assert asked[0] == os.POSIX_FADV_DONTNEED


def test_stopping_the_check_stops_its_threads(disc):
    class StoppedError(Exception):
        pass

    def stop(done, total):
        raise StoppedError

    with pytest.raises(StoppedError):
        check_image(disc[0], disc[2], stop)


# --- folders


def test_an_extracted_disc_is_judged_like_its_image(disc, tmp_path):
    folder = extracted(disc[1], tmp_path / "disc")
    assert check_folder(folder).findings == ()
    expected = dataclasses.replace(disc[2], size_bytes=None, structure=None)
    result = check_folder(folder, expected)
    assert result.findings == ()
    assert set(result.files) == set(check_image(disc[0]).files)


def test_names_as_a_plain_mount_shows_them_are_a_note(disc, tmp_path):
    folder = extracted(disc[1], tmp_path / "disc")
    for path in sorted(folder.rglob("*"), key=lambda p: -len(p.parts)):
        suffix = ";1" if path.is_file() else ""
        path.rename(path.with_name(path.name.lower() + suffix))
    result = check_folder(folder)
    assert result.errors == ()
    assert ids(result, "note") == {"disc.names-altered"}


def test_a_changed_byte_in_a_folder_is_found(disc, tmp_path):
    folder = extracted(disc[1], tmp_path / "disc")
    file = folder / disc[1].files[-1].path
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert ids(check_folder(folder)) == {"checksums.differ"}


def test_links_out_of_the_folder_are_not_followed(disc, tmp_path):
    folder = extracted(disc[1], tmp_path / "disc")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "LINK.TXT").symlink_to(tmp_path / "secret")
    (folder / "LOOP").symlink_to(folder)
    os.mkfifo(folder / "PIPE")
    result = check_folder(folder)
    assert "disc.not-a-file" in ids(result)
    assert not {"LINK.TXT", "PIPE"} & {file.path for file in result.files}


def test_an_empty_folder_is_no_disc(tmp_path):
    result = check_folder(tmp_path)
    assert result.errors


@pytest.mark.peers
def test_a_disc_of_another_program_is_judged_without_checksums(tmp_path, disc, need_program):
    need_program("genisoimage")
    folder = extracted(
        dataclasses.replace(
            disc[1], files=tuple(f for f in disc[1].files if f.path != "SHA256.TXT")
        ),
        tmp_path / "disc",
    )
    image = tmp_path / "other.iso"
    subprocess.run(
        ["genisoimage", "-quiet", "-r", "-J", "-V", "OTHER", "-o", str(image), str(folder)],
        check=True,
    )
    result = check_image(image)
    assert ids(result) == {"page.link-missing"}  # INDEX.HTM names SHA256.TXT
    assert ids(result, "warning") == {"iso.volume-id-differs"}
    assert ids(result, "note") == {"checksums.absent"}


@pytest.mark.data
@pytest.mark.peers
def test_real_discs_are_judged_and_never_make_the_judge_fall(shared_data):
    directories = sorted(shared_data.rglob("DICOMDIR"))
    assert directories
    for directory in directories:
        check_folder(directory.parent)


def test_damage_in_files_never_makes_the_judge_fall(disc, tmp_path):
    noise = random.Random(5)
    folder = extracted(disc[1], tmp_path / "disc")
    for file in list(folder.rglob("*")):
        if not file.is_file():
            continue
        content = file.read_bytes()
        for _ in range(25):
            changed = bytearray(content)
            for _ in range(noise.choice((1, 20))):
                changed[noise.randrange(min(len(changed), 4000))] = noise.randrange(256)
            if noise.random() < 0.2:
                del changed[noise.randrange(len(changed)) :]
            file.write_bytes(changed)
            check_folder(folder)
        file.write_bytes(content)
    assert check_folder(folder).findings == ()


def test_extents_over_each_other_are_found_and_hashed_once(damaged):
    """Ten thousand names for overlapping gigabytes must not be ten thousand times the work."""

    def overlap(content):
        for name in (b"README.TXT;1", "README.TXT".encode("utf-16-be")):
            at = content.index(name) - 33
            extent = struct.unpack_from("<I", content, at + 2)[0] - 1
            content[at + 2 : at + 10] = struct.pack("<I", extent) + struct.pack(">I", extent)
            content[at + 10 : at + 18] = struct.pack("<I", 4000) + struct.pack(">I", 4000)

    assert "iso.extents-overlap" in ids(damaged(overlap))


def test_expected_content_is_the_plans(tmp_path):
    file_set = bundled_file_set(tmp_path, FEW)
    expected = expected_content(file_set)
    assert len(expected.files) == len(file_set.files)
    assert len(expected.sop_instance_uids) == len(FEW)

"""The fresh reader on images that are broken on purpose, and on images that others made."""

import os
import random
import shutil
import struct
import subprocess

import pytest

from mkiso.disc.image import write_image
from mkiso.disc.iso_reader import read_iso

SECTOR = 2048


@pytest.fixture
def image(tmp_path, plain_file_set):
    path = tmp_path / "a.part"
    write_image(plain_file_set(), path, source_date_epoch=1_700_000_000)
    return path


def read(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_iso(descriptor)
    finally:
        os.close(descriptor)


def ids(path):
    return {finding.id for finding in read(path).findings if finding.severity == "error"}


def patch(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def volume(path):
    return path.read_bytes()[16 * SECTOR : 17 * SECTOR]


def root_of(path):
    return struct.unpack_from("<I", volume(path), 158)[0] * SECTOR


def record_of(path, name):
    """Give the offset of the primary directory record with this identifier."""
    content = path.read_bytes()
    return content.index(name, root_of(path)) - 33


def both(number):
    return struct.pack("<I", number) + struct.pack(">I", number)


def test_an_image_without_fault_has_no_finding(image):
    assert read(image).findings == ()


@pytest.mark.parametrize("content", [b"", b"x", bytes(40 * SECTOR), b"\xff" * 40 * SECTOR])
def test_what_is_no_image_is_a_finding(tmp_path, content):
    path = tmp_path / "a.iso"
    path.write_bytes(content)
    assert "iso.no-volume" in ids(path)


def test_a_truncated_image_is_found(image):
    os.truncate(image, image.stat().st_size - SECTOR)
    assert "iso.truncated" in ids(image)


def test_halves_of_a_number_that_disagree_are_found(image):
    patch(image, record_of(image, b"DICOMDIR.;1") + 10, b"\x99")
    assert "iso.endian-halves" in ids(image)


def test_data_beyond_the_volume_is_found(image):
    patch(image, record_of(image, b"README.TXT;1") + 2, both(0x00FFFFFF))
    assert "iso.extent-outside" in ids(image)


def test_a_directory_that_leads_to_itself_is_found(image):
    patch(image, record_of(image, b"PT000000") + 2, both(root_of(image) // SECTOR))
    assert "iso.loop" in ids(image)


def test_trees_that_show_different_files_are_found(image):
    content = image.read_bytes()
    name = "README.TXT".encode("utf-16-be")
    patch(image, content.index(name) - 33 + 2, both(root_of(image) // SECTOR + 1))
    assert "iso.trees-disagree" in ids(image)


def test_a_path_table_that_disagrees_is_found(image):
    table = struct.unpack_from("<I", volume(image), 140)[0] * SECTOR
    patch(image, table + 2, b"\x11\x11")
    assert "iso.path-table" in ids(image)


def test_a_name_that_leads_out_of_the_folder_is_not_taken(image):
    at = record_of(image, b"README.TXT;1") + 33
    patch(image, at, b"../../../X;1")
    found = read(image)
    assert "iso.name" in {finding.id for finding in found.findings}
    assert not any(".." in path for path in found.primary.files)


def test_a_descriptor_of_another_block_size_is_found(image):
    patch(image, 16 * SECTOR + 128, struct.pack("<H", 512) + struct.pack(">H", 512))
    assert "iso.volume-field" in ids(image)


def test_no_damage_makes_the_reader_raise_or_hang(image):
    """Thousands of random changes in the structures: findings or none, never an exception."""
    noise = random.Random(4711)
    content = bytearray(image.read_bytes())
    end = content.index(b"MKISO") and min(
        extents[0][0] for extents in read(image).primary.files.values() if extents
    )
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(noise.choice((1, 3, 30))):
            changed[noise.randrange(16 * SECTOR, end)] = noise.randrange(256)
        image.write_bytes(changed)
        read(image)


def test_a_million_records_are_refused_and_not_read(tmp_path, image):
    """Directories that name each other's sectors over and over do not take for ever."""
    content = bytearray(image.read_bytes())
    root = root_of(image)
    record = bytes(content[root : root + 34])
    fake = bytearray(record)
    fake[0], fake[32], fake[33] = 34, 1, 65
    sectors = 4096
    body = bytearray()
    for number in range(sectors * SECTOR // 34):
        if len(body) % SECTOR + 34 > SECTOR:
            body += bytes(SECTOR - len(body) % SECTOR)
        struct.pack_into("<I", fake, 2, 1000 + number)
        struct.pack_into(">I", fake, 6, 1000 + number)
        body += fake
    size = len(body) // SECTOR * SECTOR
    large = bytearray(content[: 16 * SECTOR]) + content[16 * SECTOR :]
    start = len(large) // SECTOR
    large += body[:size]
    struct.pack_into("<I", large, 16 * SECTOR + 158, start)
    struct.pack_into(">I", large, 16 * SECTOR + 162, start)
    large[16 * SECTOR + 166 : 16 * SECTOR + 174] = both(size)
    large[16 * SECTOR + 80 : 16 * SECTOR + 88] = both(len(large) // SECTOR)
    path = tmp_path / "b.iso"
    path.write_bytes(large)
    found = read(path)
    assert found.findings
    assert len(found.findings) < 500


@pytest.mark.peers
@pytest.mark.parametrize(
    "command",
    [
        ["genisoimage", "-quiet", "-J", "-r", "-V", "FOREIGN", "-o"],
        ["genisoimage", "-quiet", "-V", "FOREIGN", "-o"],
        ["xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-V", "FOREIGN", "-o"],
    ],
    ids=["genisoimage", "genisoimage-plain", "xorriso"],
)
def test_images_of_other_programs_are_read_like_their_own_files(tmp_path, need_program, command):
    need_program(command[0])
    folder = tmp_path / "content"
    (folder / "DICOM" / "A").mkdir(parents=True)
    for name in ("DICOMDIR", "README.TXT", "DICOM/A/IM000001", "DICOM/A/EMPTY"):
        (folder / name).write_bytes(os.urandom(3000) if "EMPTY" not in name else b"")
    subprocess.run([*command, str(tmp_path / "a.iso"), str(folder)], check=True)
    found = read(tmp_path / "a.iso")
    assert [f for f in found.findings if f.severity == "error"] == []
    assert found.volume_id == "FOREIGN"
    content = (tmp_path / "a.iso").read_bytes()
    for path, extents in found.primary.files.items():
        data = b"".join(content[offset : offset + size] for offset, size in extents)
        assert data == (folder / path[1:]).read_bytes()
    assert len(found.primary.files) == 4
    assert shutil.which(command[0])

"""An instance of more than 4 GiB: level 3, several extents, the same bytes in every reader."""

import hashlib
import io
import shutil
import struct
import subprocess

import pydicom
import pytest
from disc_sets import EPOCH, data_set_of, plan, received

from mkiso.core.file_meta import encode_file_meta
from mkiso.core.header import read_header
from mkiso.core.model import ReceivedInstance
from mkiso.disc.image import write_image
from mkiso.disc.iso_reader import read_iso
from mkiso.disc.read_back import check_image

RLE = "1.2.840.10008.1.2.5"
FRAGMENT = 1_500_000_000
FRAGMENTS = 3


def large_instance(folder):
    """A secondary capture whose three fragments of RLE are 1.5 GB each, with marks in the zeros."""
    data_set = data_set_of("CT_small.dcm")
    data_set.SOPInstanceUID = "1.2.3.4"
    del data_set.PixelData
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data_set, enforce_file_format=False)
    content = stream.getvalue()
    start = content.index(b"DICM") + 4 + 12 + int.from_bytes(content[140:144], "little")
    meta = encode_file_meta(str(data_set.SOPClassUID), "1.2.3.4", RLE)
    path = folder / "00000009.dcm"
    with path.open("wb") as file:
        file.write(meta + content[start:])
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF))
        file.write(struct.pack("<HHI", 0xFFFE, 0xE000, 0))
        for number in range(FRAGMENTS):
            file.write(struct.pack("<HHI", 0xFFFE, 0xE000, FRAGMENT))
            begin = file.tell()
            for mark in range(0, FRAGMENT, 100_000_007):
                file.seek(begin + mark)
                file.write(b"mark %d %d" % (number, mark))
            file.seek(begin + FRAGMENT - 1)
            file.write(b"\1")
        file.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
        size = file.tell()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 24):
            digest.update(piece)

        def read_at(offset, length):
            file.seek(len(meta) + offset)
            return file.read(length)

        parsed = read_header(read_at(0, 262144), read_at, size - len(meta), RLE, {})
    return ReceivedInstance(
        path=path,
        size_bytes=size,
        sha256=digest.hexdigest(),
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        study_instance_uid=parsed.study_instance_uid,
        transfer_syntax_uid=RLE,
        header=parsed.header,
        data_set_offset=len(meta),
    )


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_an_instance_over_4_gib_is_whole_for_every_reader(tmp_path):
    if shutil.disk_usage(tmp_path).free < 15 << 30:
        pytest.skip("15 GiB of free space are needed")
    large = large_instance(tmp_path)
    assert large.size_bytes > 4 << 30
    small = received(tmp_path, 1, data_set_of("MR_small.dcm"), {})
    file_set = plan([large, small])
    image = tmp_path / "large.part"
    write_image(file_set, image, source_date_epoch=EPOCH)
    result = check_image(image)
    assert result.findings == ()
    by_uid = {each.sop_instance_uid: each for each in result.instances}
    assert by_uid["1.2.3.4"].sha256 == large.sha256
    with image.open("rb") as file:
        extents = read_iso(file.fileno()).primary.files[f"/{by_uid['1.2.3.4'].path}"]
    assert len(extents) == 2
    for name, command in {
        "bsdtar": ["bsdtar", "-xOf", str(image), by_uid["1.2.3.4"].path],
        "7z": ["7z", "x", "-so", str(image), by_uid["1.2.3.4"].path],
    }.items():
        if shutil.which(name):
            assert hash_of(command) == large.sha256, name
    image.unlink()


def hash_of(command):
    digest = hashlib.sha256()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        while piece := program.stdout.read(1 << 24):
            digest.update(piece)
    return digest.hexdigest()

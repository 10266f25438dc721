import dataclasses
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time

import pytest

from mkiso.core.model import DiscFile
from mkiso.disc import copying, image
from mkiso.disc.image import write_image
from mkiso.disc.iso_reader import read_iso
from mkiso.errors import DiskError, InternalError, VerifyError

EPOCH = 1_700_000_000


def trees(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_iso(descriptor)
    finally:
        os.close(descriptor)


def content_at(path, extents):
    with path.open("rb") as file:
        pieces = []
        for offset, size in extents:
            file.seek(offset)
            pieces.append(file.read(size))
    return b"".join(pieces)


def test_every_file_is_in_all_three_trees_under_its_upper_case_name(tmp_path, plain_file_set):
    file_set = plain_file_set()
    write_image(file_set, tmp_path / "a.part", source_date_epoch=EPOCH)
    found = trees(tmp_path / "a.part")
    assert found.findings == ()
    assert found.volume_id == "MKISO_TEST"
    assert found.rock_ridge.files == found.primary.files == found.joliet.files
    assert set(found.primary.files) == {f"/{file.path}" for file in file_set.files}
    for file in file_set.files:
        content = content_at(tmp_path / "a.part", found.primary.files[f"/{file.path}"])
        assert hashlib.sha256(content).hexdigest() == file.sha256


def test_files_lie_in_the_order_of_the_plan(tmp_path, plain_file_set):
    file_set = plain_file_set(series=11, images=12)
    write_image(file_set, tmp_path / "a.part")
    files = trees(tmp_path / "a.part").primary.files
    offsets = [files[f"/{file.path}"][0][0] for file in file_set.files]
    assert offsets == sorted(offsets)


def test_the_watcher_hears_only_of_what_is_on_the_disk(tmp_path, plain_file_set, monkeypatch):
    """Each offset it hears was written before the fdatasync that came before it."""
    steps = []
    synced = os.fdatasync

    def fdatasync(descriptor):
        synced(descriptor)
        steps.append(("synced", 0))

    monkeypatch.setattr(copying, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(os, "fdatasync", fdatasync)

    class Watcher:
        def begun(self, image):
            steps.append(("begun", image.size_bytes))

        def on_disk(self, offset):
            steps.append(("heard", offset))

    def progress(_done, _total):
        time.sleep(0.01)

    made = write_image(plain_file_set(), tmp_path / "a.part", progress=progress, watcher=Watcher())
    assert steps[0] == ("begun", made.size_bytes)
    assert steps[-1] == ("heard", made.size_bytes)
    heard = [offset for step, offset in steps if step == "heard"]
    assert heard == sorted(heard)
    assert any(0 < offset < made.size_bytes for offset in heard)
    for number, (step, _) in enumerate(steps[:-1]):
        assert step != "heard" or steps[number - 1][0] == "synced"


def test_nothing_is_written_over_what_is_there(tmp_path, plain_file_set, monkeypatch):
    file_set = plain_file_set()
    really = image.build_structures

    def overlapping(*given):
        made = really(*given)
        paths = sorted(made.offsets, key=made.offsets.get)
        offsets = {**made.offsets, paths[-1]: made.offsets[paths[-1]] - 2048}
        return dataclasses.replace(made, offsets=offsets)

    monkeypatch.setattr(image, "build_structures", overlapping)
    with pytest.raises(InternalError, match="lie over"):
        write_image(file_set, tmp_path / "a.part")
    assert not (tmp_path / "a.part").exists()


def test_the_same_input_and_epoch_make_the_same_bytes(tmp_path, plain_file_set, monkeypatch):
    file_set = plain_file_set()
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    write_image(file_set, tmp_path / "a.part", source_date_epoch=EPOCH)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    time.sleep(1.1)  # ISO 9660 dates have seconds
    write_image(file_set, tmp_path / "b.part", source_date_epoch=EPOCH)
    monkeypatch.delenv("TZ")
    time.tzset()
    assert (tmp_path / "a.part").read_bytes() == (tmp_path / "b.part").read_bytes()


def test_without_epoch_the_clock_gives_the_date(tmp_path, plain_file_set):
    write_image(plain_file_set(), tmp_path / "a.part", clock=lambda: 86400.9)
    volume = (tmp_path / "a.part").read_bytes()[16 * 2048 : 17 * 2048]
    assert volume[813:829] == b"1970010200000000"


def test_the_image_names_no_patient_and_its_identifiers_are_in_the_alphabet(
    tmp_path, plain_file_set
):
    write_image(plain_file_set(), tmp_path / "a.part")
    volume = (tmp_path / "a.part").read_bytes()[16 * 2048 : 17 * 2048]
    assert volume[8:40].strip() == b"LINUX"
    assert [volume[o : o + 128].strip() for o in (318, 446, 574)] == [b"MKISO"] * 3


@pytest.mark.parametrize("change", [b"", b"longer than planned"])
def test_a_source_of_another_length_stops_the_image(tmp_path, plain_file_set, change):
    file_set = plain_file_set()
    source = file_set.files[-1].source
    source.write_bytes(source.read_bytes() + change if change else b"short")
    with pytest.raises(VerifyError, match=source.name):
        write_image(file_set, tmp_path / "a.part")
    assert not (tmp_path / "a.part").exists()


def test_a_source_that_is_gone_stops_the_image(tmp_path, plain_file_set):
    file_set = plain_file_set()
    file_set.files[-1].source.unlink()
    with pytest.raises(DiskError):
        write_image(file_set, tmp_path / "a.part")
    assert not (tmp_path / "a.part").exists()


def test_a_source_that_became_a_link_is_refused(tmp_path, plain_file_set):
    file_set = plain_file_set()
    source = file_set.files[-1].source
    other = tmp_path / "other"
    source.rename(other)
    source.symlink_to(other)
    with pytest.raises(DiskError):
        write_image(file_set, tmp_path / "a.part")


def test_a_full_disk_is_told_before_anything_is_copied(tmp_path, plain_file_set, monkeypatch):
    copied = []

    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(DiskError, match="no space"):
        write_image(
            plain_file_set(), tmp_path / "a.part", progress=lambda *args: copied.append(args)
        )
    assert not copied
    assert not (tmp_path / "a.part").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_really_full_disk_leaves_nothing(tmp_path, plain_file_set):
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)], check=False
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(DiskError, match="no space"):
            write_image(plain_file_set(series=4, images=12), mount / "a.part")
        assert not list(mount.iterdir())
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_file_system_without_reservation_still_takes_the_image(
    tmp_path, plain_file_set, monkeypatch
):
    def not_here(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", not_here)
    written = write_image(plain_file_set(), tmp_path / "a.part")
    assert (tmp_path / "a.part").stat().st_size == written.size_bytes


@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOSYS, errno.EIO])
def test_what_the_kernel_cannot_copy_is_copied_by_hand(tmp_path, plain_file_set, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(copying, "BUFFER", 1000)
    file_set = plain_file_set()
    if code == errno.EIO:  # a disk that fails is no lack of a feature
        with pytest.raises(DiskError, match="Input/output error"):
            write_image(file_set, tmp_path / "a.part")
        return
    write_image(file_set, tmp_path / "a.part")
    files = trees(tmp_path / "a.part").primary.files
    last = file_set.files[-1]
    assert content_at(tmp_path / "a.part", files[f"/{last.path}"]) == last.source.read_bytes()


def test_an_error_of_the_disk_while_flushing_is_not_lost(tmp_path, plain_file_set, monkeypatch):
    def broken(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    monkeypatch.setattr(copying, "FLUSH_SECONDS", 0.0)
    with pytest.raises(DiskError, match="Input/output error"):
        write_image(plain_file_set(), tmp_path / "a.part", progress=lambda *_: time.sleep(0.01))
    assert not (tmp_path / "a.part").exists()


def test_stopping_in_the_middle_removes_the_part(tmp_path, plain_file_set):
    class StoppedError(Exception):
        pass

    def stop(done, total):
        raise StoppedError

    with pytest.raises(StoppedError):
        write_image(plain_file_set(), tmp_path / "a.part", progress=stop)
    assert not (tmp_path / "a.part").exists()


def test_progress_ends_with_the_size_of_the_image(tmp_path, plain_file_set):
    seen = []
    written = write_image(
        plain_file_set(), tmp_path / "a.part", progress=lambda *args: seen.append(args)
    )
    assert seen[-1] == (written.size_bytes, written.size_bytes)
    assert seen == sorted(seen)


def test_an_existing_part_is_never_written_over(tmp_path, plain_file_set):
    (tmp_path / "a.part").write_bytes(b"another run's")
    with pytest.raises(DiskError):
        write_image(plain_file_set(), tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == b"another run's"


def test_a_name_beyond_level_one_is_a_bug_and_no_image(tmp_path, plain_file_set, in_memory):
    file_set = plain_file_set()
    bad = dataclasses.replace(
        file_set, files=(*file_set.files, in_memory("lower-case-name.html", b"x"))
    )
    with pytest.raises(InternalError):
        write_image(bad, tmp_path / "a.part")


def test_the_part_is_private(tmp_path, plain_file_set):
    write_image(plain_file_set(), tmp_path / "a.part")
    assert (tmp_path / "a.part").stat().st_mode & 0o777 == 0o600


def skip_holes(source, target, size, start, offset):
    """Copy as the kernel does, but leave out what is zero: the place has no other content."""
    try:
        data = os.lseek(source, start, os.SEEK_DATA) - start
    except OSError:
        return size
    if data >= size:
        return size
    os.pwrite(target, os.pread(source, size - data, start + data), offset + data)
    return size


@pytest.mark.fault("F43")
def test_a_file_over_four_gigabytes_takes_several_extents(tmp_path, plain_file_set, monkeypatch):
    monkeypatch.setattr(os, "copy_file_range", skip_holes)
    size = (1 << 32) + 4096 + 7
    if shutil.disk_usage(tmp_path).free < 3 * size:
        pytest.skip("there is not enough space for a file over 4 GiB")
    source = tmp_path / "large.dcm"
    with source.open("wb") as file:
        file.truncate(size)
        file.seek(size - 3)
        file.write(b"end")
    file_set = plain_file_set()
    large = DiscFile("DICOM/PT000000/ST000000/SE000009/IM000000", size, "", source=source)
    part = tmp_path / "a.part"
    write_image(dataclasses.replace(file_set, files=(*file_set.files, large)), part)
    found = trees(part)
    extents = found.primary.files[f"/{large.path}"]
    assert found.findings == ()
    assert len(extents) == 2
    assert sum(length for _, length in extents) == size
    assert extents[1][0] == extents[0][0] + extents[0][1]
    with part.open("rb") as file:
        file.seek(extents[1][0] + extents[1][1] - 3)
        assert file.read(3) == b"end"
    if shutil.which("isoinfo"):
        listing = subprocess.run(
            ["isoinfo", "-l", "-i", str(part)], capture_output=True, check=True, text=True
        )
        assert "IM000000" in listing.stdout
    if shutil.which("7z"):
        listing = subprocess.run(
            ["7z", "l", "-slt", str(part)], capture_output=True, check=True, text=True
        )
        assert f"Size = {size}" in listing.stdout
    part.unlink()


def test_the_reader_and_the_writer_share_no_library():
    code = "import sys; import mkiso.disc.iso_reader; sys.exit('pycdlib' in ' '.join(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "pycdlib" in sys.modules  # this test can fail: the writer does load it
    assert image.write_image is write_image

import contextlib
import dataclasses
import errno
import hashlib
import os
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from disc_sets import data_set_of, plan, received
from finishing import Finishing

from mkiso.disc import image_hashes
from mkiso.errors import (
    DiskError,
    NotFoundError,
    PermissionDeniedError,
    TerminatedJobError,
    VerifyError,
)
from mkiso.stages import verify, write
from mkiso.stages.verify import check_path


def flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def test_a_good_image_comes_back_with_its_hash(tmp_path):
    run = Finishing(tmp_path)
    image = run.verify()
    assert image.result.findings == ()
    assert len(image.sha256) == 64
    assert run.warned == []
    assert run.progressed[-1].stage == "verify"


@pytest.mark.parametrize("offset", [40_000, -3000])
def test_a_changed_byte_stops_the_disc(tmp_path, offset):
    run = Finishing(tmp_path)
    image = run.write()
    flip(image.part, offset % image.size_bytes)
    with pytest.raises(VerifyError) as caught:
        verify.run(image, run.file_set, run.context)
    assert caught.value.details
    assert caught.value.code == 83


def test_a_source_that_changed_after_it_was_received_stops_the_disc(tmp_path):
    run = Finishing(tmp_path)
    source = run.file_set.files[-1].source
    flip(source, source.stat().st_size - 1)
    with pytest.raises(VerifyError, match="faults"):
        run.verify()


def test_an_instance_more_or_less_than_planned_stops_the_disc(tmp_path):
    run = Finishing(tmp_path)
    image = run.write()
    fewer = dataclasses.replace(run.file_set, instances=run.file_set.instances[:-1])
    with pytest.raises(VerifyError) as caught:
        verify.run(image, fewer, run.context)
    assert "should not be on the disc" in str(caught.value.details)


def test_another_patient_on_the_disc_is_never_passed(tmp_path):
    run = Finishing(tmp_path)
    (tmp_path / "more").mkdir()
    levels = {}
    foreign = [
        received(tmp_path / "more", 1, data_set_of("CT_small.dcm"), levels),
        received(tmp_path / "more", 2, data_set_of("MR_small.dcm", PatientID="Z99"), levels),
    ]
    run.file_set = plan(foreign)
    with pytest.raises(VerifyError) as caught:
        run.verify()
    assert "another PatientID" in str(caught.value.details)
    assert "Z99" not in str(caught.value.details) + "".join(run.logged)


def test_a_warning_of_the_judge_is_a_warning_of_the_job(tmp_path):
    run = Finishing(tmp_path)
    (tmp_path / "more").mkdir()
    levels = {}
    run.file_set = plan(
        [
            received(tmp_path / "more", 1, data_set_of("CT_small.dcm"), levels),
            received(tmp_path / "more", 2, data_set_of("MR_small.dcm", PatientName="A^B"), levels),
        ]
    )
    run.verify()
    assert run.warned == ["There are objects of another patient's name."]


def test_a_stopped_job_stops_reading(tmp_path):
    run = Finishing(tmp_path)
    image = run.write()
    run.stopped = TerminatedJobError("stopped")
    with pytest.raises(TerminatedJobError):
        verify.run(image, run.file_set, run.context)


def read_beside(run, **options):
    """Write and read back at once, as a job does; give the verified image."""
    part = run.work / "disc1.part"
    with verify.ReadBack(run.file_set) as reading:
        image = write.run(run.file_set, part, run.context, watcher=reading, **options)
        return verify.run(image, run.file_set, run.context, reading)


def test_an_image_is_read_back_while_the_rest_of_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(image_hashes, "BLOCK", 16384)
    run = Finishing(tmp_path)
    deadline = time.monotonic() + 60
    read_before_the_end = []

    def progress(news):
        if news.stage == "write" and news.done < news.total:
            (reading,) = readings
            while reading._done < 65536 and news.done > 100_000:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            read_before_the_end.append(reading._done)

    readings = []
    really = verify.ReadBack.begun
    monkeypatch.setattr(
        verify.ReadBack, "begun", lambda self, image: (readings.append(self), really(self, image))
    )
    monkeypatch.setattr(run, "progressed", SimpleNamespace(append=progress))
    image = read_beside(run)
    assert max(read_before_the_end) >= 65536
    assert image.result.findings == ()
    alone = hashlib.sha256(image.part.read_bytes()).hexdigest()
    assert alone == image.sha256


@pytest.mark.parametrize("offset", [0, 40_000, -3000, -1])
def test_what_changes_on_the_disk_before_it_is_read_back_stops_the_disc(
    tmp_path, monkeypatch, offset
):
    monkeypatch.setattr(image_hashes, "BLOCK", 16384)
    run = Finishing(tmp_path)
    really = image_hashes._read_from_disk

    def read_from_disk(descriptor, buffer, start):
        at = offset % os.fstat(descriptor).st_size
        if start <= at < start + len(buffer):
            flip(run.work / "disc1.part", at)
        return really(descriptor, buffer, start)

    monkeypatch.setattr(image_hashes, "_read_from_disk", read_from_disk)
    with pytest.raises(VerifyError):
        read_beside(run)


def test_a_failure_of_the_writing_ends_the_reading(tmp_path):
    run = Finishing(tmp_path)
    source = run.file_set.files[-1].source
    source.write_bytes(source.read_bytes()[:-2])
    with pytest.raises(VerifyError, match="length has changed"):
        read_beside(run)
    assert not [t for t in threading.enumerate() if t.name.startswith("mkiso-read")]
    assert not (run.work / "disc1.part").exists()


def test_a_signal_ends_the_reading_too(tmp_path):
    run = Finishing(tmp_path)
    with verify.ReadBack(run.file_set) as reading:
        image = write.run(run.file_set, run.work / "a.part", run.context, watcher=reading)
        run.stopped = TerminatedJobError("stopped")
        with pytest.raises(TerminatedJobError):
            verify.run(image, run.file_set, run.context, reading)
    assert not [t for t in threading.enumerate() if t.name.startswith("mkiso-read")]


def test_any_path_is_judged_for_the_verify_command(tmp_path):
    run = Finishing(tmp_path)
    disc = run.publish()
    steps = []
    assert check_path(disc.path, steps.append).findings == ()
    assert steps[-1].stage == "verify"


def no_disc(tmp_path, kind):
    path = tmp_path / "disc.iso"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "file in the way":
        path.write_bytes(b"")
        path = path / "further"
    elif kind == "empty file":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_bytes(b"root:x:0:0:root:/root:/bin/bash\n" * 2000)
    elif kind == "empty folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/null")
    return path


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("nothing", NotFoundError, "There is nothing at"),
        ("file in the way", NotFoundError, "There is nothing at"),
        ("pipe", NotFoundError, "no file that could hold a disc"),
        ("device", NotFoundError, "no file that could hold a disc"),
        ("empty file", VerifyError, "is empty"),
        ("text", VerifyError, "no ISO 9660 volume"),
        ("empty folder", VerifyError, "empty folder"),
    ],
)
def test_what_is_no_disc_is_one_clear_sentence(tmp_path, kind, error, words):
    path = no_disc(tmp_path, kind)
    with pytest.raises(error, match=words) as caught:
        check_path(path)
    assert str(path) in caught.value.message
    assert caught.value.details == ()


def test_a_disk_that_fails_is_74(tmp_path, monkeypatch):
    path = Finishing(tmp_path).publish().path

    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(DiskError, match="Input/output error; check the disk"):
        check_path(path)


@contextlib.contextmanager
def nobody():
    """Be a user without rights."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("place", ["image", "folder", "file inside", "folder inside"])
def test_what_this_user_may_not_read_is_77_and_no_fault_of_the_disc(place):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are root's alone
        folder = Path(name) / "disc"
        inside = folder / "DICOM"
        inside.mkdir(parents=True)
        (inside / "IM000000").write_bytes(b"x")
        (folder / "disc.iso").write_bytes(b"x")
        path = {
            "image": folder / "disc.iso",
            "folder": folder,
            "file inside": inside / "IM000000",
            "folder inside": inside,
        }[place]
        for each in (name, folder, inside, inside / "IM000000", folder / "disc.iso"):
            Path(each).chmod(0o755)
        path.chmod(0)
        asked = path if place in {"image", "folder"} else folder
        with nobody(), pytest.raises(PermissionDeniedError) as caught:
            check_path(asked)
        path.chmod(0o755)
    assert str(path) in caught.value.message


def test_an_image_beside_another_ones_sidecar_is_found(tmp_path):
    run = Finishing(tmp_path)
    disc = run.publish()
    sidecar = disc.sidecar.read_text()
    disc.sidecar.write_text(sidecar.replace(disc.sha256, "0" * 64))
    assert "sidecar.image" in {f.id for f in check_path(disc.path).errors}
    first = run.file_set.instances[0].instance.sop_instance_uid
    disc.sidecar.write_text(sidecar.replace(first, "1.2.3"))
    assert "sidecar.instances" in {f.id for f in check_path(disc.path).errors}
    disc.sidecar.write_text("{}")
    assert {f.id for f in check_path(disc.path).findings} == {"sidecar.foreign"}
    disc.sidecar.unlink()
    assert check_path(disc.path).findings == ()

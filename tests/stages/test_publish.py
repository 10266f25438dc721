import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from check_disc import check_disc
from disc_sets import bundled_file_set
from finishing import FEW, Finishing

from mkiso.core.model import ExpectedInstance
from mkiso.disc import publication
from mkiso.errors import CantCreateError, DiskError, UsageError
from mkiso.stages import publish, write

NAME = "A_1_2_"  # "A 1/2" made file-safe, before its hash


def test_a_published_disc_has_its_name_its_sidecar_and_nothing_beside(tmp_path):
    run = Finishing(tmp_path)
    disc = run.publish()
    assert disc.path.name.startswith(NAME)
    assert run.names == sorted([disc.sidecar.name, disc.path.name])
    assert not list(run.work.iterdir())
    assert disc.path.stat().st_mode & 0o777 == 0o640
    assert disc.sidecar.stat().st_mode & 0o777 == 0o640
    result = check_disc(disc.path, tmp_path / "received")
    assert result.sha256 == disc.sha256


def test_the_sidecar_lists_every_instance_and_names_no_patient(tmp_path):
    run = Finishing(tmp_path, modalities=("MR", "CT"))
    disc = run.publish()
    text = disc.sidecar.read_text(encoding="utf-8")
    sidecar = json.loads(text)
    assert sidecar["schema"] == 1
    assert sidecar["sha256"] == disc.sha256
    assert sidecar["size_bytes"] == disc.path.stat().st_size
    assert sidecar["accession_numbers"] == ["A 1/2"]
    assert sidecar["options"] == {"modalities": ["CT", "MR"]}
    assert sidecar["complete"] is True
    assert {i["sop_instance_uid"] for i in sidecar["instances"]} == {
        i.instance.sop_instance_uid for i in run.file_set.instances
    }
    assert all(len(i["sha256"]) == 64 for i in sidecar["instances"])
    assert not [word for word in ("4711", "ller", "19700101") if word in text]


def test_the_same_disc_again_is_the_one_that_is_there(tmp_path):
    run = Finishing(tmp_path)
    first = run.publish()
    before = first.path.stat()
    again = Finishing(tmp_path).publish()
    after = first.path.stat()
    assert again.existed
    assert again.path == first.path
    assert (again.sha256, again.size_bytes) == (first.sha256, first.size_bytes)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not list(run.work.iterdir())


def test_the_same_disc_made_later_is_still_the_same(tmp_path):
    first = Finishing(tmp_path).publish()
    later = Finishing(tmp_path)
    later.write = lambda: publish_write(later, epoch="1800000000")
    again = later.publish()
    assert again.existed
    assert again.sha256 == first.sha256


def publish_write(run, epoch):
    part = run.work / "later.part"
    part.unlink(missing_ok=True)
    return write.run(run.file_set, part, run.context, environment={"SOURCE_DATE_EPOCH": epoch})


@pytest.mark.parametrize("difference", ["instances", "options", "image", "no sidecar", "garbage"])
def test_another_disc_of_that_name_is_never_touched(tmp_path, difference):
    run = Finishing(tmp_path)
    first = run.publish()
    if difference == "instances":
        run.file_set = bundled_file_set(tmp_path / "other", FEW[:2])
    elif difference == "options":
        run.with_job(modalities=("CT",))
    elif difference == "image":
        content = bytearray(first.path.read_bytes())
        content[-1] ^= 1
        first.path.write_bytes(content)
    elif difference == "no sidecar":
        first.sidecar.unlink()
    else:
        first.sidecar.write_bytes(b"\xff{")
    before = first.path.read_bytes()
    with pytest.raises(CantCreateError, match="--replace"):
        run.publish()
    assert first.path.read_bytes() == before


def test_replace_puts_the_new_disc_in_the_others_place(tmp_path):
    run = Finishing(tmp_path, replace=True)
    first = run.publish()
    run.file_set = bundled_file_set(tmp_path / "other", FEW[:2])
    second = run.publish()
    assert second.path == first.path
    assert second.sha256 != first.sha256
    assert not second.existed
    check_disc(second.path)
    assert json.loads(second.sidecar.read_text())["sha256"] == second.sha256


def test_an_incomplete_disc_says_so_in_its_name_and_sidecar(tmp_path):
    run = Finishing(tmp_path)
    run.change(complete=False, missing=(ExpectedInstance("1.2.3", "1.2", "1"),))
    disc = run.publish(name="A1")
    assert run.names == ["A1.INCOMPLETE.iso", "A1.INCOMPLETE.json"]
    sidecar = json.loads(disc.sidecar.read_text())
    assert sidecar["complete"] is False
    assert [m["sop_instance_uid"] for m in sidecar["missing"]] == ["1.2.3"]
    assert not disc.complete


def test_several_discs_are_numbered(tmp_path):
    run = Finishing(tmp_path).with_job(name="A1")
    for number in (1, 2, 3):
        run.change(number=number, of=3).publish()
    assert [n for n in run.names if n.endswith(".iso")] == ["A1.iso", "A1_2.iso", "A1_3.iso"]


def test_a_damaged_disc_at_the_second_name_is_seen_before_the_first_is_named(tmp_path):
    run = Finishing(tmp_path).with_job(name="A1")
    plans = [dataclasses.replace(run.file_set, number=number, of=2) for number in (1, 2)]
    publish.require_names(plans, run.context)
    second = run.change(number=2, of=2).publish()
    publish.require_names(plans, run.context)  # the same disc is no other
    content = bytearray(second.path.read_bytes())
    content[-1] ^= 1
    second.path.write_bytes(content)
    with pytest.raises(CantCreateError, match=r"A1_2\.iso"):
        publish.require_names(plans, run.context)
    publish.require_names(plans, run.with_job(replace=True).context)


def test_without_accession_number_the_study_gives_the_name(tmp_path):
    run = Finishing(tmp_path).with_job(accession_numbers=())
    disc = run.publish()
    assert disc.path.stem == run.file_set.instances[0].instance.study_instance_uid


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "-rf", "x\n", "n" * 300])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    run = Finishing(tmp_path)
    image = run.verify()
    with pytest.raises(UsageError):
        publish.run(image, run.file_set, run.context, name=name)
    assert run.names == []


# --- faults


KILLED = """
import os, signal, sys
sys.path[:0] = {paths!r}
from pathlib import Path
from finishing import Finishing
from mkiso.disc import publication

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(publication, {function!r}, die)
Finishing(Path({folder!r})).publish(name="A1")
"""


@pytest.mark.parametrize("function", ["_write_to_disk", "_name_if_free"])
def test_a_run_killed_while_publishing_leaves_no_disc_and_can_be_repeated(tmp_path, function):
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    code = KILLED.format(paths=paths, function=function, folder=str(tmp_path))
    died = subprocess.run([sys.executable, "-c", code], check=False)
    assert died.returncode == -signal.SIGKILL
    run = Finishing(tmp_path)
    assert not list(run.output.glob("*.iso"))
    if function == "_name_if_free":
        assert run.names == ["A1.json"]
    disc = run.publish(name="A1")
    assert not disc.existed
    check_disc(disc.path)
    assert json.loads(disc.sidecar.read_text())["sha256"] == disc.sha256


def test_a_run_killed_between_the_names_of_a_replacement_is_noticed(tmp_path, monkeypatch):
    run = Finishing(tmp_path, replace=True)
    run.publish(name="A1")
    run.file_set = bundled_file_set(tmp_path / "other", FEW[:2])

    class Killed(BaseException):
        pass

    real = publication._sync_folder

    def die(folder):
        real(folder)
        raise Killed

    monkeypatch.setattr(publication, "_sync_folder", die)
    with pytest.raises(Killed):
        run.publish(name="A1")
    monkeypatch.undo()
    run.with_job(replace=False)
    with pytest.raises(CantCreateError):  # the old image with the new sidecar is not "the same"
        run.publish(name="A1")


def test_a_disc_that_appeared_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    run = Finishing(tmp_path)
    real = publication._name_if_free

    def late(part, image):
        image.write_bytes(b"somebody else's")
        real(part, image)

    monkeypatch.setattr(publication, "_name_if_free", late)
    with pytest.raises(CantCreateError, match="Meanwhile"):
        run.publish(name="A1")
    assert (run.output / "A1.iso").read_bytes() == b"somebody else's"


def test_two_runs_that_end_at_once_make_one_disc(tmp_path):
    runs = [Finishing(tmp_path), Finishing(tmp_path)]
    runs[1].work = runs[1].output / ".mkiso-other"
    runs[1].work.mkdir()
    images = [run.verify() for run in runs]
    discs = []

    def end(run, image):
        discs.append(publish.run(image, run.file_set, run.context, name="A1"))

    threads = [threading.Thread(target=end, args=pair) for pair in zip(runs, images, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(disc.existed for disc in discs) == [False, True]
    assert {disc.sha256 for disc in discs} == {images[0].sha256}


def test_a_file_system_without_hard_links_still_gets_its_disc(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    disc = Finishing(tmp_path).publish()
    assert disc.path.is_file()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system")
def test_a_work_folder_on_another_file_system_is_refused_and_nothing_named(tmp_path):
    run = Finishing(tmp_path)
    image = run.verify()
    elsewhere = Path("/dev/shm") / f"mkiso-test-{os.getpid()}"
    elsewhere.mkdir()
    try:
        if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("/dev/shm is the same file system")
        part = elsewhere / "disc1.part"
        shutil.copyfile(image.part, part)
        moved = dataclasses.replace(image, part=part)
        with pytest.raises(CantCreateError, match="file system"):
            publish.run(moved, run.file_set, run.context, name="A1")
    finally:
        shutil.rmtree(elsewhere)
    assert run.names == []


def test_a_folder_that_is_gone_or_read_only_is_said(tmp_path):
    run = Finishing(tmp_path)
    image = run.verify()
    gone = run.with_job(output_folder=tmp_path / "gone").context
    with pytest.raises(CantCreateError, match="gone"):
        publish.run(image, run.file_set, gone)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_read_only_output_is_said_and_nothing_named(tmp_path):
    run = Finishing(tmp_path)
    image = run.verify()
    mounted = subprocess.run(
        ["mount", "--bind", "-o", "ro", str(run.output), str(run.output)], check=False
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(run.output)], check=True)
        with pytest.raises(CantCreateError, match="Read-only"):
            publish.run(image, run.file_set, run.context, name="A1")
    finally:
        subprocess.run(["umount", str(run.output)], check=True)
    assert run.names == []


def test_a_full_disk_while_the_sidecar_is_written_names_nothing(tmp_path, monkeypatch):
    run = Finishing(tmp_path)
    image = run.verify()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="No space"):
        publish.run(image, run.file_set, run.context, name="A1")
    assert run.names == []

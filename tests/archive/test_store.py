"""C-STORE into the archive: kept whole, once, under names of the archive's own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mkiso.archive.folder_scan import INDEX_NAME, update
from mkiso.archive.incoming import Storage
from mkiso.archive.index import Index

CT = "1.2.840.10008.5.1.4.1.1.2"
PROJECT = Path(__file__).resolve().parent.parent.parent


def store(lab, archive, *data_sets) -> list[int]:
    with lab.associated(archive, *{str(ds.SOPClassUID) for ds in data_sets}) as association:
        assert association.is_established
        return [association.send_c_store(ds).Status for ds in data_sets]


def received(folder: Path) -> list[Path]:
    return sorted(p for p in (folder / "received").rglob("*") if p.is_file())


def test_what_is_stored_is_found_and_survives_a_restart(folder, start, lab) -> None:
    with start() as archive:
        assert store(lab, archive, lab.make("1.2.9", AccessionNumber="NEW")) == [0]
        (answer,) = lab.find(archive, "STUDY", AccessionNumber="NEW", StudyInstanceUID="")
    assert answer.StudyInstanceUID == "1.2.9"
    (path,) = received(folder)
    assert lab.read(path).AccessionNumber == "NEW"
    with start() as archive:
        assert len(lab.find(archive, "STUDY", AccessionNumber="NEW")) == 1


def test_names_come_from_no_uid(folder, archive, lab) -> None:
    store(lab, archive, lab.make("1.2.9"))
    (path,) = received(folder)
    assert "1.2.9" not in str(path.relative_to(folder))
    assert path.suffix == ".dcm"


def test_the_data_set_is_kept_bit_for_bit(folder, archive, lab, destination, start) -> None:
    store(lab, archive, lab.make("1.2.9"))
    (path,) = received(folder)
    expected = lab.save(folder.parent, "expected", lab.make("1.2.9")).read_bytes()
    kept = path.read_bytes()
    assert kept[:132] == bytes(128) + b"DICM"
    assert kept.endswith(expected[expected.index(b"\x08\x00\x16\x00UI") :])


def test_the_same_instance_again_is_a_success_and_one_file(folder, archive, lab) -> None:
    assert store(lab, archive, lab.make("1.2.9"), lab.make("1.2.9")) == [0, 0]
    assert len(received(folder)) == 1


def test_an_instance_of_the_folder_is_not_stored_a_second_time(folder, archive, lab) -> None:
    assert store(lab, archive, lab.make("1.2.3", "1", "1")) == [0]
    assert received(folder) == []


def test_one_uid_with_other_content_is_refused_and_the_first_stays(folder, archive, lab) -> None:
    other = lab.make("1.2.9", PatientName="Someone^Else")
    assert store(lab, archive, lab.make("1.2.9"), other) == [0, 0xC111]
    (path,) = received(folder)
    assert lab.read(path).PatientName == "Doe^Jane"


def test_an_instance_whose_file_was_deleted_can_be_stored_again(folder, archive, lab) -> None:
    (folder / "b/1").unlink()
    again = lab.make("1.2.4", AccessionNumber="A2", StudyDate="20260215")
    assert store(lab, archive, again) == [0]
    (path,) = received(folder)
    assert archive.index.file_of("1.2.4", "1.2.4.1.1").path == path


def test_a_data_set_that_is_not_the_commands_instance_is_refused(folder, archive, lab) -> None:
    ds = lab.make("1.2.9")
    with lab.raw_association(archive.port) as association:
        wrong = lab.raw_store(association, ds, instance="1.2.9.9.9")
        broken = lab.raw_store(association, ds, cut=40)
        path_like = lab.raw_store(association, ds, instance="../../x")
    assert (wrong, broken, path_like) == (0xA900, 0xC000, 0xC000)
    assert received(folder) == []
    assert not (folder.parent / "x").exists()


def test_a_full_disk_is_a700_and_leaves_nothing(folder, archive, lab, monkeypatch) -> None:
    def no_room(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    assert store(lab, archive, lab.make("1.2.9")) == [0xA700]
    monkeypatch.undo()
    assert received(folder) == []
    assert store(lab, archive, lab.make("1.2.9")) == [0]


def test_an_association_lost_inside_an_object_leaves_nothing(folder, archive, lab) -> None:
    with lab.raw_association(archive.port) as association:
        lab.begin_store(association, lab.make("1.2.9"))
        assert lab.wait_until(lambda: bool(received(folder)))
        association.abort()
    assert lab.wait_until(lambda: not received(folder))
    assert lab.wait_until(lambda: archive.associations_open == 0)


def test_files_of_a_writer_that_is_alive_are_not_swept(folder) -> None:
    index = Index(folder, None)
    storage = Storage(folder, index)
    part, descriptor = storage.new_file("abcdef")
    Storage(folder, index)
    assert part.exists()
    os.close(descriptor)
    Storage(folder, index)
    assert not part.exists()
    index.close()


def test_a_kill_inside_an_object_leaves_no_half_file_in_the_index(folder, lab) -> None:
    arguments = ["archive", str(folder), "--port", "0"]
    with run_archive(arguments) as (process, port), lab.raw_association(port) as association:
        whole = lab.raw_store(association, lab.make("1.2.9", "1", "1"))
        lab.begin_store(association, lab.make("1.2.9", "1", "2"))
        assert lab.wait_until(lambda: len(received(folder)) == 2)
        process.kill()
        process.wait(10)
        association.abort()
    assert whole == 0
    assert [p.suffix for p in received(folder)].count(".part") == 1
    with run_archive(arguments) as (process, port):
        images = lab.find(lab.at(port), "IMAGE", StudyInstanceUID="1.2.9", SOPInstanceUID="")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert [str(i.SOPInstanceUID) for i in images] == ["1.2.9.1.1"]
    assert [p.suffix for p in received(folder)] == [".dcm"]


def test_a_file_named_before_a_crash_is_indexed_at_the_next_start(folder, lab, start) -> None:
    """The file is renamed, then the index is written: a crash between the two loses nothing."""
    with start() as archive:
        store(lab, archive, lab.make("1.2.9"))
    (folder / INDEX_NAME).unlink()
    index = Index(folder, None)
    update(index, folder)
    assert index.file_of("1.2.9", "1.2.9.1.1") is not None
    index.close()


@contextlib.contextmanager
def run_archive(arguments: list[str]):
    """`mkiso archive` as a program: the process and its port, once it is ready."""
    with subprocess.Popen(
        [sys.executable, "-m", "mkiso", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            yield process, int(line.partition("127.0.0.1:")[2].partition(",")[0])
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_stops_cleanly_at_a_signal(folder, lab, number) -> None:
    arguments = ["archive", str(folder), "--port", "0", "--destination", "CDRECORD=127.0.0.1:9"]
    with run_archive(arguments) as (process, port):
        assert len(lab.find(lab.at(port), "STUDY", StudyInstanceUID="")) == 3
        with lab.associated(lab.at(port), CT):
            process.send_signal(number)
            start = time.monotonic()
            assert process.wait(30) == 0
            assert time.monotonic() - start < 20
        with pytest.raises(ConnectionRefusedError), socket.socket() as sock:
            sock.connect(("127.0.0.1", port))


def test_a_port_that_is_taken_is_75(folder, lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "mkiso", "archive", str(folder), "--port", str(port)],
            cwd=PROJECT,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert result.returncode == 75
    assert str(port) in result.stderr

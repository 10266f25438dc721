"""From the answer to the place: what is on the disk when, and what finds no place."""

import errno
import os
import threading
from collections import Counter
from pathlib import Path

import pytest
from toolbox_lab import Receipt, data_sets, make_people, send
from whole_jobs import instance, save


@pytest.fixture
def people(tmp_path):
    return make_people(tmp_path / "people")


def sync_with(monkeypatch, hook):
    """Call `hook(path)` before each fsync; what it raises is what the disk says."""
    really = os.fsync

    def fsync(descriptor):
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        hook(Path(f"/proc/self/fd/{number}").readlink())
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def told(receipt):
    """How many instances of each study the events have told of; a slow one may be two events."""
    counts = Counter()
    for event in receipt.events:
        counts[event["study_instance_uid"]] += event["instances"]
    return counts


def test_success_is_answered_when_the_disk_has_the_instance(tmp_path, people, monkeypatch):
    waits, may_go = threading.Event(), threading.Event()
    seen = []

    def hook(path):
        seen.append(path.name)
        if path.suffix == ".part":
            waits.set()
            assert may_go.wait(30)

    sync_with(monkeypatch, hook)
    statuses = {}
    with Receipt(tmp_path) as receipt:
        sender = threading.Thread(
            target=lambda: statuses.update(send(receipt.port, people / "1.2.4"))
        )
        sender.start()
        assert waits.wait(30)
        assert statuses == {}
        may_go.set()
        sender.join(30)
        assert set(statuses.values()) == {0}
        # the file, its name, and its line in the journal (with the journal's own name)
        assert seen[1] == ".mkiso-receive"
        assert receipt.wait_for(lambda: "studies" in seen)
    assert [name.rpartition(".")[2] for name in seen[2:4]] == ["jsonl", "studies"]


def test_an_instance_that_the_disk_does_not_take_is_out_of_resources(tmp_path, people, monkeypatch):
    def hook(path):
        if path.suffix == ".part":
            raise OSError(errno.EIO, "Input/output error")

    with Receipt(tmp_path) as receipt:
        with monkeypatch.context() as patch:
            sync_with(patch, hook)
            assert set(send(receipt.port, people / "1.2.4").values()) == {0xA700}
        assert set(send(receipt.port, people / "1.2.4").values()) == {0}
    assert set(data_sets(receipt.folder)) == {"1.2.4.1.1"}


def test_without_sync_nobody_waits_for_the_disk(tmp_path, people, monkeypatch):
    seen = []
    sync_with(monkeypatch, seen.append)
    with Receipt(tmp_path, durable=False, quiet_seconds=0.2) as receipt:
        assert set(send(receipt.port, people / "1.2.4").values()) == {0}
        assert seen == []
        assert receipt.wait_for(lambda: receipt.events)
    assert [path.name for path in seen] == ["1.2.4.1.1.dcm"]  # before anybody is told


def test_what_finds_no_place_is_tried_again_and_told_then(tmp_path, people):
    with Receipt(tmp_path, quiet_seconds=0.2) as receipt:
        obstacle = receipt.folder / "1.2.4"
        obstacle.touch()
        assert set(send(receipt.port, people).values()) == {0}
        assert receipt.wait_for(lambda: told(receipt) == {"1.2.3": 4, "1.2.5": 2})
        assert any("1.2.4.1.1 waits for its place" in line for line in receipt.said)
        obstacle.unlink()
        assert receipt.wait_for(lambda: told(receipt) == {"1.2.3": 4, "1.2.4": 1, "1.2.5": 2})
    assert data_sets(receipt.folder) == data_sets(people)
    assert (receipt.folder / "1.2.4/1.2.4.1/1.2.4.1.1.dcm").is_file()


def test_what_found_no_place_is_placed_by_the_next_start(tmp_path, people):
    with Receipt(tmp_path) as receipt:
        (receipt.folder / "1.2.4").touch()
        send(receipt.port, people / "1.2.4")
    (receipt.folder / "1.2.4").unlink()
    with Receipt(tmp_path, quiet_seconds=0.2) as receipt:
        assert receipt.wait_for(lambda: receipt.events)
    assert set(data_sets(receipt.folder)) == {"1.2.4.1.1"}


def test_too_many_without_a_place_and_nothing_more_is_accepted(tmp_path, people, monkeypatch):
    monkeypatch.setattr("mkiso.toolbox.placing._MOST_WAITING", 2)
    with Receipt(tmp_path) as receipt:
        (receipt.folder / "1.2.3").touch()
        statuses = list(send(receipt.port, people / "1.2.3").values())
        assert statuses[:3] == [0, 0, 0]
        assert receipt.wait_for(lambda: len(receipt.running._placing._waiting) > 2)
        assert set(send(receipt.port, people / "1.2.5").values()) == {0xA700}


def test_two_contents_that_come_together_are_both_kept(tmp_path, people):
    other = save(tmp_path / "other", "1", instance("1.2.4", 1, 1, StudyDescription="OTHER"))
    with Receipt(tmp_path) as receipt:
        assert send(receipt.port, people / "1.2.4") == {"1.2.4.1.1": 0}
        assert send(receipt.port, other) == {"1.2.4.1.1": 0}
        assert send(receipt.port, people / "1.2.4") == {"1.2.4.1.1": 0}
    files = sorted((receipt.folder / "1.2.4/1.2.4.1").iterdir())
    assert len(files) == 2
    assert files[0].read_bytes() != files[1].read_bytes()


def test_a_journal_that_a_power_cut_spoiled_costs_no_other(tmp_path, people):
    studies = tmp_path / "in/.mkiso-receive/studies"
    studies.mkdir(parents=True)
    (studies / "1.2.99.jsonl").write_bytes(b'\xff\xfe\x00{"path"')
    (studies / "1.2.98-1.event").write_bytes(b'[1]\n{"path": "x"}\n{"path": 5}\nnull\n')
    (studies / "1.2.5.jsonl").write_bytes(b'{"path": "half')
    with Receipt(tmp_path, quiet_seconds=0.2) as receipt:
        send(receipt.port, people)
        assert receipt.wait_for(lambda: told(receipt) == {"1.2.3": 4, "1.2.4": 1, "1.2.5": 2})
        assert not list(studies.iterdir())

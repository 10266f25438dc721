"""What of a dead run's folder is believed."""

import dataclasses
import hashlib
import multiprocessing
import os
import signal

import pytest
from raw_peer import CT, EXPLICIT, IMPLICIT, data_set

from mkiso.core.custody import KeptInstance
from mkiso.storage.instances import InstanceStore
from mkiso.storage.resuming import adopt
from mkiso.storage.workspace import Workspace

UID = "1.2.3.4.1"


def forget(_line):
    """Say nothing."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def kept(folder):
    """One received instance as the ledger has it."""
    store = InstanceStore(folder)
    writer = store.begin(CT, UID, EXPLICIT)
    writer.write(memoryview(data_set(UID)))
    writer.finish()
    instance = store.settle(writer.keep())
    return KeptInstance(instance.path.name, CT, UID, EXPLICIT, instance.size_bytes, instance.sha256)


def test_what_agrees_in_everything_is_as_if_it_had_just_come(folder, kept):
    fresh = InstanceStore(folder / "again") if (folder / "again").mkdir() is None else None
    writer = fresh.begin(CT, UID, EXPLICIT)
    writer.write(memoryview(data_set(UID)))
    writer.finish()
    received = fresh.settle(writer.keep())
    (instance,) = adopt(folder, [kept], forget)
    assert instance == dataclasses.replace(received, path=folder / kept.file_name)


@pytest.mark.parametrize(
    "change",
    [
        {"size_bytes": 1},
        {"sha256": "0" * 64},
        {"sop_instance_uid": "1.2.3.4.2"},
        {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"},
        {"transfer_syntax_uid": IMPLICIT},
        {"file_name": "00000002.dcm"},
        {"file_name": "../00000001.dcm"},
        {"file_name": "lock"},
    ],
    ids=str,
)
def test_what_differs_in_anything_is_removed_and_asked_for_again(folder, kept, change):
    assert adopt(folder, [dataclasses.replace(kept, **change)], forget) == ()
    assert list(folder.glob("*.dcm")) == []


def test_a_file_whose_data_set_is_of_another_instance_is_not_believed(folder, kept):
    """The ledger and the file agree, but the data set is somebody else's."""
    path = folder / kept.file_name
    content = path.read_bytes()
    at = len(content) - len(data_set(UID))
    changed = content[:at] + content[at:].replace(UID.encode(), b"1.2.3.4.9")
    path.write_bytes(changed)
    wrong = dataclasses.replace(kept, sha256=hashlib.sha256(changed).hexdigest())
    assert adopt(folder, [wrong], forget) == ()


def test_what_the_ledger_does_not_know_goes(folder, kept):
    (folder / "00000009.dcm").write_bytes(b"half")
    said = []
    assert len(adopt(folder, [kept], said.append)) == 1
    assert [p.name for p in folder.glob("*.dcm")] == [kept.file_name]
    assert "1 instances" in said[0]


def received(store, number):
    uid = f"1.2.3.4.{number}"
    writer = store.begin(CT, uid, EXPLICIT)
    writer.write(memoryview(data_set(uid)))
    writer.finish()
    return store.settle(writer.keep())


@pytest.mark.fault("F62")
def test_what_a_killed_run_had_open_is_in_nobodys_way(tmp_path):
    """A made-ready file, half an instance, and one that the ledger never heard of."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=be_killed, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    left = sorted(p.name for p in (tmp_path / ".mkiso-job").iterdir())
    assert left == ["00000001.dcm", "00000002.dcm", "00000003.part", "00000004.part", "lock",
                    "resumable"]  # fmt: skip
    with Workspace(tmp_path, "job", resumable=True) as workspace:
        assert workspace.is_adopted
        instance = received(InstanceStore(tmp_path / "again"), 1)
        known = KeptInstance("00000001.dcm", CT, instance.sop_instance_uid, EXPLICIT,
                             instance.size_bytes, instance.sha256)  # fmt: skip
        (kept,) = adopt(workspace.folder, [known], forget)
        store = InstanceStore(workspace.folder, adopted=[kept])
        for number in (2, 3, 4, 5):
            store.make_ready()
            assert received(store, number) is not None
        store.close()
        names = sorted(p.name for p in workspace.folder.glob("*.*"))
        assert names == [f"{n:08d}.dcm" for n in range(1, 6)]
        assert kept.path.read_bytes() == instance.path.read_bytes()


def be_killed(output):
    """Receive two instances, half of a third, make a file ready for a fourth, and die."""
    (output / "again").mkdir()
    workspace = Workspace(output, "job", resumable=True).__enter__()
    store = InstanceStore(workspace.folder)
    for number in (1, 2):
        received(store, number)
    store.begin(CT, "1.2.3.4.3", EXPLICIT).write(memoryview(b"half"))
    store.make_ready()
    os.kill(os.getpid(), signal.SIGKILL)

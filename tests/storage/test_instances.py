"""The store of received instances by itself; tests/network/test_receiver.py has it at work."""

import errno
import hashlib
import os
import stat

import pydicom
import pytest
from raw_peer import CT, EXPLICIT, IMPLICIT, data_set, implicit_element

from mkiso.core.header import HeaderError
from mkiso.errors import LimitError
from mkiso.storage.instances import InstanceStore


def receive(store, data, uid="1.2.3.4.1", *, step=16000, syntax=EXPLICIT):
    writer = store.begin(CT, uid, syntax)
    view = memoryview(data)
    for offset in range(0, len(data), step):
        writer.write(view[offset : offset + step])
    writer.finish()
    return writer.keep()


@pytest.fixture
def store(tmp_path):
    return InstanceStore(tmp_path)


@pytest.mark.parametrize("step", [1, 1000, 65_536, 200_000, 10_000_000])
def test_the_file_is_the_same_however_its_data_set_was_cut(store, step):
    data = data_set(pixels=os.urandom(1000 if step == 1 else 700_000))
    instance = store.settle(receive(store, data, step=step))
    content = instance.path.read_bytes()
    assert content[instance.data_set_offset :] == data
    assert instance.size_bytes == len(content)
    assert instance.sha256 == hashlib.sha256(content).hexdigest()


def test_names_are_counters_and_files_are_private(store, tmp_path):
    for number in range(1, 4):
        data = data_set(f"1.2.3.4.{number}")
        store.settle(receive(store, data, f"1.2.3.4.{number}"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{n:08d}.dcm" for n in (1, 2, 3)]
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}


def test_a_file_or_link_that_is_there_is_never_written_to(store, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "00000001.part").symlink_to(victim)
    with pytest.raises(FileExistsError):
        store.begin(CT, "1.2.3", EXPLICIT)
    assert victim.read_text() == "untouched"


def test_it_has_its_name_only_when_it_is_kept(store, tmp_path):
    writer = store.begin(CT, "1.2.3.4.1", EXPLICIT)
    writer.write(memoryview(data_set()))
    assert [p.name for p in tmp_path.iterdir()] == ["00000001.part"]
    parsed = writer.finish()
    assert (parsed.sop_instance_uid, parsed.study_instance_uid) == ("1.2.3.4.1", "1.2.3")
    assert [p.name for p in tmp_path.iterdir()] == ["00000001.part"]
    writer.keep()
    assert [p.name for p in tmp_path.iterdir()] == ["00000001.dcm"]


@pytest.mark.parametrize("when", ["at once", "written", "finished", "kept", "settled"])
def test_discard_removes_it_at_any_time_and_twice(store, tmp_path, when):
    writer = store.begin(CT, "1.2.3.4.1", EXPLICIT)
    steps = {
        "at once": lambda: None,
        "written": lambda: writer.write(memoryview(data_set())),
        "finished": writer.finish,
        "kept": writer.keep,
        "settled": lambda: store.settle(writer),
    }
    for name, step in steps.items():
        step()
        if name == when:
            break
    writer.discard()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data", [b"", data_set()[:-1], data_set()[:-1000], data_set()[:300], b"\xff" * 5000]
)
def test_what_is_no_whole_data_set_is_told_at_the_end(store, data):
    with pytest.raises(HeaderError):
        receive(store, data)


def test_equal_instances_are_kept_once_and_different_ones_are_a_conflict(store, tmp_path):
    first = store.settle(receive(store, data_set()))
    assert store.settle(receive(store, data_set())) is None
    assert store.settle(receive(store, data_set(pixels=b"other "))) is None
    assert store.settle(receive(store, data_set(pixels=b"again "))) is None
    assert (store.duplicates, store.conflicts) == (1, ["1.2.3.4.1"])
    assert list(tmp_path.iterdir()) == [first.path]


def test_the_hash_may_follow_while_the_object_arrives(store):
    data = data_set(pixels=os.urandom(40_000_000))
    writer = store.begin(CT, "1.2.3.4.1", EXPLICIT)
    for offset in range(0, len(data), 100_000):
        writer.write(memoryview(data)[offset : offset + 100_000])
        if offset % 700_000 == 0:
            writer.catch_up()
    assert writer._hashed > 39_000_000
    writer.finish()
    writer.catch_up()  # comes late: harmless
    instance = store.settle(writer.keep())
    assert instance.sha256 == hashlib.sha256(instance.path.read_bytes()).hexdigest()


def test_a_late_catch_up_of_a_discarded_object_is_harmless(store):
    writer = store.begin(CT, "1.2.3.4.1", EXPLICIT)
    writer.discard()
    writer.catch_up()


def test_the_same_data_set_gives_the_same_file(tmp_path):
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        store = InstanceStore(tmp_path / name)
        hashes.add(store.settle(receive(store, data_set())).sha256)
    assert len(hashes) == 1


def test_pydicom_reads_file_meta_and_data_set(store):
    data = data_set(write=implicit_element)
    instance = store.settle(receive(store, data, syntax=IMPLICIT))
    read = pydicom.dcmread(instance.path)
    assert read.file_meta.FileMetaInformationVersion == b"\0\1"
    assert read.file_meta.MediaStorageSOPClassUID == CT
    assert read.file_meta.TransferSyntaxUID == IMPLICIT
    assert read.file_meta.ImplementationClassUID.is_valid
    assert read.PatientName == "Test^Patient"


def test_too_little_free_space_is_told_before_and_during_an_object(tmp_path):
    free = [1000]
    store = InstanceStore(tmp_path, minimum_free_bytes=500, free_bytes=lambda _folder: free[0])
    writer = store.begin(CT, "1.2.3.4.1", EXPLICIT)
    free[0] = 499
    with pytest.raises(OSError, match="Less than") as caught:
        write_much(writer)
    assert caught.value.errno == errno.ENOSPC
    writer.discard()
    store._next_look = 0.0
    with pytest.raises(OSError, match="Less than"):
        store.begin(CT, "1.2.3.4.1", EXPLICIT)
    assert list(tmp_path.iterdir()) == []


def test_what_must_stay_free_is_not_filled_between_two_looks_at_the_clock(tmp_path):
    free = [10_000_000]
    store = InstanceStore(
        tmp_path, minimum_free_bytes=4_000_000, free_bytes=lambda _folder: free[0]
    )
    store._next_look = float("inf")  # all within one moment

    def flood():
        for number in range(1, 30):
            data = data_set(f"1.2.3.4.{number}", pixels=bytes(500_000))
            free[0] -= len(data)
            store.settle(receive(store, data, f"1.2.3.4.{number}"))

    with pytest.raises(OSError, match="Less than"):
        flood()
    assert free[0] > 2_500_000


def write_much(writer):
    for _ in range(20):
        writer.write(memoryview(bytes(5_000_000)))


def test_an_object_over_the_limit_is_told(tmp_path):
    store = InstanceStore(tmp_path, max_instance_bytes=1_000_000)
    writer = store.begin(CT, "1.2.3.4.1", EXPLICIT)
    with pytest.raises(LimitError):
        write_much(writer)
    writer.discard()


def test_a_kept_file_that_became_shorter_is_told(store):
    writer = receive(store, data_set(pixels=bytes(600_000)))
    os.truncate(writer._path, 5000)
    with pytest.raises(OSError, match="shorter"):
        store.settle(writer)


def test_a_store_goes_on_where_an_earlier_one_ended(store, tmp_path):
    data = data_set("1.2.3.4.1")
    first = store.settle(receive(store, data, "1.2.3.4.1"))
    second = InstanceStore(tmp_path, adopted=[first])
    assert second.settle(receive(second, data, "1.2.3.4.1")) is None
    assert second.duplicates == 1
    other = second.settle(receive(second, data_set("1.2.3.4.2"), "1.2.3.4.2"))
    assert other.path.name == "00000003.dcm"
    assert first.path.exists()

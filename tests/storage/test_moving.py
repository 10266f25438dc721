import os
import shutil
import tempfile
from pathlib import Path

import pytest

from mkiso.errors import DiskError
from mkiso.storage import moving


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another file system."""
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="mkiso-test-"))
    yield folder
    shutil.rmtree(folder)


def tree(folder):
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "1").write_bytes(b"one")
    (folder / "a" / "link").symlink_to("b/1")
    return folder / "a"


def test_a_folder_moves_to_another_file_system_as_a_whole(tmp_path, elsewhere):
    source = tree(tmp_path)
    os.utime(source / "b/1", (1, 1))
    moving.move(source, elsewhere / "a")
    assert not source.exists()
    assert (elsewhere / "a/b/1").read_bytes() == b"one"
    assert (elsewhere / "a/b/1").stat().st_mtime == 1
    assert (elsewhere / "a/link").is_symlink()


def test_what_cannot_be_moved_stays_and_names_nobody(tmp_path, elsewhere):
    source = tree(tmp_path)
    with pytest.raises(DiskError) as failure:
        moving.move(source, elsewhere / "20260101_000000" / "SECRET")
    assert "SECRET" not in failure.value.message
    assert (source / "b/1").read_bytes() == b"one"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 255, "홍" * 85])
def test_the_longest_name_moves_to_another_file_system_too(tmp_path, elsewhere, name):
    source = tree(tmp_path).rename(tmp_path / name)
    place = moving.free_place(elsewhere, name, 1e9)
    moving.move(source, place)
    assert (place / "b/1").read_bytes() == b"one"
    assert [path.name for path in place.parent.iterdir()] == [name]


def test_a_place_is_free_or_the_next_second(tmp_path):
    first = moving.free_place(tmp_path, "x", 1e9)
    assert first.parent.is_dir()
    first.mkdir()
    second = moving.free_place(tmp_path, "x", 1e9)
    assert second.parent != first.parent
    assert moving.free_place(tmp_path, "y", 1e9).parent == first.parent


def test_only_folders_of_seconds_are_ever_old(tmp_path):
    for name in ("20010101_000000", "20300101_000000", "20010101", "other", "20010101_00000x"):
        (tmp_path / name).mkdir()
    (tmp_path / "20010102_000000").symlink_to(tmp_path / "other")
    (tmp_path / "20010103_000000").touch()
    found = moving.old_places(tmp_path, 86400, 1.7e9)
    assert [path.name for path in found] == ["20010101_000000"]


def test_copies_that_a_killed_run_left_are_removed(tmp_path):
    part = tmp_path / "20260101_000000" / f"name{moving.PART}"
    part.mkdir(parents=True)
    (tmp_path / "20260101_000000" / "whole").mkdir()
    moving.remove_unfinished([tmp_path])
    assert [path.name for path in (tmp_path / "20260101_000000").iterdir()] == ["whole"]

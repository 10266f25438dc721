import os

import pytest

from mkiso.storage.folder_events import is_remote
from mkiso.storage.folder_state import folder_state, is_being_written


@pytest.mark.parametrize("change", ["grow", "touch", "add", "remove", "rename", "replace"])
def test_every_change_is_seen(tmp_path, change):
    path = tmp_path / "a" / "1"
    path.parent.mkdir()
    path.write_bytes(b"one")
    before = folder_state(tmp_path)
    if change == "grow":
        path.write_bytes(b"one, two")
    elif change == "touch":
        os.utime(path, (1, 1))
    elif change == "add":
        (tmp_path / "2").touch()
    elif change == "remove":
        path.unlink()
    elif change == "rename":
        path.rename(path.with_name("3"))
    else:
        (tmp_path / "new").write_bytes(b"two")
        os.utime(tmp_path / "new", ns=(path.stat().st_mtime_ns,) * 2)
        (tmp_path / "new").replace(path)
    assert folder_state(tmp_path).digest != before.digest


def test_reading_changes_nothing(tmp_path):
    (tmp_path / "1").write_bytes(b"one")
    before = folder_state(tmp_path)
    (tmp_path / "1").read_bytes()
    assert folder_state(tmp_path) == before
    assert (before.files, before.size_bytes) == (1, 3)


def test_a_time_that_was_set_back_hides_no_change(tmp_path):
    path = tmp_path / "1"
    path.write_bytes(b"one")
    before = folder_state(tmp_path).newest_ns
    os.utime(path, (1, 1))
    assert folder_state(tmp_path).newest_ns >= before


def test_an_open_writer_is_seen_and_a_reader_is_none(tmp_path):
    path = tmp_path / "1"
    with path.open("wb"):
        assert is_being_written(path)
    with path.open("rb"):
        assert not is_being_written(path)
    assert not is_being_written(tmp_path / "missing")


@pytest.mark.parametrize(("folder", "remote"), [("/srv/share/in", True), ("/srv/other", False)])
def test_shares_are_told_by_their_mounts(tmp_path, folder, remote):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "40 22 0:40 / /srv/share rw,relatime shared:2 - cifs //server/share rw\n"
    )
    assert is_remote(folder, mounts) == remote

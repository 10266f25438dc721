import json
import os
import stat
import time

import pytest

from mkiso.errors import ConfigError
from mkiso.storage.job_log import JobLog
from mkiso.storage.state_folder import (
    find_state_folder,
    log_path,
    remove_old,
    report_path,
    write_report,
)


@pytest.fixture
def folders(tmp_path):
    for name in ("system", "xdg", "home", "out"):
        (tmp_path / name).mkdir()
    return tmp_path


def find(folders, configured=None, environ=None, system="nowhere"):
    return find_state_folder(configured, folders / "out", environ or {}, folders / system)


def test_the_first_usable_folder_is_taken(folders):
    environ = {"XDG_STATE_HOME": str(folders / "xdg"), "HOME": str(folders / "home")}
    assert find(folders, folders / "mine", environ, "system") == folders / "mine"
    assert find(folders, None, environ, "system") == folders / "system"
    assert find(folders, None, environ) == folders / "xdg" / "mkiso"
    del environ["XDG_STATE_HOME"]
    assert find(folders, None, environ) == folders / "home" / ".local" / "state" / "mkiso"
    assert find(folders, None, {}) == folders / "out" / ".mkiso-state"


def test_the_folder_is_private(folders):
    folder = find(folders)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "jobs").stat().st_mode) == 0o700


def test_a_home_that_does_not_exist_is_not_made(folders):
    home = folders / "nonexistent"
    assert find(folders, None, {"HOME": str(home)}) == folders / "out" / ".mkiso-state"
    assert not home.exists()


def test_no_usable_folder_is_none_and_the_output_folder_is_not_made(tmp_path):
    assert find_state_folder(None, tmp_path / "missing", {}, tmp_path / "x") is None
    assert not (tmp_path / "missing").exists()


def test_a_configured_folder_that_cannot_be_used_is_refused(folders):
    (folders / "file").write_text("x")
    with pytest.raises(ConfigError, match="state folder"):
        find(folders, folders / "file" / "state")


def test_a_report_is_private_and_whole(folders):
    state = find(folders)
    path = write_report(state, "job", {"code": 0, "text": "한"})
    assert path == report_path(state, "job")
    assert json.loads(path.read_text("ascii")) == {"code": 0, "text": "한"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_report(state, "job", {"code": 1})
    assert [p.name for p in path.parent.iterdir()] == ["job.json"]


def test_old_and_too_many_files_are_removed(folders):
    state = find(folders)
    now = time.time()
    for number in range(5):
        path = log_path(state, f"job{number}")
        path.write_text("x")
        os.utime(path, (now - number * 86400, now - number * 86400))
    assert remove_old(state, now, keep_seconds=3.5 * 86400) == 1
    assert remove_old(state, now, keep_files=2) == 2
    assert sorted(p.name for p in (state / "jobs").iterdir()) == ["job0.log", "job1.log"]
    assert remove_old(state / "missing") == 0


def test_a_log_line_has_a_time_and_no_control_characters(folders):
    path = log_path(find(folders), "job")
    shown = []
    log = JobLog(path, shown.append)
    log("C-FIND 한글\n\x1b[31mforged 2025-01-01 line")
    log.close()
    log("after the end")
    (line,) = path.read_text("utf-8").splitlines()
    assert line.endswith(r"C-FIND 한글\n\x1b[31mforged 2025-01-01 line")
    assert line[:2] == "20"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(shown) == 2


def test_a_log_that_cannot_be_written_never_stops_the_job(folders):
    shown = []
    for path in (None, folders / "missing" / "x.log", "/dev/full"):
        log = JobLog(path, shown.append)
        for _ in range(3):
            log("line")
        log.close()
    assert shown == ["line"] * 9

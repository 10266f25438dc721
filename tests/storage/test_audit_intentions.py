"""What a run means to publish, while it lives and when it is dead."""

import signal
import stat
import subprocess
import sys

from mkiso.storage.audit_intentions import Intention, left_intentions


def files(folder):
    return sorted(p.name for p in (folder / "audit-intentions").iterdir())


def test_of_a_run_that_lives_nobody_takes_it(tmp_path):
    mine = Intention(tmp_path, "job-1", {"a": 1})
    path = tmp_path / "audit-intentions" / "job-1.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(left_intentions(tmp_path)) == []
    assert files(tmp_path) == ["job-1.json"]
    mine.end()
    assert files(tmp_path) == []


def test_of_a_run_that_was_killed_it_is_given_once(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from mkiso.storage.audit_intentions import Intention\n"
        "mine = Intention(Path(sys.argv[1]), 'job-1', {'a': 'é'})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(left_intentions(tmp_path)) == [{"a": "é"}]
    assert list(left_intentions(tmp_path)) == []
    assert files(tmp_path) == []


def test_half_a_file_is_nothing_and_goes(tmp_path):
    folder = tmp_path / "audit-intentions"
    folder.mkdir()
    (folder / "job-1.json").write_text('{"a": ')
    (folder / "job-2.json").write_text("7")
    (folder / "job-3.part").write_text("{}")
    (folder / "job-4.json").symlink_to("/etc/hostname")
    assert list(left_intentions(tmp_path)) == []
    assert files(tmp_path) == ["job-4.json"]


def test_without_a_folder_there_is_nothing(tmp_path):
    assert list(left_intentions(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []

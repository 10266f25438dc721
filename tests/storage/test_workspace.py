import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mkiso.errors import CantCreateError, DiskError, TemporaryError
from mkiso.storage.workspace import (
    Workspace,
    free_bytes,
    private_folder,
    remove_abandoned,
    require_free,
    require_output_folder,
    sweep_stale,
)


def hidden(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".mkiso-"))


def test_the_work_folder_is_private_and_gone_after_success_and_failure(tmp_path):
    with Workspace(tmp_path, "job") as work:
        assert work.folder == tmp_path / ".mkiso-job"
        assert stat.S_IMODE(work.folder.stat().st_mode) == 0o700
        (work.folder / "deep").mkdir()
        (work.folder / "deep" / "file").write_text("x")
    with pytest.raises(ZeroDivisionError), Workspace(tmp_path, "job"):
        _ = 1 / 0
    assert hidden(tmp_path) == []


def test_temporary_files_go_into_the_work_folder_while_it_exists(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Workspace(tmp_path, "job") as work:
        assert os.environ["TMPDIR"] == str(work.folder)
        with tempfile.NamedTemporaryFile() as file:
            assert Path(file.name).parent == work.folder
    assert os.environ["TMPDIR"] == str(tmp_path)
    assert tempfile.tempdir is None


def test_two_first_runs_at_one_moment_may_make_the_output_folder(tmp_path, monkeypatch):
    """Both see that it is missing; the slower one finds it made."""
    folder = tmp_path / "new"
    really = Path.is_dir

    def made_by_another_run_meanwhile(path):
        was_there = really(path)
        if path == folder and not was_there:
            folder.mkdir()
        return was_there

    monkeypatch.setattr(Path, "is_dir", made_by_another_run_meanwhile)
    assert require_output_folder(folder) is False


def test_overlapping_runs_leave_temporary_files_where_they_exist(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv("TMPDIR", raising=False)
    first, second = Workspace(tmp_path, "1"), Workspace(tmp_path, "2")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert tempfile.tempdir == str(second.folder)
    second.__exit__(None, None, None)
    assert tempfile.tempdir is None
    assert "TMPDIR" not in os.environ


def test_a_living_runs_folder_is_never_swept(tmp_path):
    with Workspace(tmp_path, "alive") as work:
        assert sweep_stale(tmp_path) == ()
        assert work.folder.is_dir()


def test_two_runs_with_one_identifier_do_not_share_a_folder(tmp_path):
    with Workspace(tmp_path, "job") as work:
        (work.folder / "file").write_text("x")
        with pytest.raises(CantCreateError), Workspace(tmp_path, "job"):
            pass
        assert (work.folder / "file").exists()
        assert hidden(tmp_path) == [".mkiso-job"]


def test_the_folder_of_a_killed_run_is_swept(tmp_path):
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from mkiso.storage.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1]), 'dead') as work:\n"
        "    (work.folder / 'image').write_text('x')\n"
        "    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert sweep_stale(tmp_path) == ()
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert hidden(tmp_path) == [".mkiso-dead"]
    assert sweep_stale(tmp_path) == (".mkiso-dead",)
    assert hidden(tmp_path) == []


def test_what_is_no_work_folder_is_left_alone(tmp_path):
    (tmp_path / ".mkiso-state").mkdir()
    (tmp_path / ".mkiso-file").write_text("x")
    target = tmp_path / "target"
    target.mkdir()
    (target / "lock").write_text("")
    (tmp_path / ".mkiso-link").symlink_to(target)
    assert sweep_stale(tmp_path) == ()
    assert (target / "lock").exists()
    assert sweep_stale(tmp_path / "missing") == ()


def test_a_folder_in_the_making_is_swept_when_it_is_old(tmp_path):
    making = tmp_path / ".mkiso-x.new"
    making.mkdir()
    assert sweep_stale(tmp_path) == ()
    assert sweep_stale(tmp_path, now=making.stat().st_mtime + 3600) == (".mkiso-x.new",)


def test_a_missing_output_folder_is_made_when_its_parent_is_there(tmp_path):
    before = os.umask(0o077)
    try:
        assert require_output_folder(tmp_path / "new") is True
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o750
    assert require_output_folder(tmp_path / "new") is False
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(CantCreateError):
        require_output_folder(tmp_path / "a" / "b")


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CantCreateError, match="is not a folder"):
        require_output_folder(tmp_path / "file")


def test_an_output_folder_without_permission_is_refused(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.geteuid() == 0:  # root may write everywhere: be somebody else for a moment
        tmp_path.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(CantCreateError):
            require_output_folder(folder)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


def test_a_full_disk_is_the_disks_fault_and_not_the_names(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(DiskError, match="No space left"):
        require_output_folder(tmp_path)


def test_too_little_space_is_told_with_both_numbers(tmp_path):
    require_free(tmp_path, 1)
    with pytest.raises(DiskError, match="MB free and about"):
        require_free(tmp_path, free_bytes(tmp_path) + (1 << 40))


def test_a_hardened_process_makes_private_files_and_no_cores(tmp_path):
    program = (
        "import os, resource, sys\nfrom mkiso.storage.workspace import harden_process\n"
        "os.umask(0o022)\nharden_process()\nopen(sys.argv[1], 'w').close()\n"
        "print(oct(os.stat(sys.argv[1]).st_mode), resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / "file")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == "0o100600 (0, 0)\n"


def test_the_lock_is_taken_before_the_folder_has_its_name(tmp_path, monkeypatch):
    seen = []
    rename = Path.rename

    def watched(self, target):
        with (self / "lock").open() as file:
            with pytest.raises(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            seen.append(target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)
    with Workspace(tmp_path, "job"):
        assert seen == [tmp_path / ".mkiso-job"]


KILLED = """
import sys, time
from pathlib import Path
from mkiso.storage.workspace import Workspace
with Workspace(Path(sys.argv[1]), "job", resumable=True) as work:
    (work.folder / "00000001.dcm").write_text("whole")
    (work.folder / "00000002.part").write_text("half")
    (work.folder / "disc1.part").write_text("image")
    (work.folder / "viewer").mkdir()
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def left(tmp_path):
    """What a killed run left that another attempt may take over."""
    arguments = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with Workspace(tmp_path, "other", resumable=True) as other:
            assert not other.is_adopted
        with pytest.raises(CantCreateError), Workspace(tmp_path, "job", resumable=True):
            pass  # it is alive
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    return tmp_path / ".mkiso-job"


def test_another_attempt_takes_over_whole_instances_and_nothing_else(tmp_path, left):
    assert sweep_stale(tmp_path) == ()
    with Workspace(tmp_path, "job", resumable=True) as work:
        assert work.is_adopted
        assert sorted(p.name for p in work.folder.iterdir()) == [
            "00000001.dcm",
            "lock",
            "resumable",
        ]
        with pytest.raises(CantCreateError), Workspace(tmp_path, "job", resumable=True):
            pass  # locked
    assert hidden(tmp_path) == []


def test_what_was_left_is_swept_after_a_day_and_not_taken_over(tmp_path, left):
    long_ago = left.stat().st_mtime - 2 * 86400
    os.utime(left / "resumable", (long_ago, long_ago))
    with Workspace(tmp_path, "job", resumable=True) as work:
        assert not work.is_adopted
        assert not (work.folder / "00000001.dcm").exists()
    assert hidden(tmp_path) == []


def test_what_was_left_can_be_removed_at_once(tmp_path, left):
    with Workspace(tmp_path, "alive", resumable=True):
        remove_abandoned(tmp_path, "alive")
        assert hidden(tmp_path) == [".mkiso-alive", ".mkiso-job"]
    remove_abandoned(tmp_path, "job")
    assert hidden(tmp_path) == []


def test_a_folder_behind_a_link_is_not_taken_over(tmp_path, left):
    elsewhere = tmp_path / "elsewhere"
    left.rename(elsewhere)
    left.symlink_to(elsewhere)
    with pytest.raises(CantCreateError), Workspace(tmp_path, "job", resumable=True):
        pass
    assert (elsewhere / "00000001.dcm").exists()


@pytest.mark.parametrize(("error", "kept"), [(TemporaryError, True), (DiskError, False)])
def test_a_folder_stays_after_the_failures_that_another_attempt_follows(tmp_path, error, kept):
    with (
        pytest.raises(error),
        Workspace(tmp_path, "job", resumable=True, keep_after=frozenset({75})),
    ):
        raise error("as it happens")
    assert (hidden(tmp_path) == [".mkiso-job"]) is kept


@pytest.mark.fault("F62")
def test_temporary_folders_are_private_and_those_of_killed_runs_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os, signal, sys, tempfile\n"
        "from mkiso.storage.workspace import private_folder\n"
        "with private_folder('send') as folder:\n"
        "    (folder / 'IM1').write_text('a patient')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = hidden(tmp_path)
    with private_folder("send") as folder:
        assert hidden(tmp_path) == [folder.name] != [left]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert hidden(tmp_path) == []


def test_of_others_in_a_place_for_everybody_nothing_is_swept(tmp_path):
    with Workspace(tmp_path, "job"):
        pass
    (tmp_path / ".mkiso-dead").mkdir()
    (tmp_path / ".mkiso-dead" / "lock").touch()
    assert sweep_stale(tmp_path, owner=os.geteuid() + 1) == ()
    assert hidden(tmp_path) == [".mkiso-dead"]
    assert sweep_stale(tmp_path, owner=os.geteuid()) == (".mkiso-dead",)


def test_temporary_files_that_have_no_room_are_an_error_of_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(DiskError, match="temporary"), private_folder("send"):
        pass

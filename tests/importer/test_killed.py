"""SIGKILL at every step of an import: the next run finishes it and sends nothing twice."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from importing import NAME, PROJECT, stored

#: The program, which is killed before or after the n-th call of something.
KILLED = """
import importlib, os, signal, sys
when, where, count = sys.argv.pop(1), sys.argv.pop(1), int(sys.argv.pop(1))
module, _, attribute = where.partition(":")
owner = importlib.import_module(module)
*path, name = attribute.split(".")
for step in path:
    owner = getattr(owner, step)
real, calls = getattr(owner, name), 0
def wrapped(*given, **named):
    global calls
    calls += 1
    if calls == count and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*given, **named)
    if calls == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, name, wrapped)
from mkiso.cli.main import main
sys.exit(main())
"""
PLACES, ONE = "mkiso.importer.places:Places", "mkiso.importer.one_import"
LEDGER, MOVING = "mkiso.storage.import_ledger:ImportLedger", "mkiso.storage.moving"
STEPS = [
    ("before", f"{PLACES}.begin", 1),
    ("after", f"{LEDGER}.begin", 1),
    ("before", "mkiso.importer.preparing:_write", 2),
    ("after", "mkiso.importer.rejecting:move", 1),
    ("after", f"{LEDGER}.note", 2),
    ("after", f"{ONE}:deliver", 1),
    ("after", f"{PLACES}.leaving", 1),
    ("after", f"{ONE}:move", 1),
    ("after", f"{ONE}:move", 2),
    ("before", f"{LEDGER}.end", 1),
    ("after", f"{LEDGER}.end", 1),
    ("after", f"{PLACES}.end", 1),
]
#: Where the archive is on another file system, too.
STEPS_ELSEWHERE = [
    ("before", f"{MOVING}:_sync_all", 1),
    ("after", f"{MOVING}:_sync_all", 1),
    ("before", f"{MOVING}:remove", 1),
    ("after", f"{MOVING}:remove", 1),
]


def run_until_killed(inbox, when, where, count, *options):
    words = [sys.executable, "-c", KILLED, when, where, str(count), "watch", str(inbox.root),
             "--once", "--settle", "0s", "--config", str(inbox.config), *options]  # fmt: skip
    for name in inbox.nodes:
        words += ["--forward", name]
    done = subprocess.run(
        words, cwd=PROJECT, capture_output=True, text=True, timeout=90, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    inbox.check_silence(done.stdout, done.stderr)


def files_below(folder):
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(("when", "where", "count"), STEPS)
def test_killed_at_a_step_it_is_finished_by_the_next_run(inbox, when, where, count):
    check_killed(inbox, when, where, count, inbox.root / "archived")


@pytest.mark.slow
@pytest.mark.parametrize(("when", "where", "count"), STEPS_ELSEWHERE)
def test_killed_while_it_is_copied_to_another_disk_it_is_archived_once(inbox, when, where, count):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == inbox.root.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        check_killed(inbox, when, where, count, Path(folder))


def check_killed(inbox, when, where, count, root):
    archive = inbox.archive()
    folder = inbox.put(count=4)
    (folder / "notes.txt").write_text("no DICOM")
    before = files_below(folder)
    run_until_killed(inbox, when, where, count, "--archive-to", str(root))
    code, report = inbox.once("--archive-to", root)
    assert code in (0, 65), report
    (kept,) = root.glob(f"*/{NAME}")
    rejected = files_below(inbox.root / "rejected")
    assert files_below(kept) | (rejected & before) == before
    assert b"no DICOM" in rejected
    assert archive.contents.instances == 4
    assert all(ds.PatientID == "90210" for ds in stored(inbox.folder / "pacs-files").values())
    jobs = inbox.ledger()["jobs"]
    assert [job["state"] for job in jobs if job["state"] not in ("done", "failed")] == []
    work = inbox.root / ".mkiso-watch"
    assert {path.name for path in work.iterdir()} <= {"lock", "clock", "leaving"}
    assert [path for path in work.rglob("*") if path.parent != work] == []
    assert not (inbox.root / NAME).exists()

"""Runs that are killed at every stage, as programs; cron's environment; runs at the same time."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import pytest
from batch_runs import codes
from cli_schema import SCHEMA

from mkiso.core.batch_rules import BatchPolicy
from mkiso.storage import job_book
from mkiso.storage.ledger_access import LedgerFile
from mkiso.storage.workspace import sweep_stale

#: A program that hangs when a stage of the first job begins, until it is killed.
HANGING = """
import sys, threading, time
import mkiso.pipeline as pipeline
from mkiso.stages import author, find, forward, publish, retrieve, verify, write
stage = sys.argv.pop(1)
module = sys.modules[f"mkiso.stages.{stage}"]
real = module.run
def hang(*given, **named):
    result = real(*given, **named) if stage in ("find", "retrieve", "write") else None
    print("HANGING", file=sys.stderr, flush=True)
    time.sleep(60)
    return result
module.run = hang
from mkiso.cli.main import main
sys.exit(main())
"""


class Programs:
    """Batches as programs."""

    def __init__(self, lab):
        self.lab = lab
        self.running = []

    def start(self, text, *arguments, program=("-m", "mkiso"), env=None, stdin=None):
        listed = self.lab.folder / "list.txt"
        listed.write_text(text)
        options = [
            "--archive", f"ABPACS@127.0.0.1:{self.lab.archive_port}",
            "--receiver", f"CDRECORD@127.0.0.1:{self.lab.port}", "--output", str(self.lab.output),
            "--viewer", "none", "--set", f"state.folder={self.lab.folder / 'state'}",
            "--set", "job.minimum_free=0", "--first-pause", "0.1",
        ]  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, *program, "batch", str(listed), *options, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            env=dict(os.environ) if env is None else env, cwd="/",
        )  # fmt: skip
        self.running.append(process)
        return process

    def run(self, text, *arguments, **options):
        process = self.start(text, *arguments, **options)
        stdout, stderr = process.communicate(timeout=90)
        return process.returncode, stdout.decode(), stderr.decode()

    def jobs(self):
        file = LedgerFile(self.lab.folder / "state" / "ledger.sqlite3")
        try:
            return job_book.list_jobs(file)
        finally:
            file.close()


@pytest.fixture
def programs(lab):
    made = Programs(lab)
    yield made
    for process in made.running:
        process.kill()
        process.communicate()


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("never")


def discs(lab):
    return sorted(path.name for path in lab.output.glob("*.iso"))


STAGES = ["find", "retrieve", "author", "write", "verify", "publish"]


@pytest.mark.fault("F62")
@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_at_a_stage_is_gone_on_with(lab, programs, stage):
    process = programs.start("A1\nA2\n", program=("-c", HANGING, stage))
    said = []
    while b"HANGING\n" not in said:
        said.append(process.stderr.readline())
        assert said[-1], said  # it ended before
    if stage != "find":  # what came is written down a moment later
        file = LedgerFile(lab.folder / "state" / "ledger.sqlite3")
        arrived = 3 if stage == "retrieve" else 6  # the second is retrieved beside the first's end
        wait_until(lambda: file.rows("SELECT COUNT(*) FROM instances") == [(arrived,)])
        file.close()
    process.kill()
    process.communicate()
    assert discs(lab) == []
    before = len(lab.archive.moves)
    code, stdout, stderr = programs.run("A1\nA2\n")
    assert (code, stdout, stderr) == (0, "", "")
    assert discs(lab) == ["A1.iso", "A2.iso"]
    assert list(lab.output.glob(".mkiso-*")) == []
    first = {uid for move in lab.archive.moves[:before] for uid in move.uids}
    again = {uid for move in lab.archive.moves[before:] for uid in move.uids}
    assert not first & again
    assert max(job["attempts"] for job in programs.jobs()) == 2


def killed_with_two_instances(lab, programs):
    """Kill a run that has two of three instances and has written them down; return its folder."""
    sent = threading.Event()
    lab.archive.on_move = lambda move: (
        move.send(move.instances[:2]), sent.set(), lab.archive.released.wait(60),
    )  # fmt: skip
    process = programs.start("A1\n")
    assert sent.wait(60)
    file = LedgerFile(lab.folder / "state" / "ledger.sqlite3")
    wait_until(lambda: file.rows("SELECT COUNT(*) FROM instances")[0][0] == 2)
    file.close()
    process.kill()
    process.communicate()
    (work,) = lab.output.glob(".mkiso-*")
    return work


def test_half_a_study_that_a_killed_run_has_is_not_asked_for_again(lab, programs):
    work = killed_with_two_instances(lab, programs)
    here = set(lab.archive.moves[-1].uids[:2])
    assert len(list(work.glob("*.dcm"))) == 2
    assert sweep_stale(lab.output) == ()  # kept for the next attempt
    lab.archive.on_move = None
    assert programs.run("A1\n")[0] == 0
    asked = lab.archive.moves[-1]
    assert (asked.level, len(asked.uids)) == ("IMAGE", 1)
    assert not here & set(asked.uids)


@pytest.mark.parametrize("harm", ["byte", "shorter", "other uid", "link", "gone"])
def test_a_file_that_is_not_what_was_written_down_is_asked_for_again(lab, programs, harm):
    work = killed_with_two_instances(lab, programs)
    victim, other = sorted(work.glob("*.dcm"))
    if harm == "byte":
        content = bytearray(victim.read_bytes())
        content[-1] ^= 1
        victim.write_bytes(content)
    elif harm == "shorter":
        victim.write_bytes(victim.read_bytes()[:-2])
    elif harm == "other uid":  # a ledger that is wrong
        file = LedgerFile(lab.folder / "state" / "ledger.sqlite3")
        with file.transaction() as connection:
            connection.execute(
                "UPDATE instances SET sop_class_uid = '1.2' WHERE file_name = ?", (victim.name,)
            )
        file.close()
    elif harm == "link":
        victim.rename(lab.folder / "elsewhere.dcm")
        victim.symlink_to(lab.folder / "elsewhere.dcm")
    else:
        victim.unlink()
    lab.archive.on_move = None
    assert programs.run("A1\n")[0] == 0
    assert len(lab.archive.moves[-1].uids) == 2
    assert other.name == "00000002.dcm"
    assert discs(lab) == ["A1.iso"]


@pytest.mark.fault("F78")
def test_a_second_cron_run_ends_at_once_with_75(lab, programs):
    reached = threading.Event()
    lab.archive.on_move = lambda move: (reached.set(), lab.archive.released.wait(60))
    programs.start("A1\n")
    assert reached.wait(60)
    began = time.monotonic()
    code, stdout, stderr = programs.run("A1\n")
    assert (code, stdout) == (75, "")
    assert len(stderr.splitlines()) == 1
    assert "Another batch is running" in stderr
    assert time.monotonic() - began < 30  # the first one goes on for a minute


def test_a_terminated_run_leaves_the_rest_and_its_folder_clean(lab, programs):
    reached = threading.Event()
    lab.archive.on_move = lambda move: (reached.set(), lab.archive.released.wait(60))
    process = programs.start("A1\nA2\n")
    assert reached.wait(60)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (143, b"")
    assert len(stderr.splitlines()) == 1
    assert list(lab.output.glob(".mkiso-*")) == []
    lab.archive.on_move = None
    assert programs.run("A1\nA2\n")[0] == 0


@pytest.mark.fault("F79")
def test_an_empty_environment_and_the_c_locale_are_enough(lab, programs):
    for env in ({}, {"LANG": "C", "LC_ALL": "C", "PATH": "/usr/bin:/bin"}):
        code, stdout, stderr = programs.run("A1\n한국\n", env=env)
        assert (code, stdout) == (66, "")
        assert len(stderr.splitlines()) == 1
        assert "line 2, 한국: " in stderr


def test_without_a_state_folder_the_ledger_is_beside_the_discs(lab, programs):
    listed = lab.folder / "l"
    listed.write_text("A1\n")
    done = subprocess.run(
        [
            sys.executable, "-m", "mkiso", "batch", "-", "--viewer", "none",
            "--archive", f"ABPACS@127.0.0.1:{lab.archive_port}",
            "--receiver", f"CDRECORD@127.0.0.1:{lab.port}", "--output", str(lab.output),
        ],
        input=b"A1\n", env={}, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    places = [lab.output / ".mkiso-state", Path("/var/lib/mkiso")]
    assert any((place / "ledger.sqlite3").exists() for place in places)


def test_json_is_one_object_and_the_summary_is_harmless(lab, programs, tmp_path):
    summary = tmp_path / "night.csv"
    code, stdout, _ = programs.run("A1\n=1+1\n-5\n", "--json", "--summary", str(summary))
    report = json.loads(stdout)
    assert (code, report["code"], report["command"]) == (66, 66, "batch")
    assert [job["code"] for job in report["jobs"]] == [0, 66, 66]
    text = summary.read_text()
    assert len(text.splitlines()) == 4
    for row in text.splitlines()[1:]:
        assert not any(cell.strip('"').startswith(("=", "-", "+", "@")) for cell in row.split(","))
    assert json.loads(summary.with_suffix(".json").read_text())["jobs"] == report["jobs"]


def test_the_commands_about_jobs(lab, programs):
    programs.run("A1\nNONE\n")
    options = ["--jobs-db", str(lab.folder / "state" / "ledger.sqlite3"),
               "--set", f"state.folder={lab.folder / 'state'}"]  # fmt: skip

    def mkiso(*words):
        done = subprocess.run(
            [sys.executable, "-m", "mkiso", *words, *options],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        if "--json" in words:
            jsonschema.validate(json.loads(done.stdout), SCHEMA)
        return done.returncode, done.stdout, done.stderr

    code, stdout, _ = mkiso("jobs", "--json")
    jobs = json.loads(stdout)["answer"]["jobs"]
    assert (code, sorted(job["state"] for job in jobs)) == (0, ["done", "failed"])
    done, failed = (job["job"] for job in sorted(jobs, key=lambda job: job["state"]))
    code, stdout, _ = mkiso("jobs")
    assert len(stdout.splitlines()) == 2
    shown = json.loads(mkiso("jobs", "show", done, "--json")[1])["answer"]["job"]
    assert shown["instances"] == {"received": 3}
    assert set(shown["attempts"][0]["seconds"]) >= {"find", "retrieve", "write", "verify"}
    assert "66 NOT_FOUND" in mkiso("jobs", "show", failed)[1]
    assert mkiso("jobs", "show", "nobody")[0] == 66
    assert mkiso("jobs", "cancel", done)[0] == 64
    assert mkiso("jobs", "cancel", failed)[0] == 0
    assert mkiso("jobs", "retry", failed)[0] == 0
    status = json.loads(mkiso("status", failed, "--json")[1])["answer"]["job"]
    assert status["state"] == "waiting"
    status = json.loads(mkiso("status", done, "--json")[1])["answer"]["job"]
    assert (status["state"], status["report"]["code"]) == ("done", 0)
    assert mkiso("status", "../../etc/passwd")[0] == 64
    assert mkiso("jobs", "purge", "--older-than", "1h")[1] == "0 jobs were forgotten.\n"
    assert mkiso("jobs", "purge", "--older-than", "0s")[1] == "1 job was forgotten.\n"
    assert mkiso("jobs", "purge", "--older-than", "soon")[0] == 64


def test_status_of_a_running_and_of_a_killed_job(lab, programs):
    reached = threading.Event()
    lab.archive.on_move = lambda move: (
        move.send(move.instances[:2]), reached.set(), lab.archive.released.wait(60),
    )  # fmt: skip
    process = programs.start("A1\n")
    assert reached.wait(60)
    (job,) = programs.jobs()

    def status():
        done = subprocess.run(
            [sys.executable, "-m", "mkiso", "status", job["job"], "--json",
             "--set", f"state.folder={lab.folder / 'state'}"],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout)["answer"]["job"]

    deadline = time.monotonic() + 60
    while (now := status())["progress"]["stage"] == "find":  # news come a few times a second
        assert time.monotonic() < deadline
    assert (now["state"], now["progress"]["stage"]) == ("running", "retrieve")
    process.kill()
    process.communicate()
    assert status()["state"] == "died"


def test_the_policy_of_a_run_is_what_its_options_say(runs):
    runs.policy = BatchPolicy(first_pause_seconds=0.0)
    assert codes(runs.run("A1\n")) == [0]


def test_a_summary_that_cannot_be_written_is_told_before_the_work(lab, programs, tmp_path):
    code, _, stderr = programs.run("A1\n", "--summary", str(tmp_path / "missing" / "n.csv"))
    assert (code, len(stderr.splitlines())) == (73, 1)
    assert lab.archive.moves == []


def test_a_summary_that_fails_in_the_end_does_not_hide_the_discs(lab, programs, tmp_path):
    (tmp_path / "n.csv").mkdir()
    code, stdout, stderr = programs.run("A1\n", "--json", "--summary", str(tmp_path / "n.csv"))
    assert (code, len(stderr.splitlines())) == (73, 1)
    assert json.loads(stdout)["jobs"][0]["code"] == 0
    assert discs(lab) == ["A1.iso"]


def test_a_pass_phrase_that_can_be_read_once_is_refused(lab, programs):
    code, _, stderr = programs.run("A1\n", "--encrypt", "fd:0")
    assert code == 64
    assert "give --encrypt a file" in stderr

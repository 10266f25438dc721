"""Whole runs as programs: signals at each stage, two runs at once, a killed one."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time

import pytest
from scripted_peer import ScriptedPeer, raw_peer, wait_for

from mkiso.errors import InterruptedJobError, TerminatedJobError
from mkiso.network.port_lock import PortLock

UIDS = {f"1.2.3.1.{n}" for n in (1, 2, 3, 4)}


class Program:
    """A running `mkiso make`."""

    def __init__(self, lab, *arguments):
        self.lab = lab
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "mkiso", "make", "A1", "--json", "--progress", "json",
                "--archive", f"ABPACS@127.0.0.1:{lab.archive_port}",
                "--receiver", f"CDRECORD@127.0.0.1:{lab.port}",
                "--output", str(lab.output), *arguments,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env={**os.environ, "XDG_STATE_HOME": str(lab.folder / "xdg")},
        )  # fmt: skip

    def wait_for_line(self, text, seconds=60):
        """Wait until stderr has a line with `text`."""
        end, seen = time.monotonic() + seconds, b""
        while time.monotonic() < end:
            if select.select([self.process.stderr], [], [], 0.1)[0]:
                seen += os.read(self.process.stderr.fileno(), 65536)
                if text.encode() in seen:
                    return
        raise AssertionError(f"{text!r} is not in {seen!r}")

    def end(self):
        """Return the exit code and the report."""
        stdout, stderr = self.process.communicate(timeout=60)
        assert b"Traceback" not in stderr
        return self.process.returncode, json.loads(stdout)

    def stop(self, number):
        """Send a signal; return code, report and how long it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return *self.end(), time.monotonic() - began


@pytest.fixture
def start(lab, archive):
    """Start a program; what is still running at the end is killed."""
    programs = []

    def started(*arguments):
        programs.append(Program(lab, *arguments))
        return programs[-1]

    yield started
    for program in programs:
        program.process.kill()
        program.process.communicate()


def clean(lab, *, discs=0):
    assert len(list(lab.output.glob("*.iso"))) == discs
    assert [p.name for p in lab.output.glob(".mkiso-*")] == []
    lab.check_free()


def wait(event, archive):
    """Note that it was reached, and hang until the test ends."""
    event.set()
    archive.released.wait(30)


SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]


@pytest.mark.fault("F61")
@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["TERM", "INT"])
def test_a_signal_in_find(lab, archive, start, number, code):
    reached = threading.Event()
    archive.on_find = lambda level, answers: wait(reached, archive) or answers
    program = start()
    assert reached.wait(60)
    ended, report, seconds = program.stop(number)
    assert (ended, report["code"], report["discs"]) == (code, code, [])
    assert seconds < 20
    clean(lab)


@pytest.mark.fault("F61")
@pytest.mark.parametrize(
    ("number", "code", "arrived"),
    [(signal.SIGTERM, 143, 0), (signal.SIGINT, 130, 2)],
    ids=["TERM at the start", "INT in the middle"],
)
def test_a_signal_in_retrieve(lab, archive, start, number, code, arrived):
    reached = threading.Event()
    archive.on_move = lambda move: (move.send(move.instances[:arrived]), wait(reached, archive))
    program = start()
    assert reached.wait(60)
    ended, report, seconds = program.stop(number)
    assert (ended, report["code"], report["discs"]) == (code, code, [])
    assert report["received"] == arrived
    assert seconds < 20
    clean(lab)


def test_a_signal_while_the_archive_is_silent_in_the_negotiation(lab, start):
    reached = threading.Event()

    def silent(connection):
        reached.set()
        while connection.recv(1 << 16):
            pass

    with raw_peer(silent) as port:
        lab.archive_port = port
        program = start()
        assert reached.wait(60)
        ended, report, seconds = program.stop(signal.SIGTERM)
    assert (ended, report["code"]) == (143, 143)
    assert seconds < 20  # the negotiation has 30 s
    clean(lab)


@pytest.mark.fault("F61")
def test_a_signal_while_waiting_for_the_port(lab, archive, start):
    lock = PortLock(lab.port)
    lock.acquire(0)
    try:
        program = start()
        program.wait_for_line("Another run of mkiso")
        code, report, seconds = program.stop(signal.SIGTERM)
    finally:
        lock.release()
    assert (code, report["code"]) == (143, 143)
    assert seconds < 20
    assert archive.moves == []
    clean(lab)


@pytest.mark.fault("F61")
def test_a_signal_in_forward_leaves_the_disc(lab, archive, start):
    with ScriptedPeer(lambda peer, association: peer.hang(), syntaxes=None) as backup:
        program = start("--forward", f"ABPACS@127.0.0.1:{backup.node().port}")
        wait_for(lambda: backup.associations)
        code, report, seconds = program.stop(signal.SIGTERM)
    assert (code, len(report["discs"])) == (143, 1)
    assert "finished already" in report["message"]
    assert len(report["forwarded"][0]["failed"]) == 4
    assert seconds < 20
    clean(lab, discs=1)


@pytest.mark.fault("F61")
@pytest.mark.parametrize("error", [TerminatedJobError, InterruptedJobError])
@pytest.mark.parametrize("stage", ["find", "retrieve", "write", "verify"])
def test_a_stop_in_any_stage_leaves_nothing(lab, archive, stage, error):
    reached = []

    def progress(now):
        if now.stage == stage:
            reached.append(now)

    def require_running():
        if reached:
            raise error("Stopped; nothing was published.")

    result = lab.make(surroundings={"progress": progress, "require_running": require_running})
    assert (result.code, result.discs) == (error.code, [])
    again = lab.make()
    assert again.on_disc == UIDS


@pytest.mark.fault("F64")
@pytest.mark.slow
def test_a_second_run_waits_and_finds_the_disc(lab, archive, start):
    reached, waited_for = threading.Event(), threading.Event()

    def slowly(move):
        reached.set()
        waited_for.wait(60)
        move.normally()

    archive.on_move = slowly
    first = start()
    assert reached.wait(60)
    second = start()
    second.wait_for_line("Another run of mkiso")
    waited_for.set()
    code, report = first.end()
    assert (code, report["discs"][0]["instances"]) == (0, 4)
    code, report = second.end()
    assert code == 0
    assert "exists already" in report["message"]
    clean(lab, discs=1)


@pytest.mark.fault("F64")
@pytest.mark.slow
def test_a_second_run_that_may_not_wait_is_75(lab, archive, start):
    reached = threading.Event()
    archive.on_move = lambda move: wait(reached, archive)
    first = start()
    assert reached.wait(60)
    code, report = start("--lock-wait", "0").end()
    assert (code, report["retry"]) == (75, "yes")
    first.stop(signal.SIGTERM)
    clean(lab)


@pytest.mark.fault("F62")
def test_what_a_killed_run_left_is_swept_by_the_next(lab, archive, start):
    reached = threading.Event()
    archive.on_move = lambda move: (move.send(move.instances[:2]), wait(reached, archive))
    program = start()
    assert reached.wait(60)
    program.process.kill()
    program.process.communicate()
    assert [p.name for p in lab.output.glob(".mkiso-*")] != []
    archive.on_move = None
    result = lab.make()
    assert result.code == 0
    assert result.on_disc == UIDS

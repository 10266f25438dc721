import signal
import subprocess
import time
from pathlib import Path

import pytest
from scripted_peer import wait_for


def start(command, **more):
    process = subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    for line in process.stderr:
        if line.startswith(b"job: "):
            return process
    raise AssertionError(process.wait(30))


def catches(pid, number):
    """Whether a program has its own way with a signal."""
    lines = Path("/proc", str(pid), "status").read_text().splitlines()
    (caught,) = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return int(caught, 16) >> (number - 1) & 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_ends_the_job_with_its_code_and_a_report(number, code, fake_command, the_report):
    with start(fake_command("make", "A1", "--json", seconds=30)) as process:
        process.send_signal(number)
        assert process.wait(30) == code
        assert the_report(process.stdout.read())["code"] == code


def test_a_second_signal_ends_a_run_that_does_not_listen(fake_command):
    with start(fake_command("make", "A1", seconds=30, deaf=True)) as process:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
        process.send_signal(signal.SIGTERM)  # a shell's echo of the first
        time.sleep(0.7)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143


def test_a_signal_before_the_job_begins_ends_at_once(fake_command, the_report):
    command = fake_command("make", "--stdin", "--json")
    with subprocess.Popen(
        **command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        wait_for(lambda: catches(process.pid, signal.SIGTERM))
        time.sleep(1.0)  # it is reading stdin now
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
        assert the_report(process.stdout.read())["code"] == 143


def test_a_signal_that_the_caller_ignores_is_ignored(fake_command):
    command = fake_command("make", "A1", seconds=1)
    command["args"] = ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command["args"]]
    with start(command) as process:
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0


def test_a_thread_that_hangs_does_not_keep_a_finished_run(fake_command):
    with start(fake_command("make", "A1", thread=True)) as process:
        assert process.wait(30) == 0
        assert b"/discs/A.iso" in process.stdout.read()

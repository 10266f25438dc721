"""SIGKILL while four associations send: what was answered with success is there, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from cli_schema import CHECKOUT
from toolbox_lab import data_sets, send
from whole_jobs import instance, save


@pytest.fixture
def run(lab):
    """Start `receive` or `archive` on the laboratory's port, into the folder `in`."""
    folder = lab.folder / "in"
    folder.mkdir()
    lab.name("pacs", lab.receiver_port)
    more = ["--config", str(lab.config), "--quiet", "3", "--json", "--output", str(folder)]
    commands = {
        "receive": ["receive", *more],
        "archive": [
            *("archive", str(folder)),
            *("--aet", "CDRECORD", "--port", str(lab.receiver_port)),
        ],
    }
    running = []

    def start(kind):
        process = subprocess.Popen(
            [sys.executable, "-m", "mkiso", *commands[kind]],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=lab.folder,
        )  # fmt: skip
        running.append(process)
        lines = process.stderr if kind == "receive" else process.stdout
        return process, next(line for line in lines if "listening" in line)

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["receive", "archive"])
def test_nothing_that_was_answered_with_success_is_missing(lab, run, kind):
    sources = lab.folder / "sources"
    for n in range(1, 401):
        save(sources, str(n), instance("1.2.9", 1, n))
    folder = lab.folder / "in"
    process, _ = run(kind)
    statuses = {}
    sender = threading.Thread(
        target=lambda: statuses.update(send(lab.receiver_port, sources, associations=4))
    )
    sender.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and sum(1 for _ in folder.rglob("*.dcm")) < 40:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    sender.join(120)
    taken = {uid for uid, status in statuses.items() if status == 0}
    assert len(taken) >= 30
    process, line = run(kind)
    here = data_sets(folder)
    assert taken <= set(here)
    assert here.items() <= data_sets(sources).items()
    assert not list(folder.rglob("*.part"))
    if kind == "archive":
        assert f"{len(here)} instances of 1 studies" in line
    else:
        assert json.loads(process.stdout.readline())["instances"] == len(here)

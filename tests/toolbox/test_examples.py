"""Every example of a help text, run as it stands."""

import base64
import contextlib
import importlib
import json
import os
import shlex
import signal
import subprocess
import sys

import pytest
from cli_schema import CHECKOUT
from toolbox_lab import ITEMS, make_people
from whole_jobs import free_port, instance, save

from mkiso.archive.server import Extras
from mkiso.cli.main import COMMANDS

#: Run until they are stopped.
LASTING = {"receive", "archive", "watch"}
#: Examples of these are not to be run without an afternoon's time, or have tests of their own.
ELSEWHERE = {"demo", "burn", "import-disc"}


def module_of(name):
    return importlib.import_module(f"mkiso.cli.commands.{name.replace('-', '_')}")


EXAMPLES = [
    (name, example)
    for name in COMMANDS
    if name not in ELSEWHERE
    for example in getattr(module_of(name), "EXAMPLES", ())
]
EXAMPLES = [(name, example) for name, example in EXAMPLES if " batch " not in example]


@pytest.fixture
def site(lab, monkeypatch):
    """The nodes, files and folders that the examples speak of, in the current folder."""
    people = make_people(lab.folder / "images")
    save(people, "a2", instance("1.2.6", PatientName='Doe, "JD"^Jane', PatientID="P1",
                                AccessionNumber="A2b"))  # fmt: skip
    orders, steps, backup = (lab.folder / name for name in ("orders", "steps", "backup-files"))
    for folder in (orders, steps, backup):
        folder.mkdir()
    (orders / "a.json").write_text(json.dumps(ITEMS))
    extras = Extras(worklist_folder=orders, steps_folder=steps)
    backup_archive = lab.archive("backup", folder=backup, ae_title="BACKUP")
    lab.nodes.clear()
    destinations = {"BACKUP": ("127.0.0.1", backup_archive.port)}
    lab.archive("pacs", folder=people, destinations=destinations, extras=extras)
    lab.name("backup", backup_archive.port, "BACKUP")
    lab.name("ris", lab.nodes["pacs"]["port"])
    lab.name("abpacs", lab.nodes["pacs"]["port"])
    (lab.folder / "list.csv").write_text("PatientID,StudyDate\nP1,20260131\n")
    (lab.folder / "ids.csv").write_text('PatientID,Pseudonym\nP1,X1\n"P,2",X2\n')
    (lab.folder / "site.key").write_text(base64.b64encode(bytes(range(32))).decode())
    (lab.folder / "import").mkdir()
    monkeypatch.setenv("MKISO_CONFIG", str(lab.config))
    return lab


def prepared(site, example):
    """Make what an example needs besides."""
    if "disc.iso" in example:
        done = site.run("make", "A1", "--name", "disc", "--output", site.folder, "--viewer", "none")
        assert done.code == 0, done.err
    if "2.25.1 " in example:
        assert site.run("mpps", "ris", "start", "--step-id", "S1", "--uid", "2.25.1").code == 0
    here = {"/dicom/": f"{site.folder}/", "/srv/discs": f"{site.folder}/discs"}
    for folder, ours in here.items():
        example = example.replace(folder, ours)
    return shlex.split(example)[1:]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[e for _, e in EXAMPLES])
def test_the_example_runs(site, name, example):
    words = prepared(site, example)
    if name in LASTING and "--once" not in words:
        runs_until_stopped(site, words)
        return
    done = site.run(*words)
    assert done.code == 0, done.err


def runs_until_stopped(site, words):
    if words[0] == "archive":
        words += ["--port", str(free_port())]
    if "--exec" in words:
        words[words.index("--exec") + 1] = "/bin/cat"
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "mkiso", *words]
    with subprocess.Popen(
        command, env=environ, cwd=site.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        with contextlib.closing(process.stdout) as lines:
            assert any("listening" in line or "Watching" in line for line in lines)
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0

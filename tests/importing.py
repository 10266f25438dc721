"""A watched folder, destinations, and the importer: in this process, or as the program."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pydicom
from toolbox_lab import free_port
from whole_jobs import instance, save

from mkiso.archive.server import EmbeddedArchive

PROJECT = Path(__file__).resolve().parent.parent
#: Whose folders they are, and who must be in no log, ledger or line.
NAME = "#90210-Quux^Zebulon"
SECRETS = ("90210", "Quux", "Zebulon", "PIDQ77", "19330517", "홍길동")


class Inbox:
    """`folder/in` is watched; nodes are added by name."""

    def __init__(self, folder, stack):
        self.folder = folder
        self.root = folder / "in"
        self.root.mkdir()
        self.state = folder / "state"
        self.config = folder / "mkiso.toml"
        self.nodes = {}
        self.watch = {}
        self._stack = stack
        self._write()

    def archive(self, name="pacs", **options):
        """Start an embedded archive and name it."""
        folder = self.folder / f"{name}-files"
        folder.mkdir(exist_ok=True)
        made = self._stack.enter_context(EmbeddedArchive(folder, **options))
        self.node(name, made.port)
        return made

    def node(self, name, port, ae_title="ABPACS", **more):
        self.nodes[name] = {"ae_title": ae_title, "host": "127.0.0.1", "port": port, "retries": 0,
                            "connect_timeout": 3.0, **more}  # fmt: skip
        self._write()

    def away(self, name="away"):
        """Name a node that nobody answers for."""
        self.node(name, free_port())

    def configure(self, **watch):
        self.watch.update(watch)
        self._write()

    def _write(self):
        lines = [f'[state]\nfolder = "{self.state}"', "[receiver]", f"port = {free_port()}"]
        lines += ["[watch]", *(f"{key} = {json.dumps(value)}" for key, value in self.watch.items())]
        for name, values in self.nodes.items():
            lines.append(f"[nodes.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def put(self, name=NAME, count=3, study="1.2.3", **more):
        """Put a folder of instances there, as if it had been there for a while."""
        folder = self.root / name
        for n in range(1, count + 1):
            save(folder, f"series/{n}.dcm", instance(study, 1, n, **more))
        return folder

    def start(self, *options, settle="0.5s", as_root=True):
        """Start the program; not `as_root`: as one whom permissions hold for."""
        words = [sys.executable, "-m", "mkiso", "watch", str(self.root), "--settle", settle]
        words += ["--config", str(self.config), *map(str, options)]
        for name in self.nodes if "--forward" not in options else ():
            words += ["--forward", name]
        if not as_root and not os.geteuid():
            rights = "-dac_override,-dac_read_search"
            words = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *words]
        return subprocess.Popen(
            words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip

    def once(self, *options, settle="0s", as_root=True):
        """Run with --once; return exit code and report."""
        process = self.start("--once", "--json", *options, settle=settle, as_root=as_root)
        out, err = process.communicate(timeout=90)
        report = json.loads(out)
        assert report["code"] == process.returncode
        self.check_silence(out, err)
        return process.returncode, report

    def ledger(self, *words):
        """Run `mkiso jobs`."""
        done = subprocess.run(
            [sys.executable, "-m", "mkiso", "jobs", *words, "--json", "--config", str(self.config)],
            cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)["answer"]

    def archived(self, name=NAME):
        """Return the archived folders of that name."""
        return sorted((self.root / "archived").glob(f"*/{name}"))

    def rejected(self):
        """Return relative path to content of every reason file."""
        root = self.root / "rejected"
        return {
            str(path.relative_to(root)).split("/", 1)[1]: path.read_text()
            for path in root.rglob("*.reason.txt")
        }

    def check_silence(self, *texts):
        """Nobody is named in what is printed, logged and kept."""
        kept = [path.read_bytes().decode("utf-8", "replace") for path in self.state.rglob("*")
                if path.is_file()]  # fmt: skip
        for text in (*texts, *kept):
            for secret in SECRETS:
                assert secret not in text


def stored(folder):
    """SOP Instance UID to the data set of every file of an archive."""
    found = {}
    for path in Path(folder).rglob("*"):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            ds = pydicom.dcmread(path)
            found[str(ds.SOPInstanceUID)] = ds
    return found


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err

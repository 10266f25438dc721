"""Whole runs of the program with faults below it: calls that fail, signals, a log of what it wrote.

The runs are children of one process that has everything imported (`brood.py`), preloaded with
`faulty_calls.c` where there is a C compiler.
"""

import dataclasses
import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mkiso

HERE = Path(__file__).resolve().parent
PROJECT = Path(mkiso.__file__).resolve().parent.parent

# as in faulty_calls.c
WRITE, FLUSH, NAME, CREATE, READ, REMOVE, CLOSE, OPEN, RESERVE, MODE, LINK, LOCK = (
    1 << n for n in range(12)
)
CHANGE = WRITE | FLUSH | NAME | CREATE | REMOVE | RESERVE | MODE | LINK
NAMES = {
    WRITE: "write", FLUSH: "fsync", NAME: "rename", CREATE: "create", READ: "read",
    REMOVE: "remove", CLOSE: "close", OPEN: "open", RESERVE: "reserve", MODE: "mode",
    LINK: "link", LOCK: "lock",
}  # fmt: skip


def compile_faulty_calls(folder: Path) -> Path | None:
    """Return the library, None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = folder / "faulty_calls.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), "faulty_calls.c", "-ldl"]
    subprocess.run(command, cwd=HERE, check=True, capture_output=True)
    return library


@dataclasses.dataclass
class Ended:
    """How a run ended. `code` is negative for a signal that killed it."""

    code: int
    stdout: str
    stderr: str
    calls: int = 0
    trace: tuple = ()

    @property
    def report(self) -> dict:
        (line,) = self.stdout.splitlines()
        return json.loads(line)


class Brood:
    """Starts runs of the program, one at a time."""

    def __init__(self, folder: Path, library: Path | None):
        self._folder = folder
        self._numbers = itertools.count()
        self._modules = ["mkiso.cli.main"]
        self.library = library
        self._process = None

    def start(self, arguments, environment):
        """Import what one run of the program imports, and be ready."""
        self._begin()
        report = self._folder / "modules.json"
        self.run(arguments, environment, report_modules=str(report))
        self._modules += json.loads(report.read_text())
        self.stop()
        self._begin()

    def _begin(self):
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        if self.library:
            environment["LD_PRELOAD"] = str(self.library)
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "brood.py"), json.dumps(self._modules)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True,
        )  # fmt: skip
        assert self._process.stdout.readline() == "{}\n"

    def stop(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait(30)
            self._process = None

    def begin(self, arguments, environment, **order):
        """Start a run; its process id."""
        self._number = next(self._numbers)
        self._out = self._folder / f"{self._number}.out"
        self._err = self._folder / f"{self._number}.err"
        order |= {
            "arguments": arguments,
            "environment": environment,
            "stdout": order.get("stdout", str(self._out)),
            "stderr": order.get("stderr", str(self._err)),
        }
        self._order = order
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())["pid"]

    def end(self) -> Ended:
        """Wait for its end."""
        code = json.loads(self._process.stdout.readline())["code"]
        ended = Ended(code, _text(self._out), _text(self._err))
        if self._order.get("calls"):
            ended.calls = int(_text(Path(self._order["calls"])))
        if self._order.get("trace"):
            lines = _text(Path(self._order["trace"])).splitlines()
            ended.trace = tuple(tuple(line.split("\t")) for line in lines)
        for path in (self._out, self._err):
            path.unlink(missing_ok=True)
        return ended

    def run(self, arguments, environment, **order) -> Ended:
        self.begin(arguments, environment, **order)
        return self.end()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


class Site:
    """A laboratory whose jobs are runs of the program."""

    def __init__(self, lab, brood: Brood):
        self.lab, self.brood = lab, brood
        self.state = lab.folder / "xdg"
        self.environment = {"XDG_STATE_HOME": str(self.state), "TMPDIR": str(lab.folder)}
        self.viewer = "none"  # it starts processes, which most faults have nothing to do with

    def forget(self):
        """Begin anew: nothing made, nothing written down, an archive that behaves."""
        for folder in (self.lab.output, self.state):
            shutil.rmtree(folder, ignore_errors=True)
        archive = self.lab.archive
        archive.on_move = archive.on_find = None
        archive.moves.clear()

    def arguments(self, *more, output=None):
        lab = self.lab
        return [
            "make", "A1", "--json",
            "--archive", f"ABPACS@127.0.0.1:{lab.archive_port}",
            "--receiver", f"CDRECORD@127.0.0.1:{lab.port}",
            "--output", str(output or lab.output),
            "--stall-timeout", "3", "--deadline", "30",
            "--set", "job.first_instance_timeout=3", "--set", "job.quiet_period=0.2",
            "--set", "job.minimum_free=0", "--viewer", self.viewer, *more,
        ]  # fmt: skip

    def run(self, *more, output=None, **order) -> Ended:
        return self.brood.run(self.arguments(*more, output=output), self.environment, **order)

    def begin(self, *more, **order) -> int:
        return self.brood.begin(self.arguments(*more), self.environment, **order)

    def count(self, kinds, folder, *more) -> int:
        """How many calls of these kinds a good run makes below a folder."""
        place = self.lab.folder / "count"
        arm = {"kinds": kinds, "nth": 0, "errno": 0, "sticky": 0, "folder": str(folder)}
        ended = self.run(*more, arm=arm, calls=str(place))
        assert ended.code == 0, (ended.stdout, ended.stderr)
        return ended.calls

    def stop_at(self, kinds, nth, number, *more, folder) -> Ended:
        """Run with a signal to itself at the nth call."""
        return self.fail(kinds, nth, -number, *more, folder=folder)

    def trace(self, kinds, folder, *more) -> Ended:
        """Run and write down every call: kind, path, second path."""
        place = self.lab.folder / "trace"
        place.unlink(missing_ok=True)
        arm = {"kinds": kinds, "nth": 0, "errno": 0, "sticky": 0, "folder": str(folder)}
        return self.run(*more, arm=arm, trace=str(place))

    def fail(self, kinds, nth, error, *more, folder, sticky=False) -> Ended:
        """Run with the nth call failing, or all from it on."""
        arm = {"kinds": kinds, "nth": nth, "errno": error, "sticky": int(sticky)}
        return self.run(*more, arm=arm | {"folder": str(folder)})


ERRORS = {name: getattr(errno, name) for name in dir(errno) if name.startswith("E")}

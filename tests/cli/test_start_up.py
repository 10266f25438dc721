import re
import signal
import subprocess
import sys

import pytest

#: Slow to import, and of no use to a person who asks for the version or the help.
SLOW = {
    "pydicom",
    "pynetdicom",
    "numpy",
    "pycdlib",
    "jinja2",
    "rich",
    "msgspec",
    "sqlite3",
    "asyncio",
}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_during_the_imports_has_its_code_and_no_traceback(number, code, environ, tmp_path):
    """The first heavy import is replaced by one that tells that it began, and hangs."""
    (tmp_path / "click.py").write_text(
        "import sys, time\nprint('importing', flush=True)\ntime.sleep(30)\n"
    )
    path = f"{tmp_path}:{environ['PYTHONPATH']}"
    with subprocess.Popen(
        [sys.executable, "-m", "mkiso", "make", "A1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(number)
        assert process.wait(25) == code
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["make", "--help"],
        ["make", "--bogus", "--json"],
        *([name, "--help"] for name in ("find", "retrieve", "send", "receive", "archive", "mpps")),
        ["deidentify", "--help"],
    ],
)
def test_nothing_slow_is_imported_before_there_is_work(arguments, environ):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mkiso", *arguments],
        capture_output=True,
        env=environ,
        text=True,
        check=False,
        timeout=60,
    )
    imported = set(re.findall(r"^import time: .*\| +([A-Za-z0-9_]+)", done.stderr, re.MULTILINE))
    assert "click" in imported
    assert not imported & SLOW

import re
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
    "arguments", [["--version"], ["--help"], ["make", "--help"], ["make", "--bogus", "--json"]]
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

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import mkiso.core

PROGRAM = [sys.executable, "-m", "mkiso"]
CHECKOUT = Path(mkiso.core.__file__).parents[2]  # found from any folder, installed or not
FAKE_PROGRAM = [sys.executable, str(Path(__file__).with_name("fake_pipeline.py"))]
SCHEMA = json.loads((Path(mkiso.core.__file__).parent / "report_schema.json").read_text("utf-8"))


@pytest.fixture
def environ(tmp_path):
    """The environment of a person whose home is a new folder, with no settings of mkiso."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MKISO_", "XDG_"))}
    return {**kept, "HOME": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}


@pytest.fixture
def mkiso(tmp_path, environ):
    """Run the program in a new folder; `fake` replaces the pipeline by one that does as told."""

    def run(*arguments, fake=None, **changes):
        env = {**environ, **changes.pop("env", {})}
        if fake is not None:
            env["FAKE"] = json.dumps(fake)
        return subprocess.run(  # noqa: PLW1510 - it is among the values below
            [*(PROGRAM if fake is None else FAKE_PROGRAM), *arguments],
            **{
                "cwd": tmp_path,
                "env": env,
                "stdin": None if "input" in changes else subprocess.DEVNULL,
                "capture_output": True,
                "timeout": 60,
                "check": False,
                **changes,
            },
        )

    return run


@pytest.fixture
def fake_command(tmp_path, environ):
    """The arguments of Popen for the program with a pipeline that does as told."""

    def command(*arguments, **fake):
        env = {**environ, "FAKE": json.dumps(fake)}
        return {"args": [*FAKE_PROGRAM, *arguments], "cwd": tmp_path, "env": env}

    return command


@pytest.fixture
def the_report():
    """Return the one JSON object of stdout, checked against the schema."""

    def parse(stdout):
        (line,) = stdout.decode("ascii").splitlines()
        report = json.loads(line)
        jsonschema.Draft202012Validator(SCHEMA).validate(report)
        return report

    return parse

import importlib
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_schema import CHECKOUT
from whole_jobs import instance, save

from mkiso.cli.main import COMMANDS, program
from mkiso.cli.reference import reference

TOOLBOX = ["nodes", "find", "retrieve", "move", "send", "receive", "worklist", "mpps", "archive"]


def test_the_document_is_what_the_parser_says():
    document = (CHECKOUT / "docs" / "commands.md").read_text("utf-8")
    assert document == reference(), "docs/commands.md is not up to date: run `make docs`"


def test_every_command_and_every_option_is_in_the_document():
    document = reference()
    for name in COMMANDS:
        assert f"## mkiso {name}\n" in document
        command = program.get_command(click.Context(program), name)
        section = document.partition(f"## mkiso {name}\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[-1] in section, (name, parameter.opts)


def test_what_the_documents_say_shows_a_file_does(tmp_path):
    """There is no `mkiso dump`; what is named instead has to be there, and to work."""
    made = save(tmp_path, "1.dcm", instance(AccessionNumber="SHOWN"))
    for document in ("commands.md", "toolbox.md"):
        text = (CHECKOUT / "docs" / document).read_text("utf-8")
        (words,) = re.findall(r"`(pydicom [a-z]+) FILE`", text)
        program = Path(sys.executable).with_name("pydicom")
        command = [program, *words.split()[1:], made]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        assert b"SHOWN" in done.stdout


@pytest.mark.parametrize("name", TOOLBOX)
def test_the_help_shows_the_examples(name, mkiso):
    examples = importlib.import_module(f"mkiso.cli.commands.{name}").EXAMPLES
    done = mkiso(name, "--help")
    assert done.returncode == 0
    assert all(example in done.stdout.decode() for example in examples)

import importlib

import click
import pytest
from cli_schema import CHECKOUT

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


@pytest.mark.parametrize("name", TOOLBOX)
def test_the_help_shows_the_examples(name, mkiso):
    examples = importlib.import_module(f"mkiso.cli.commands.{name}").EXAMPLES
    done = mkiso(name, "--help")
    assert done.returncode == 0
    assert all(example in done.stdout.decode() for example in examples)

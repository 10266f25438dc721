"""The reference of all commands in Markdown, made from the parser: `python -m mkiso.cli.reference`.

`docs/commands.md` is what this prints; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from mkiso.cli.main import COMMANDS, program
from mkiso.cli.streams import write_line

_HEAD = """\
# The commands of mkiso

Made from the parser by `make docs`; do not edit it by hand. `mkiso COMMAND --help` says the same.

What a library's own program does well is not rebuilt here: to see what is in a file, use
`pydicom show FILE` (dcmtk: `dcmdump FILE`)."""
_WIDTH = 100


def reference() -> str:
    """Return the whole document."""
    context = click.Context(program, info_name="mkiso")
    parts = [_HEAD, _table()]
    for name in COMMANDS:
        command = program.get_command(context, name)
        if command is not None:
            with click.Context(command, info_name=name, parent=context) as inner:
                parts.append("\n".join(_section(command, inner)))
    return "\n\n".join(parts) + "\n"


def _table() -> str:
    rows = [f"| [`{name}`](#mkiso-{name}) | {what} |" for name, what in COMMANDS.items()]
    return "\n".join(["| command | |", "|---|---|", *rows])


def _section(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## mkiso {context.info_name}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"`{context.command_path} {usage}`\n"
    paragraphs = (command.help or "").strip().split("\n\n")
    yield "\n\n".join(" ".join(each.split()) for each in paragraphs)
    examples = _examples(command)
    if examples:
        yield "\n```\n" + "\n".join(examples) + "\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                with click.Context(inner, info_name=name, parent=context) as below:
                    yield f"\n### {below.command_path}\n\n{inner.get_short_help_str(_WIDTH)}"
                    yield from _options(inner, below)
    yield from _options(command, context)


def _examples(command: click.Command) -> list[str]:
    """Return the examples of a command's epilog."""
    lines = (command.epilog or "").splitlines()
    return [line.strip() for line in lines if line.startswith("  mkiso ")]


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        and "--help" not in parameter.opts
        and (record := parameter.get_help_record(context)) is not None
    ]
    if records:
        yield "\n| option | |\n|---|---|"
    for words, what in records:
        yield f"| `{_cell(words)}` | {_cell(what)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    write_line(sys.stdout, reference().rstrip("\n"))

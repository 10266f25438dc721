"""`mkiso completion`: what a shell needs to complete our commands."""

from __future__ import annotations

import sys

import click

from mkiso.cli.completing import SHELLS, script
from mkiso.cli.options import GroupedCommand, exit_code_table
from mkiso.cli.streams import write_line

_HELP = """Print the completion script of a shell.

bash: eval "$(mkiso completion bash)" in ~/.bashrc; zsh likewise in ~/.zshrc; fish: write it to
~/.config/fish/completions/mkiso.fish. Commands, options and the names of nodes are completed.
"""
EXAMPLES = ("mkiso completion bash",)


@click.command(
    "completion", cls=GroupedCommand, help=_HELP, epilog=exit_code_table((0, 64), EXAMPLES)
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, /, *, shell: str) -> int:
    """Print it."""
    write_line(sys.stdout, script(context.find_root().command, shell))
    return 0

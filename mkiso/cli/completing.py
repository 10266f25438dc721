"""Shell completion: commands, options, and the names of the configured nodes."""

from __future__ import annotations

import sys

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from mkiso.cli.streams import write_line

#: The shell sets it when it asks for completions; what it must be is in the script.
VARIABLE = "_MKISO_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


def answer(program: click.Command, instruction: str) -> int:
    """Print the completions that a shell asks for; 0 whatever it asked."""
    shell, _, what = instruction.partition("_")
    completion = _completion(program, shell)
    if completion is not None and what == "complete":
        write_line(sys.stdout, completion.complete())
    return 0


def script(program: click.Command, shell: str) -> str:
    """Return what a shell has to read so that it asks."""
    completion = _completion(program, shell)
    assert completion is not None  # noqa: S101 - the shells are a choice
    # not BashComplete.source: it starts bash to look at its version
    return ShellComplete.source(completion).strip()


def node_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the configured nodes that begin so; none when the configuration cannot be read."""
    from mkiso.cli.session import load_config  # noqa: PLC0415 - only when a shell asks

    try:
        config, _ = load_config(None)
    except Exception:  # noqa: BLE001 - nobody wants to hear of it in the middle of a line
        return []
    return [CompletionItem(name) for name in sorted(config.nodes) if name.startswith(incomplete)]


def _completion(program: click.Command, shell: str) -> ShellComplete | None:
    kind = get_completion_class(shell)
    return kind(program, {}, "mkiso", VARIABLE) if kind else None

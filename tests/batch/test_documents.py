"""What docs/cron.md and the units say is what the program takes."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from mkiso.cli.main import program

DOCS = Path(__file__).resolve().parents[2] / "docs"
UNITS = DOCS / "systemd"


def accepted(words):
    """Parse a command line without running it."""
    command, context = program, click.Context(program)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, words)
        assert command is not None, name
    command.make_context("mkiso", list(words), resilient_parsing=False)
    return True


def test_every_command_line_of_the_documents_is_accepted():
    lines = re.findall(r"/usr/local/bin/mkiso ([^\n>]*)", (DOCS / "cron.md").read_text())
    lines += re.findall(r"ExecStart=\S+mkiso (.*)", (UNITS / "mkiso-batch.service").read_text())
    blocks = re.findall(r"^mkiso ([^#\n]+)", (DOCS / "cron.md").read_text(), re.MULTILINE)
    assert len(lines) == 4
    assert len(blocks) == 7
    for line in [*lines, *blocks]:
        assert accepted(line.split())


@pytest.mark.peers
def test_systemd_takes_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("mkiso-batch.service", "mkiso-batch.timer"):
        text = (UNITS / name).read_text().replace("/usr/local/bin/mkiso", "/bin/true")
        (tmp_path / name).write_text(text.replace("User=mkiso\nGroup=mkiso\n", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "mkiso" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_the_unit_is_restarted_after_75_alone():
    text = (UNITS / "mkiso-batch.service").read_text()
    assert "\nRestartForceExitStatus=75\n" in text
    assert "\nRestart=no\n" in text
    assert "\nSuccessExitStatus=143\n" in text

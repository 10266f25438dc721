import subprocess

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_us(shell, mkiso):
    done = mkiso("completion", shell)
    assert done.returncode == 0
    assert b"_MKISO_COMPLETE" in done.stdout
    assert mkiso("completion", "tcsh").returncode == 64


def words(mkiso, line):
    typed = line.split(" ")
    done = mkiso(
        env={
            "_MKISO_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(typed) - 1),
        }
    )
    assert done.returncode == 0
    return {row.partition(",")[2] for row in done.stdout.decode().split()}


def test_commands_options_and_nodes_are_completed(mkiso, tmp_path):
    (tmp_path / "mkiso.toml").write_text(
        '[nodes.backup]\nae_title = "B"\nhost = "h"\nport = 104\n'
        '[nodes.basement]\nae_title = "C"\nhost = "h"\nport = 104\n'
    )
    assert words(mkiso, "mkiso wor") == {"worklist"}
    assert words(mkiso, "mkiso find --pat") == {"--patient-id", "--patient-name"}
    assert words(mkiso, "mkiso send ba") == {"backup", "basement"}
    assert words(mkiso, "mkiso retrieve x --method g") == {"get"}


def test_a_broken_configuration_spoils_no_line(mkiso, tmp_path):
    (tmp_path / "mkiso.toml").write_text("[")
    assert words(mkiso, "mkiso send ba") == set()


def test_bash_takes_the_script(mkiso):
    script = mkiso("completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script, check=True, timeout=60)

import json
import os
import subprocess
from pathlib import Path

import pytest


def test_the_image_path_is_the_first_line_of_stdout(mkiso):
    done = mkiso("make", "A1", fake={})
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        "/discs/A.iso",
        "  3 instances, 1 MB",
        f"  sha256 {'0' * 64}",
    ]
    assert b"made and verified" in done.stderr


def test_legacy_output_comes_first_and_never_into_json(mkiso, the_report):
    lines = mkiso("make", "A1", "--legacy-output", fake={}).stdout.decode().splitlines()
    assert lines[0] == "Received 1 matching entries in 0.500 s"
    assert lines[1] == "Retrieved 3 objects (warning: 0, failed: 0) in 1.000s"
    the_report(mkiso("make", "A1", "--legacy-output", "--json", fake={}).stdout)


def run_in_shell(fake_command, redirection, *arguments):
    command = fake_command("make", "A1", *arguments)
    shell = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *command.pop("args")]
    return subprocess.run(shell, capture_output=True, timeout=60, check=False, **command)


@pytest.mark.fault("F63")
@pytest.mark.parametrize("redirection", ["2>&-", ">&-", "<&- >&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize("option", [[], ["--json"]])
def test_closed_or_full_streams_do_not_change_the_code(fake_command, redirection, option):
    assert run_in_shell(fake_command, redirection, *option).returncode == 0


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_result_that_nobody_gets_is_74_and_says_what_there_is(fake_command, option):
    done = run_in_shell(fake_command, ">/dev/full", *option)
    assert done.returncode == 74
    last = done.stderr.decode().splitlines()[-1]
    assert "could not be written to stdout (No space left on device)" in last
    assert "/discs/A.iso is there, and good" in last
    assert last.endswith("[74 IO]")


@pytest.mark.parametrize("arguments", [["--help"], ["make", "--help"], ["--version"]])
def test_a_help_that_nobody_gets_is_74(mkiso, arguments):
    with Path("/dev/full").open("wb") as full:
        done = mkiso(*arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 74
    assert b"The help could not be written to stdout" in done.stderr


def test_a_failure_that_nobody_gets_keeps_its_code(fake_command):
    command = fake_command("make", "A1", "--json", code=80)
    shell = ["/bin/sh", "-c", 'exec "$@" >/dev/full', "sh", *command.pop("args")]
    assert subprocess.run(shell, capture_output=True, check=False, **command).returncode == 80


@pytest.mark.fault("F63")
def test_a_reader_that_goes_away_does_not_change_the_code(fake_command):
    command = fake_command("make", "A1", "--json", code=80, seconds=0.3)
    with subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        process.stderr.close()
        assert process.wait(30) == 80


def test_a_reader_of_the_help_may_stop_early(mkiso):
    read, write = os.pipe()
    os.close(read)
    try:
        done = mkiso("make", "--help", stdout=write, stderr=subprocess.PIPE, capture_output=False)
    finally:
        os.close(write)
    assert done.returncode == 0
    assert done.stderr == b""


def job_of(stderr):
    (line,) = [line for line in stderr.decode("utf-8").splitlines() if line.startswith("job: ")]
    return json.loads(line.removeprefix("job: "))


@pytest.mark.fault("F79")
@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.iso-8859-1", "C.UTF-8", ""])
def test_any_locale_no_home_and_no_path(mkiso, tmp_path, locale, the_report):
    """cron gives nothing, and the scripts before mkiso set LANG=en_US.iso-8859-1."""
    env = {"LC_ALL": locale, "LANG": locale, "HOME": "", "PATH": "", "XDG_STATE_HOME": ""}
    done = mkiso("make", "한글-Ä", "--json", fake={}, env=env)
    assert done.returncode == 0, done.stderr
    assert the_report(done.stdout)["accessions"] == ["한글-Ä"]
    assert job_of(done.stderr)["accession_numbers"] == ["한글-Ä"]
    assert job_of(done.stderr)["state_folder"] == str(tmp_path / ".mkiso-state")


def test_without_coercion_of_the_locale_text_is_utf_8_all_the_same(mkiso):
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = mkiso("make", "한글-Ä", fake={}, env=env)
    assert job_of(done.stderr)["accession_numbers"] == ["한글-Ä"]


def test_a_number_that_begins_with_a_dash_stands_after_two_dashes(mkiso):
    numbers = ["-x", "--json", "$(id)", "a;b", "a,b", "#7"]
    done = mkiso("make", "--", *numbers, fake={})
    assert done.returncode == 0
    assert job_of(done.stderr)["accession_numbers"] == numbers


def test_progress_as_json_lines_leaves_only_json_on_stderr(mkiso):
    done = mkiso("make", "A1", "--progress", "json", fake={"instances": 5000})
    events = [json.loads(line) for line in done.stderr.splitlines()]
    progress = [event for event in events if event["event"] == "progress"]
    assert progress[0]["done"] == 0
    assert progress[-1] == {
        "event": "progress",
        "stage": "retrieve",
        "done": 5000,
        "total": 5000,
        "size_bytes": 5_000_000,
        "note": "",
    }
    assert len(progress) < 20
    assert events[-1]["event"] == "line"


def test_without_a_terminal_progress_is_silent(mkiso):
    done = mkiso("make", "A1", fake={"instances": 50})
    assert len(done.stderr.splitlines()) == 2


def test_on_a_terminal_there_are_bars_and_stdout_stays_clean(fake_command):
    command = fake_command("make", "A1", instances=50)
    command["env"]["TERM"] = "xterm"
    ours, theirs = os.openpty()
    with subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # Linux: the other side has closed
            pass
        os.close(ours)
        assert process.stdout.read().startswith(b"/discs/A.iso\n")
    assert process.returncode == 0
    assert b"retrieve" in shown
    assert b"50 of 50" in shown

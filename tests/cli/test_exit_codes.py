import json
from pathlib import Path

import pytest

import mkiso.core
from mkiso.cli.main import COMMANDS

SCHEMA = json.loads((Path(mkiso.core.__file__).parent / "report_schema.json").read_text("utf-8"))

#: Arguments, environment, stdin -> code: the ends that come before any job begins.
FAILURES = {
    "no command": ([], {}, b"", 64),
    "unknown command": (["burnn"], {}, b"", 64),
    "unknown option": (["make", "--bogus", "A"], {}, b"", 64),
    "option of a later version": (["make", "--viewer", "A"], {}, b"", 64),
    "option without value": (["make", "A", "--output"], {}, b"", 64),
    "option of another kind": (["make", "A", "--deadline", "soon"], {}, b"", 64),
    "option out of range": (["make", "A", "--deadline", "-1"], {}, b"", 64),
    "no accession number": (["make"], {}, b"", 64),
    "empty accession number": (["make", ""], {}, b"", 64),
    "wildcard": (["make", "A*"], {}, b"", 64),
    "backslash": (["make", "A\\B"], {}, b"", 64),
    "17 characters": (["make", "A" * 17], {}, b"", 64),
    "newline": (["make", "A\nB"], {}, b"", 64),
    "bytes that are no text": (["make", b"A\xff"], {}, b"", 64),
    "no UID": (["make", "--study-uid", "1.2.*"], {}, b"", 64),
    "malformed archive": (["make", "A", "--archive", "X@host"], {}, b"", 64),
    "unknown archive": (["make", "A", "--archive", "nowhere"], {}, b"", 64),
    "malformed receiver": (["make", "A", "--receiver", "CDRECORD"], {}, b"", 64),
    "empty name": (["make", "A", "--name", ""], {}, b"", 64),
    "a name that is no file name": (["make", "A", "--name", "a/b"], {}, b"", 64),
    "empty output": (["make", "A", "--output", ""], {}, b"", 64),
    "empty name in JSON": (["make", "--stdin"], {}, b'{"accessions": ["A"], "name": ""}', 65),
    "modalities in one text": (["make", "A", "--modality", "CT,MR"], {}, b"", 64),
    "empty modality": (["make", "A", "--modality", ""], {}, b"", 64),
    "a modality that is none": (["make", "A", "--modality", "C*"], {}, b"", 64),
    "malformed --set": (["make", "A", "--set", "job"], {}, b"", 64),
    "malformed JSON": (["make", "--stdin"], {}, b'{"accessions": [', 65),
    "unknown JSON key": (["make", "--stdin"], {}, b'{"accessions": ["A"], "outptu": "x"}', 65),
    "a number in JSON": (["make", "--stdin"], {}, b"[123]", 65),
    "no UTF-8 on stdin": (["make", "--stdin"], {}, b"\xff\xfe", 65),
    "nothing on stdin": (["make", "--stdin"], {}, b"\n \n", 64),
    "no configuration file": (["make", "A", "--config", "none.toml"], {}, b"", 78),
    "a folder as configuration": (["make", "A", "--config", "."], {}, b"", 78),
    "bad variable": (["make", "A"], {"MKISO_STALL_TIMEOUT": "x"}, b"", 78),
    "unknown node of a variable": (["make", "A"], {"MKISO_ARCHIVE": "nowhere"}, b"", 78),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_has_its_code_one_sentence_and_with_json_one_object(case, mkiso, the_report):
    arguments, env, stdin, code = FAILURES[case]
    as_json = [*arguments[:1], "--json", *arguments[1:]] if arguments else ["--json"]
    done = mkiso(*as_json, env=env, input=stdin)
    assert done.returncode == code, done.stderr
    report = the_report(done.stdout)
    assert report["code"] == code
    sentence, *rest = done.stderr.decode().splitlines()
    assert sentence.startswith("mkiso: ")
    assert report["message"] in sentence
    assert rest == []


def test_without_json_stdout_is_empty_after_a_failure(mkiso):
    done = mkiso("make", "A*")
    assert (done.returncode, done.stdout) == (64, b"")


def test_json_is_honoured_when_the_command_itself_is_wrong(mkiso, the_report):
    done = mkiso("burnn", "--json")
    assert the_report(done.stdout)["code"] == 64


def test_after_two_dashes_json_is_an_accession_number(mkiso):
    done = mkiso("make", "--bogus", "--", "--json")
    assert (done.returncode, done.stdout) == (64, b"")


@pytest.mark.fault("F69")
def test_a_bad_configuration_file_names_file_line_and_nearest_key(mkiso, tmp_path, the_report):
    (tmp_path / "mkiso.toml").write_text("[job]\n\nstall_timout = 3\n")
    done = mkiso("make", "A", "--json")
    assert done.returncode == 78
    message = the_report(done.stdout)["message"]
    assert message.startswith("mkiso.toml:3: job.stall_timout: ")
    assert "did you mean stall_timeout?" in message


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["make", "--bogus"], "'mkiso make' has no option --bogus; 'mkiso make --help' lists"),
        (["make", "--modalty", "CT"], "did you mean --modality?"),
        (["make", "--no-replce"], "did you mean --no-replace?"),
        (["mkae", "A"], "'mkiso' has no command mkae; did you mean make?"),
        (["zzz"], "'mkiso' has no command zzz; 'mkiso --help' lists them."),
        (["make", "A", "--modality", "CT,MR"], "--modality CT --modality MR"),
        (["make", "A", "--name", ""], "--name: The disc's name must be a plain file name"),
        (["make", "A", "--output", ""], "--output: an empty text names no folder"),
        (["make", "A", "--config", "."], "is a folder; give the configuration file in it"),
    ],
)
def test_a_refusal_says_what_to_do(mkiso, arguments, sentence):
    assert sentence in mkiso(*arguments).stderr.decode()


def test_help_and_version_are_no_failures(mkiso):
    for arguments in (["--help"], ["--version"], ["make", "--help"], ["verify", "-h"]):
        done = mkiso(*arguments)
        assert done.returncode == 0, arguments
        assert done.stdout
        assert done.stderr == b""


@pytest.mark.fault("F68")
def test_a_bug_leaves_a_traceback_without_data_in_the_jobs_log(mkiso, tmp_path, the_report):
    done = mkiso("make", "A1", "--json", fake={"crash": True})
    assert done.returncode == 70
    report = the_report(done.stdout)
    assert report["accessions"] == ["A1"]
    log = tmp_path / ".local" / "state" / "mkiso" / "jobs" / f"{report['job']}.log"
    assert report["log"] == str(log)
    text = log.read_text("utf-8")
    assert "in run: " in text
    assert "builtins.ValueError" in text
    assert "DOE" not in text + done.stdout.decode() + done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert log.with_suffix(".json").is_file()


@pytest.mark.parametrize("code", [0, 66, 74, 75, 80, 82, 84])
def test_the_code_of_the_report_is_the_code_of_the_process(code, mkiso, the_report):
    done = mkiso("make", "A1", "--json", fake={"code": code})
    assert done.returncode == code
    assert the_report(done.stdout)["code"] == code


def test_a_failure_names_its_command(mkiso, the_report):
    assert the_report(mkiso("make", "--json", "--bogus").stdout)["command"] == "make"
    assert the_report(mkiso("burnn", "--json").stdout)["command"] == ""


def test_every_command_may_stand_in_a_report():
    assert set(COMMANDS) <= set(SCHEMA["properties"]["command"]["enum"])

"""The three scripts by `php SCRIPT`, and MkisoClient as a site's own code would use it."""

import hashlib
import json
import time
from pathlib import Path

import check_disc
import pytest

from mkiso.core.exit_codes import EXIT_CODES

pytestmark = pytest.mark.peers

RUN = "$r = (new MkisoClient(json_decode($argv[1], true)))->run(json_decode($argv[2], true)); "
PRINT = "echo json_encode(array($r->code, $r->name, $r->retry, $r->message, $r->report));"


def run(site, accessions, **settings):
    """What MkisoClient::run gives: code, name, retry, message, report."""
    given = json.dumps({**site.settings, **settings})
    return site.evaluate(RUN + PRINT, given, json.dumps(accessions))


def test_each_script_makes_its_disc(real_site, archives, together):
    calls = [
        ("mkiso.php", "--output=one", "MR.180505.026"),
        ("mkiso2.php", "--modality=CT", "--output=two", "MR.180505.026"),
        ("mkiso_multiple.php", "--output=three", "MR.180505.026", "2018:123"),
    ]
    ended = together(*(lambda call=call: real_site.script(*call) for call in calls))
    reports = [json.loads(done.stdout) for done in ended]
    for done, report in zip(ended, reports, strict=True):
        assert (done.returncode, done.stderr, report["code"]) == (0, b"", 0)
        (disc,) = report["discs"]
        image = real_site.web / disc["path"]
        assert disc["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert [report["received"] for report in reports] == [5, 2, 6]
    assert [f["sent"] for f in reports[1]["forwarded"]] == [2]
    assert archives.forward.contents.instances == 2
    assert reports[1]["left_out"][0]["modality"] == "MR"
    check_disc.check_disc(real_site.web / reports[2]["discs"][0]["path"])


def test_a_failure_is_a_report_a_sentence_and_the_exit_code(real_site):
    done = real_site.script("mkiso.php", "NOBODY")
    assert done.returncode == 66
    assert json.loads(done.stdout)["name"] == "NOT_FOUND"
    assert done.stderr.decode().startswith("mkiso: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("A", "B"),
        ("--modality", "A"),
        ("--replace=1", "A"),
        ("--exec=id", "A"),
        ("--stdin", "A"),
    ],
)
def test_words_that_a_script_does_not_take_are_64(site, words):
    done = site.script("mkiso.php", *words)
    assert done.returncode == 64
    assert json.loads(done.stdout)["name"] == "USAGE"


def test_everything_behind_two_dashes_is_an_accession_number(site):
    parsed = site.evaluate(
        "echo json_encode(MkisoCommandLine::parse(array_slice($argv, 1)));",
        *("A", "--modality=CT", "--modality=MR", "--same-patient", "--", "--replace", "-B"),
    )
    assert parsed == [
        ["A", "--replace", "-B"],
        {"modality": ["CT", "MR"], "same_patient": True},
    ]


def test_every_exit_code_keeps_its_name(site):
    table = site.evaluate("echo json_encode(MkisoResult::CODES);")
    assert {int(code): row[:2] for code, row in table.items()} == {
        row.code: [row.name, row.retry] for row in EXIT_CODES
    }


@pytest.mark.parametrize("word", ["EXIT1", "EXIT2", "EXIT0", "EXIT127", "LIE80", "KILLED"])
def test_an_end_that_is_not_mkisos_is_internal(site, word):
    code, name, _, message, report = run(site, [word])
    assert (code, name, report["discs"]) == (70, "INTERNAL", [])
    assert "without a valid report" in message


def test_both_streams_may_be_full_of_anything(site):
    began = time.monotonic()
    code, _, _, message, _ = run(site, ["MUCH4000"])
    assert (code, len(message)) == (0, 4_000_000)
    assert time.monotonic() - began < 30


def test_the_deadline_stops_mkiso(site):
    began = time.monotonic()
    code, name, retry, message, _ = run(site, ["SLOW30"], deadline_seconds=1)
    assert (code, name, retry) == (143, "TERMINATED", "yes")
    assert "within 1 seconds" in message
    assert time.monotonic() - began < 20


def test_the_deadline_kills_a_program_that_does_not_listen(site):
    began = time.monotonic()
    assert run(site, ["DEAF30"], deadline_seconds=1, grace_seconds=1)[0] == 143
    assert 2 <= time.monotonic() - began < 20


def test_progress_is_told_while_it_happens(site):
    events = site.evaluate(
        "$seen = array(); $began = microtime(true);"
        "(new MkisoClient(json_decode($argv[1], true)))->run(array('SLOW4'), array(),"
        " function ($event) use (&$seen, $began) {"
        "  $seen[] = array($event['event'], microtime(true) - $began < 3.9); });"
        "echo json_encode($seen);",
        json.dumps(site.settings),
    )
    assert events == [["progress", True], ["line", True]]


def test_what_a_site_may_pass_wrongly_is_an_answer_not_an_exception(site):
    assert run(site, [["A"]])[0] == 64
    assert run(site, [None])[0] == 64
    assert run(site, [7])[0] == 0
    code, _, _, message, _ = run(site, ["A"], command=["/no/such/mkiso"])
    assert code == 78
    assert "/no/such/mkiso" in message
    latin1 = '$r = (new MkisoClient(json_decode($argv[1], true)))->run(array("M\\xfcller"));'
    assert site.evaluate(latin1 + PRINT, json.dumps(site.settings))[0] == 64


@pytest.mark.parametrize("settings", [{"comand": ["mkiso"]}, {"command": "mkiso"}, {"work": 1}])
def test_a_setting_that_is_misspelt_or_of_the_wrong_kind_is_refused(site, settings):
    site.configure(**settings)
    done = site.script("mkiso.php", "A1")
    assert done.returncode == 78
    assert next(iter(settings)) in json.loads(done.stdout)["message"]


def test_options_of_the_site_reach_mkiso_as_words(real_site):
    code, name, _, message, _ = real_site.evaluate(
        "$r = (new MkisoClient(json_decode($argv[1], true)))->run(array('B1'),"
        " array('output' => $argv[2], 'name' => 'named', 'modality' => 'CT'));" + PRINT,
        json.dumps(real_site.settings),
        str(real_site.folder),
    )
    assert (code, name) == (0, "OK"), message
    assert (real_site.folder / "named.iso").is_file()
    code, _, _, message, _ = real_site.evaluate(
        "$r = (new MkisoClient(json_decode($argv[1], true)))->run(array('B1'),"
        " array('exec' => 'id'));" + PRINT,
        json.dumps(real_site.settings),
    )
    assert code == 65
    assert "exec" in message


HOSTILE = ["; touch {0}", "$(touch {0})", "`touch {0}`", "a\ntouch {0}", "'; touch {0} '", "-x", ""]


def test_the_command_of_an_old_php_quotes_every_word(site):
    """Before PHP 7.4 proc_open takes no array: a shell sees the words."""
    canary = site.folder / "canary"
    words = [word.format(canary) for word in HOSTILE]
    seen = site.evaluate(
        "echo json_encode(MkisoClient::form(array_merge(array('printf', '%s\\\\0'),"
        " array_slice($argv, 1)), 50600));",
        *words,
    )
    printed = site.evaluate("echo json_encode(shell_exec($argv[1]));", seen)
    assert printed.split("\0")[:-1] == words
    assert not canary.exists()
    assert site.evaluate("echo json_encode(MkisoClient::form(array('a', ';b'), 70400));") == [
        "a",
        ";b",
    ]


def test_nothing_of_a_visitor_is_a_word_of_the_command(site):
    spy = site.folder / "spy"
    words = site.folder / "words"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {words}\ncat > {words}.stdin\n')
    spy.chmod(0o755)
    run(site, ["$(id)"], command=[str(spy)], arguments=["--config", "/etc/x.toml"])
    assert words.read_text().split() == [
        *("make", "--json", "--stdin", "--progress", "json", "--config", "/etc/x.toml")
    ]
    assert json.loads(Path(f"{words}.stdin").read_text()) == {"accessions": ["$(id)"]}

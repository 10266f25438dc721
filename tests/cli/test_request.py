import pytest

from mkiso.cli.request import CommandLine, StdinRequest, parse_stdin, resolve_job
from mkiso.core.config import Config
from mkiso.errors import DataError


def resolve(stdin=b"", environ=None, **line):
    request = parse_stdin(stdin) if stdin else StdinRequest()
    job, _ = resolve_job("job", CommandLine(**line), request, Config(), environ or {})
    return job


def test_lines_are_accession_numbers_taken_verbatim():
    content = b"\xef\xbb\xbfA1\r\n\r\n  B,2;x  \r\n\xed\x95\x9c\r\nA1\r\n"
    assert parse_stdin(content).accessions == ("A1", "B,2;x", "한", "A1")
    assert resolve(content).accession_numbers == ("A1", "B,2;x", "한")


def test_an_array_is_verbatim_and_one_string_is_a_list():
    assert parse_stdin(b'["a,b", " c "]').accessions == ("a,b", " c ")
    assert parse_stdin(b'{"accessions": "a, b;c\\nd"}').accessions == ("a", "b", "c", "d")


def test_an_object_holds_options_by_their_words():
    stdin = (
        b'{"accessions": ["A1"], "study_uids": ["1.2.3"], "modality": ["CT", "MR"],'
        b' "stall_timeout": 5, "replace": true, "requested_by": "ward 3", "name": null}'
    )
    job = resolve(stdin)
    assert job.study_instance_uids == ("1.2.3",)
    assert job.modalities == ("CT", "MR")
    assert (job.stall_timeout_seconds, job.replace, job.name) == (5.0, True, "")
    assert job.requested_by == "ward 3"


def test_a_modality_is_a_code_in_upper_case():
    assert resolve(accessions=("A",), words={"modality": ("ct", " Mr ")}).modalities == ("CT", "MR")
    assert resolve(environ={"MKISO_MODALITY": "ct,mr"}, accessions=("A",)).modalities == (
        "CT",
        "MR",
    )
    assert resolve(b'{"accessions": "A", "modality": ["ct"]}').modalities == ("CT",)


def test_the_command_line_wins_over_stdin_and_stdin_over_the_environment():
    stdin = b'{"accessions": ["B"], "stall_timeout": 2, "deadline": 2}'
    environ = {"MKISO_STALL_TIMEOUT": "1", "MKISO_DEADLINE": "1", "MKISO_LOCK_WAIT": "1"}
    job = resolve(stdin, environ, accessions=("A",), words={"stall_timeout": 3.0})
    assert job.accession_numbers == ("A", "B")
    assert job.stall_timeout_seconds == 3.0
    assert job.deadline_seconds == 2.0
    assert job.lock_wait_seconds == 1.0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"accessions": ["A"]', "line 1 column"),
        (b"[1, 2]", "numbers lose leading zeros"),
        (b'{"accessions": 5}', "numbers lose leading zeros"),
        (b'{"study_uids": [null]}', "study_uids"),
        (b'{"replace": "yes"}', "JSON key replace: expected true or false, got text"),
        (b'{"acessions": ["A"]}', "acessions"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_malformed_on_stdin_is_named(content, sentence):
    with pytest.raises(DataError, match=sentence):
        parse_stdin(content)


def test_a_broken_object_is_not_quoted_in_the_message():
    with pytest.raises(DataError) as caught:
        parse_stdin(b'{"name": "DOE^JANE"')
    assert "DOE" not in caught.value.message


def test_a_caller_may_name_its_job():
    assert parse_stdin(b'{"accessions": ["A1"], "job_id": "0123456789abcdef"}').job_id == (
        "0123456789abcdef"
    )
    for wrong in (b'"short"', b'"../../etc/passwd"', b"7", b'"a b c d e"', b"null"):
        with pytest.raises(DataError):
            parse_stdin(b'{"accessions": ["A1"], "job_id": ' + wrong + b"}")

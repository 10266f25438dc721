import dataclasses
import json
from pathlib import Path

import pytest

from mkiso.core.job import Job, Node, ReceiverAddress, Tls
from mkiso.core.job_value import decode_job, encode_job, job_key
from mkiso.errors import DataError

ARCHIVE = Node("pacs", "ABPACS", "pacs.example", 11112, tls=Tls("/ca.pem"))
JOB = Job(
    "20260131T000000-abcdef",
    ("A1", "한국"),
    ARCHIVE,
    receiver=ReceiverAddress(bind="127.0.0.1"),
    study_instance_uids=("1.2",),
    modalities=("CT",),
    output_folder=Path("/srv/discs ü"),
    forward=(Node("b", "BACKUP", "b.example", 104),),
    state_folder=Path("/var/lib/mkiso"),
)


def test_a_job_comes_back_as_it_went():
    assert decode_job(encode_job(JOB)) == JOB
    assert json.loads(encode_job(JOB))["output_folder"] == "/srv/discs ü"


def test_what_an_earlier_version_wrote_takes_defaults_and_a_later_one_is_read():
    value = json.loads(encode_job(JOB))
    del value["viewer"]
    value["of_the_future"] = 7
    assert decode_job(json.dumps(value)).viewer == Job("j", (), ARCHIVE).viewer


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"job_id": 3}'])
def test_what_is_no_job_is_refused(text):
    with pytest.raises(DataError):
        decode_job(text)


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": "other"},
        {"accession_numbers": ("한국", "A1")},
        {"deadline_seconds": 1.0},
        {"lock_wait_seconds": 1.0},
        {"requested_by": "somebody"},
        {"archive": dataclasses.replace(ARCHIVE, name="other", retries=9)},
        {"receiver": ReceiverAddress(port=1)},
    ],
    ids=str,
)
def test_how_a_job_is_run_makes_no_other_job(change):
    assert job_key(dataclasses.replace(JOB, **change)) == job_key(JOB)


@pytest.mark.parametrize(
    "change",
    [
        {"accession_numbers": ("A1",)},
        {"study_instance_uids": ()},
        {"modalities": ()},
        {"output_folder": Path("/other")},
        {"name": "x"},
        {"forward": ()},
        {"allow_incomplete": True},
        {"per_patient": True},
        {"viewer": "none"},
        {"archive": dataclasses.replace(ARCHIVE, host="other")},
    ],
    ids=str,
)
def test_what_a_job_makes_is_what_it_is(change):
    assert job_key(dataclasses.replace(JOB, **change)) != job_key(JOB)


def test_a_key_tells_nothing():
    assert len(job_key(JOB)) == 64

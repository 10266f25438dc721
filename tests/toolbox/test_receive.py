import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_schema import CHECKOUT
from toolbox_lab import Receipt, data_sets, make_people, send
from whole_jobs import instance, save


def test_what_is_sent_lies_in_its_place_bit_for_bit(tmp_path):
    people = make_people(tmp_path / "people")
    with Receipt(tmp_path, quiet_seconds=3600) as receipt:
        statuses = send(receipt.port, people, associations=3)
    assert set(statuses.values()) == {0}
    assert data_sets(receipt.folder) == data_sets(people)
    assert (receipt.folder / "1.2.5/1.2.5.1/1.2.5.1.2.dcm").is_file()


def test_a_quiet_study_is_one_event_with_its_files(tmp_path):
    people = make_people(tmp_path / "people")
    with Receipt(tmp_path, quiet_seconds=2, sort="patient") as receipt:
        send(receipt.port, people / "1.2.3", people / "1.2.4")
        assert receipt.wait_for(lambda: len(receipt.events) == 2)
        assert not receipt.wait_for(lambda: len(receipt.events) > 2, seconds=2.5)
    event = next(e for e in receipt.events if e["study_instance_uid"] == "1.2.3")
    assert event["accession_number"] == "A1"
    assert event["modalities"] == ["CT", "MR"]
    assert (event["series"], event["instances"]) == (2, 4)
    assert all(Path(file).is_file() for file in event["files"])
    assert event["folder"].endswith("/P1/1.2.3")
    assert "Doe" not in json.dumps(event)


def test_an_instance_that_comes_late_is_an_event_of_its_own(tmp_path):
    people = make_people(tmp_path / "people")
    with Receipt(tmp_path, quiet_seconds=1.5) as receipt:
        send(receipt.port, people / "1.2.3/1.1")
        assert receipt.wait_for(lambda: len(receipt.events) == 1)
        send(receipt.port, people / "1.2.3")
        assert receipt.wait_for(lambda: len(receipt.events) == 2)
    assert [event["instances"] for event in receipt.events] == [1, 3]


def test_the_same_instance_again_is_no_event_and_another_content_is_kept_beside(tmp_path):
    people = make_people(tmp_path / "people")
    other = save(tmp_path / "other", "1", instance("1.2.4", 1, 1, StudyDescription="OTHER"))
    with Receipt(tmp_path, quiet_seconds=0.2) as receipt:
        send(receipt.port, people / "1.2.4")
        assert receipt.wait_for(lambda: len(receipt.events) == 1)
        assert send(receipt.port, people / "1.2.4") == {"1.2.4.1.1": 0}
        assert not receipt.wait_for(lambda: len(receipt.events) > 1, seconds=0.5)
        assert send(receipt.port, other) == {"1.2.4.1.1": 0}
        assert receipt.wait_for(lambda: len(receipt.events) == 2)
    files = sorted((receipt.folder / "1.2.4/1.2.4.1").iterdir())
    assert len(files) == 2
    assert files[0].read_bytes() != files[1].read_bytes()


PROGRAM = """#!/bin/sh
cat > "{folder}/$$.json"
echo run >> "{folder}/runs"
exit {code}
"""


def program(tmp_path, code=0):
    path = tmp_path / "program"
    path.write_text(PROGRAM.format(folder=tmp_path, code=code))
    path.chmod(0o755)
    return str(path)


def test_the_program_gets_json_on_its_stdin(tmp_path):
    people = make_people(tmp_path / "people")
    with Receipt(tmp_path, quiet_seconds=1.5, program=program(tmp_path)) as receipt:
        send(receipt.port, people / "1.2.5")
        assert receipt.wait_for(lambda: list(tmp_path.glob("*.json")))
        assert receipt.wait_for(lambda: not list(receipt.folder.glob(".mkiso-receive/studies/*")))
    (told,) = tmp_path.glob("*.json")
    assert json.loads(told.read_text())["study_instance_uid"] == "1.2.5"


def test_a_program_that_fails_leaves_the_event_for_a_person(tmp_path):
    people = make_people(tmp_path / "people")
    options = {"program": program(tmp_path, 3), "program_pauses": (0.05, 0.05)}
    with Receipt(tmp_path, quiet_seconds=1.5, **options) as receipt:
        send(receipt.port, people / "1.2.5")
        studies = receipt.folder / ".mkiso-receive/studies"
        assert receipt.wait_for(lambda: list(studies.glob("*.failed")))
    assert (tmp_path / "runs").read_text().count("run") == 3
    assert any("failed for study 1.2.5" in line for line in receipt.said)


def test_a_full_disk_is_out_of_resources_and_passes(tmp_path):
    people = make_people(tmp_path / "people")
    with Receipt(tmp_path, quiet_seconds=3600, minimum_free_bytes=1 << 60) as receipt:
        assert set(send(receipt.port, people / "1.2.3").values()) == {0xA700}
        receipt.running._store._minimum_free_bytes = 0
        assert set(send(receipt.port, people / "1.2.3").values()) == {0}
    assert len(data_sets(receipt.folder)) == 4


def test_only_those_who_may_send_can(tmp_path):
    people = make_people(tmp_path / "people")
    with Receipt(tmp_path, ae_titles=("CT1",)) as receipt:
        assert set(send(receipt.port, people / "1.2.4").values()) == {None}
        assert set(send(receipt.port, people / "1.2.4", calling="CT1").values()) == {0}
        assert set(send(receipt.port, people / "1.2.4", aet="OTHER", calling="CT1").values()) == {
            None
        }
    with Receipt(tmp_path, networks=("10.0.0.0/8",)) as receipt:
        assert set(send(receipt.port, people / "1.2.4").values()) == {None}


def test_two_receivers_do_not_share_a_folder(tmp_path):
    with Receipt(tmp_path), pytest.raises(Exception, match="Another `mkiso receive`"):
        Receipt(tmp_path).__enter__()


@contextlib.contextmanager
def serve(lab, *options):
    """The program in a process of its own, listening; it is killed at the end."""
    command = [sys.executable, "-m", "mkiso", "receive", "--output", str(lab.folder / "in"),
               "--config", str(lab.config), *options]  # fmt: skip
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=lab.folder,
    ) as process:
        try:
            assert any("listening" in line for line in process.stderr)
            yield process
        finally:
            process.kill()


def test_nothing_accepted_is_lost_by_sigkill_and_its_event_comes_after_the_next_start(lab):
    lab.name("pacs", 104)
    people = make_people(lab.folder / "people")
    with serve(lab, "--quiet", "3600") as process:
        statuses = send(lab.receiver_port, people)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    assert set(statuses.values()) == {0}
    with serve(lab, "--quiet", "1", "--json") as process:
        events = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert {event["study_instance_uid"] for event in events} == {"1.2.3", "1.2.4", "1.2.5"}
    assert sum(event["instances"] for event in events) == 7
    assert data_sets(lab.folder / "in") == data_sets(people)
    assert not list((lab.folder / "in/.mkiso-receive").glob("*.dcm"))


def test_killed_between_the_journal_and_the_place_nothing_is_lost_or_told_twice(tmp_path):
    people = make_people(tmp_path / "people")
    with Receipt(tmp_path, quiet_seconds=3600) as receipt:
        send(receipt.port, people / "1.2.5")
    spool = receipt.folder / ".mkiso-receive"
    place = receipt.folder / "1.2.5/1.2.5.1/1.2.5.1.1.dcm"
    place.rename(spool / "00000001.dcm")
    (spool / "studies/1.2.99.jsonl").touch()
    (spool / "00000002.part").write_bytes(b"half")
    with Receipt(tmp_path, quiet_seconds=0.2) as receipt:
        assert receipt.wait_for(lambda: receipt.events)
        assert not receipt.wait_for(lambda: len(receipt.events) > 1, seconds=0.5)
    (event,) = receipt.events
    assert (event["instances"], len(event["files"])) == (2, 2)
    assert place.is_file()
    assert sorted(path.name for path in spool.iterdir()) == ["lock", "studies"]


@pytest.mark.peers
def test_storescu_sends_to_us(tmp_path, need_program):
    need_program("storescu", "echoscu")
    people = make_people(tmp_path / "people")
    with Receipt(tmp_path) as receipt:
        where = ["-aec", "CDRECORD", "127.0.0.1", str(receipt.port)]
        subprocess.run(["echoscu", *where], check=True, timeout=60)
        subprocess.run(["storescu", "+sd", "+r", *where, str(people)], check=True, timeout=60)
    assert data_sets(receipt.folder) == data_sets(people)


@pytest.mark.peers
@pytest.mark.data
def test_real_files_arrive_bit_for_bit(tmp_path, need_program, shared_data):
    need_program("dcmsend")
    source = shared_data / "neurolabusc+dcm_qa_ct"
    with Receipt(tmp_path) as receipt:
        subprocess.run(
            ["dcmsend", "+sd", "+r", "--no-halt", "-aec", "CDRECORD", "127.0.0.1",
             str(receipt.port), str(source)],
            check=True, timeout=120,
        )  # fmt: skip
    sent = data_sets(source)
    assert sent
    assert data_sets(receipt.folder).items() <= sent.items()
    assert len(data_sets(receipt.folder)) == len(sent)


def test_the_instances_of_a_flood_all_have_their_place(tmp_path):
    folder = tmp_path / "many"
    for n in range(1, 301):
        save(folder, str(n), instance("1.2.9", 1, n))
    with Receipt(tmp_path, sort="flat") as receipt:
        statuses = send(receipt.port, folder, associations=4)
    assert set(statuses.values()) == {0}
    assert len(data_sets(receipt.folder)) == 300

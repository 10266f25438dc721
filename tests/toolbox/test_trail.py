"""What the toolbox moves is in the audit trail: a line a run, and messages of PS3.15 A.5.3."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from audit_schema import checked, event_of, objects, participants
from cli_schema import CHECKOUT
from odd_archive import Held
from ports import free_port
from raw_peer import CT, EXPLICIT, RawPeer, associate_rq
from syslog_collector import Collector
from toolbox_lab import Receipt, make_people
from whole_jobs import instance, save

from mkiso.toolbox.receiving import transfers_of

BEGIN, TRANSFERRED, IMPORT, ALERT = "110102", "110104", "110107", "110113"
SOURCE, DESTINATION, SOURCE_MEDIA = "110153", "110152", "110155"


@pytest.fixture
def audited(lab):
    """The laboratory with an audit file, beside a node `backup` with nothing in it."""
    (lab.folder / "empty").mkdir()
    lab.audit = {"file": str(lab.folder / "audit.xml"), "source_id": "mkiso-test"}
    lab.archive("backup", folder=lab.folder / "empty")
    return lab


@pytest.fixture
def people(lab):
    return make_people(lab.folder / "people")


def lines(lab):
    path = lab.folder / "state" / "transfers.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return [json.loads(line) for line in path.read_text().splitlines()]


def messages(lab):
    path = lab.folder / "audit.xml"
    return [checked(line) for line in path.read_text().splitlines()] if path.exists() else []


def kinds(found):
    return [event_of(message) for message in found]


def titles(message, role):
    return [p.get("UserID") for p in participants(message, role)]


def test_what_is_sent_is_begun_and_transferred_once_a_patient(audited, people):
    done = audited.run("send", "backup", people, "--requested-by", "Dr. Example")
    assert done.code == 0, done.err
    assert "audit" not in done.err
    found = messages(audited)
    one = [(BEGIN, "E", "0"), (TRANSFERRED, "R", "0")]
    assert kinds(found) == one * 2
    assert [list(objects(m, "2")) for m in found] == [["P1"]] * 2 + [["P,2"]] * 2
    assert list(objects(found[0], "110180")) == ["1.2.3", "1.2.4"]
    assert all(titles(m, DESTINATION) == ["ABPACS"] for m in found)
    asked = [p for p in found[0].findall("ActiveParticipant") if p.get("UserID") == "Dr. Example"]
    assert [p.get("UserIsRequestor") for p in asked] == ["true"]
    (line,) = lines(audited)
    assert (line["command"], line["code"], line["requested_by"]) == ("send", 0, "Dr. Example")
    (row,) = line["transfers"]
    assert (row["way"], row["instances"], row["failed"]) == ("sent", 7, 0)
    assert row["from"] == "CDRECORD"
    assert row["to"].startswith("ABPACS@127.0.0.1:")
    assert row["studies"] == ["1.2.3", "1.2.4", "1.2.5"]
    assert row["accessions"] == ["A1", "A2", "A3"]


def test_the_line_names_nobody(audited, people):
    audited.run("send", "backup", people)
    text = (audited.folder / "state" / "transfers.jsonl").read_text()
    for secret in ("P1", "P,2", "Doe", "Yamada"):
        assert secret not in text


@pytest.mark.fault("G27")
def test_a_node_that_is_away_is_an_attempt_in_the_trail(audited, people):
    audited.name("away", free_port(), "AWAY", retries=0)
    done = audited.run("send", "away", people)
    assert done.code == 75
    assert kinds(messages(audited)) == [(BEGIN, "E", "0"), (TRANSFERRED, "R", "4")] * 2
    (line,) = lines(audited)
    assert (line["code"], line["transfers"][0]["instances"], line["transfers"][0]["failed"]) == (
        75,
        0,
        7,
    )


def test_what_is_retrieved_is_transferred_to_us(audited):
    audited.archive("pacs")
    out = audited.folder / "out"
    done = audited.run("retrieve", "pacs", "--accession", "A1", "--output", out)
    assert done.code == 0, done.err
    (message,) = messages(audited)
    assert event_of(message) == (TRANSFERRED, "C", "0")
    assert (titles(message, SOURCE), list(objects(message, "2"))) == (["ABPACS"], ["P1"])
    (line,) = lines(audited)
    (row,) = line["transfers"]
    assert (row["way"], row["instances"], row["to"]) == ("received", 4, "CDRECORD")
    assert (row["asked"], row["folder"]) == (["A1"], str(out))


@pytest.mark.fault("G27")
def test_a_study_that_is_not_there_is_a_refusal_in_the_trail(audited):
    audited.archive("pacs")
    done = audited.run(
        "retrieve", "pacs", "--accession", "NOBODY", "--output", audited.folder / "out"
    )
    assert done.code == 66
    assert messages(audited) == []
    (line,) = lines(audited)
    assert (line["code"], line["transfers"][0]["asked"]) == (66, ["NOBODY"])


def test_what_is_passed_on_as_nobody_s_names_nobody_in_the_trail(audited):
    audited.archive("pacs")
    done = audited.run(
        "retrieve", "pacs", "--accession", "A1", "--output", audited.folder / "out",
        "--deidentify", "--send", "backup",
    )  # fmt: skip
    assert done.code == 0, done.err
    (line,) = lines(audited)
    received, sent = line["transfers"]
    assert (received["way"], received["instances"], received["studies"]) == ("received", 4, [])
    assert (sent["way"], sent["instances"], len(sent["studies"])) == ("sent", 4, 1)
    text = json.dumps(line) + (audited.folder / "audit.xml").read_text()
    assert "1.2.3." not in text
    assert '"1.2.3"' not in text
    assert "A1" not in text
    assert kinds(messages(audited)) == [(BEGIN, "E", "0"), (TRANSFERRED, "R", "0")]


def test_what_one_node_sends_to_another_names_both(audited):
    (audited.folder / "third").mkdir()
    third = audited.archive("third", folder=audited.folder / "third", ae_title="BACKUP")
    audited.archive("pacs", destinations={"BACKUP": ("127.0.0.1", third.port)})
    done = audited.run("move", "pacs", "--to", "BACKUP", "--accession", "A1")
    assert done.code == 0, done.err
    found = messages(audited)
    assert kinds(found) == [(BEGIN, "E", "0"), (TRANSFERRED, "R", "0")]
    assert (titles(found[1], SOURCE), titles(found[1], DESTINATION)) == (["ABPACS"], ["BACKUP"])
    (row,) = lines(audited)[0]["transfers"]
    assert (row["way"], row["to"], row["instances"]) == ("moved", "BACKUP", 4)


def test_a_disc_of_others_is_an_import(audited, people):
    disc = audited.folder / "disc"
    disc.mkdir()
    (people / "1.2.3").rename(disc / "1.2.3")
    done = audited.run("import-disc", disc, "--forward", "backup")
    assert done.code == 0, done.err
    found = messages(audited)
    assert kinds(found) == [(IMPORT, "C", "0"), (BEGIN, "E", "0"), (TRANSFERRED, "R", "0")]
    assert len(participants(found[0], SOURCE_MEDIA)) == 1
    assert list(objects(found[0], "110180")) == ["1.2.3"]
    assert [row["way"] for row in lines(audited)[0]["transfers"]] == ["imported", "sent"]


@pytest.mark.fault("G27")
def test_a_disc_of_several_patients_that_is_refused_is_in_the_trail(audited, people):
    done = audited.run("import-disc", people, "--forward", "backup")
    assert done.code == 82
    (line,) = lines(audited)
    assert line["code"] == 82
    assert [(row["way"], row["failed"]) for row in line["transfers"]] == [("imported", 7)]


@pytest.mark.fault("G27")
def test_a_trail_that_cannot_be_written_is_a_warning(audited, people):
    (audited.folder / "audit.xml").mkdir()
    report = audited.run("send", "backup", people, "--json").report
    assert report["code"] == 0
    assert "audit.xml could not be written" in " ".join(report["warnings"])


def test_a_received_study_names_who_sent_it(lab, people):
    with Receipt(lab.folder, quiet_seconds=0.2) as receipt:
        lab.name("us", receipt.port, "CDRECORD", calling_ae_title="MODALITY")
        assert lab.run("send", "us", people / "1.2.5").code == 0
        events = []
        receipt.running._event = events.append
        assert receipt.wait_for(lambda: events)
        (event,) = events
        (transfer,) = transfers_of(event, receipt.folder)
    assert (transfer.node.ae_title, transfer.node.host) == ("MODALITY", "127.0.0.1")
    assert transfer.taken == 2
    (study,) = transfer.studies
    assert (study.study_instance_uid, study.patient_id) == ("1.2.5", "P,2")


def test_two_runs_are_two_lines(audited, people):
    save(audited.folder, "one/IM1", instance("1.2.9"))
    for _ in range(2):
        audited.run("send", "backup", audited.folder / "one")
    assert [line["code"] for line in lines(audited)] == [0, 0]
    assert len({line["job"] for line in lines(audited)}) == 2


@pytest.mark.fault("G27")
def test_a_signal_while_sending_leaves_a_line_of_what_had_gone(audited):
    for n in range(1, 401):
        save(audited.folder, f"many/IM{n}", instance("1.2.9", 1, n))
    held = Held(audited.archive("backup", folder=audited.folder / "empty"), 5)

    def stop_in_the_middle():
        held.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        held.go_on.set()

    stopper = threading.Thread(target=stop_in_the_middle)
    stopper.start()
    done = audited.run("send", "backup", audited.folder / "many")
    stopper.join()
    assert done.code == 143, done.err
    (line,) = lines(audited)
    (row,) = line["transfers"]
    assert line["code"] == 143
    assert row["instances"] + row["failed"] == 400
    assert row["failed"]
    begun = messages(audited)
    assert event_of(begun[0]) == (BEGIN, "E", "0")
    assert event_of(begun[-1]) == (TRANSFERRED, "R", "4")


@pytest.mark.fault("G27")
def test_the_collector_is_told_and_one_that_is_away_loses_nothing(audited, people):
    port = free_port()
    audited.audit = {"syslog": f"tcp://127.0.0.1:{port}", "timeout": 0.5}
    audited.archive("backup", folder=audited.folder / "empty")  # the configuration anew
    first = audited.run("send", "backup", people / "1.2.5")
    assert first.code == 0
    assert "Audit messages that wait" in first.err
    with Collector(port=port) as collector:
        second = audited.run("send", "backup", people / "1.2.4")
    assert (second.code, "Audit" in second.err) == (0, False)
    found = [checked(content) for content in collector.contents]
    assert kinds(found) == [(BEGIN, "E", "0"), (TRANSFERRED, "R", "0")] * 2
    assert [list(objects(m, "2")) for m in found] == [["P,2"]] * 2 + [["P1"]] * 2


def wait_for_lines(lab, count, seconds=60):
    path = lab.folder / "state" / "transfers.jsonl"
    deadline = time.monotonic() + seconds
    while not path.exists() or len(lines(lab)) < count:
        assert time.monotonic() < deadline, lines(lab) if path.exists() else "no line"
        time.sleep(0.05)
    return lines(lab)


@pytest.mark.fault("G27")
def test_a_receiver_tells_of_what_came_and_of_who_was_turned_away(audited, people):
    words = ["--output", audited.folder / "in", "--quiet", "1", "--allow", "MODALITY"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mkiso", "receive", *words, "--config", audited.config],
        cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "listening" in process.stderr.readline() + process.stderr.readline()
        with RawPeer(audited.receiver_port) as stranger:
            stranger.send(associate_rq(((1, CT, EXPLICIT),), calling="NOBODY"))
            stranger.read_pdu()
        (line,) = wait_for_lines(audited, 1)
        audited.name("us", audited.receiver_port, "CDRECORD", calling_ae_title="MODALITY")
        assert audited.run("send", "us", people / "1.2.5").code == 0
        # the sender's own line, and the receiver's a second later
        wait_for_lines(audited, 3)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert (line["command"], line["code"]) == ("receive", 77)
    (away,) = line["turned_away"]
    assert away["address"] == "127.0.0.1"
    assert "NOBODY" in away["reason"]
    (came,) = [each for each in lines(audited) if each["command"] == "receive" and not each["code"]]
    (row,) = came["transfers"]
    assert (row["from"], row["instances"]) == ("MODALITY@127.0.0.1", 2)
    assert row["folder"] == str(audited.folder / "in")
    alert = messages(audited)[0]
    assert event_of(alert) == (ALERT, "E", "4")
    pushed = [m for m in messages(audited) if event_of(m)[1] == "C"]
    assert [titles(m, SOURCE) for m in pushed] == [["MODALITY"]]


def test_who_disturbs_a_retrieval_is_an_alert(audited):
    audited.archive("pacs", folder=make_people(audited.folder / "files"))
    audited.name("pacs", audited.nodes["pacs"]["port"], send_as=["SOMEBODY"], retries=0)
    done = audited.run(
        "retrieve", "pacs", "--accession", "A1", "--output", audited.folder / "out",
        "--stall-timeout", "2", "--set", "job.first_instance_timeout=2",
        "--set", "job.quiet_period=0.2",
    )  # fmt: skip
    assert done.code
    (line,) = lines(audited)
    assert "ABPACS" in line["turned_away"][0]["reason"]
    (row,) = line["transfers"]
    assert (row["instances"], row["failed"]) == (0, 4)
    assert ALERT in {event_of(m)[0] for m in messages(audited)}

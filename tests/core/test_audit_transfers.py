"""What moved, as the tables of PS3.15 A.5.3 and the line of a run want it."""

import json

from audit_schema import checked, event_of, objects, participants

from mkiso.core.audit_intention import finished, intention
from mkiso.core.audit_message import Source
from mkiso.core.audit_parts import AuditedStudy, Place
from mkiso.core.audit_transfers import (
    Transfer,
    TransferRun,
    Way,
    transfer_line,
    transfer_messages,
)
from mkiso.core.job import Node
from mkiso.core.report import DiscReport, Report

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = AuditedStudy("1.2.3", "A1", "P1", "", ((CT, 4),))
OTHER = AuditedStudy("1.2.4", "A2", "P2", "HOSPITAL", ((CT, 1),))
PLACE = Place(Source("here"), "77", "host.example", "www-data")
NODE = Node("backup", "BACKUP", "192.0.2.7", 104)


def run(*transfers, code=0, requested_by="Dr. Example"):
    return TransferRun(
        "send", "job-1", code, "It went.", requested_by, "CDRECORD",
        "2026-01-31T10:30:00.123+00:00", transfers,
    )  # fmt: skip


def messages(*transfers, **more):
    return [checked(text) for text in transfer_messages(run(*transfers, **more), PLACE)]


def requestors(message):
    return [
        p.get("UserID")
        for p in message.findall("ActiveParticipant")
        if p.get("UserIsRequestor") == "true"
    ]


def test_what_went_and_what_did_not_are_two_messages_after_the_intention():
    found = messages(Transfer(Way.SENT, NODE, studies=(STUDY,), taken=3, failed=1), code=84)
    assert [event_of(m) for m in found] == [
        ("110102", "E", "0"),
        ("110104", "R", "0"),
        ("110104", "R", "4"),
    ]
    assert "1 instances did not arrive, 3 did" in found[2].findtext(
        "EventIdentification/EventOutcomeDescription"
    )
    assert {tuple(requestors(m)) for m in found} == {("Dr. Example",)}


def test_a_message_names_one_patient():
    found = messages(Transfer(Way.RECEIVED, NODE, studies=(STUDY, OTHER), taken=5))
    assert [list(objects(m, "2")) for m in found] == [["P1"], ["P2^^^HOSPITAL"]]
    assert [event_of(m) for m in found] == [("110104", "C", "0")] * 2


def test_who_sends_of_its_own_accord_is_the_requestor():
    sender = Node("CT1@192.0.2.9", "CT1", "192.0.2.9", 0)
    (message,) = messages(Transfer(Way.PUSHED, sender, studies=(STUDY,), taken=4))
    assert requestors(message) == ["CT1"]
    (us,) = participants(message, "110152")
    assert us.get("UserID") == "77"


def test_an_import_names_all_patients_and_a_medium_without_a_name():
    (message,) = messages(Transfer(Way.IMPORTED, studies=(STUDY, OTHER), failed=5), code=82)
    assert event_of(message) == ("110107", "C", "8")
    assert len(objects(message, "2")) == 2
    (medium,) = participants(message, "110155")
    assert (medium.get("UserID"), medium.get("UserIsRequestor")) == ("(medium)", "false")


def test_of_what_nothing_is_known_there_is_a_line_and_no_message():
    transfer = Transfer(Way.RECEIVED, NODE, asked=("A9",), folder="/out")
    assert messages(transfer, code=66) == []
    line = json.loads(transfer_line(run(transfer, code=66), "www-data"))
    assert (line["code"], line["name"], line["user"]) == (66, "NOT_FOUND", "www-data")
    assert line["transfers"] == [
        {"way": "received", "from": "BACKUP@192.0.2.7:104", "to": "CDRECORD", "folder": "/out",
         "asked": ["A9"], "studies": [], "accessions": [], "instances": 0, "failed": 0}
    ]  # fmt: skip


# --- what a run that was killed had meant to say

DISCS = tuple(DiscReport(f"/out/A{n}.iso", 1, f"{n}" * 64, f"A{n}", 3) for n in (1, 2))


def meant():
    report = Report(0, "", job="job-1", discs=DISCS, ended="2026-01-31T10:30:00.123+00:00")
    lines = [json.dumps({"job": "job-1", "path": disc.path}) for disc in DISCS]
    return json.loads(json.dumps(intention(report, lines, ["received", "one", "two"])))


def test_only_discs_that_are_there_are_told_of():
    there = {"/out/A2.iso"}
    lines, told, moment = finished(meant(), lambda path, _hash: path in there, lambda _job: False)
    assert [json.loads(line)["path"] for line in lines] == ["/out/A2.iso"]
    assert json.loads(lines[0])["recovered"]
    assert (told, moment) == (["received", "two"], "2026-01-31T10:30:00.123+00:00")


def test_a_job_that_has_its_line_gets_no_second_one():
    lines, told, _ = finished(meant(), lambda *_: True, lambda job: job == "job-1")
    assert (lines, told) == ([], ["received", "one", "two"])


def test_what_nobody_can_read_or_nothing_came_of_is_nothing():
    assert finished(meant(), lambda *_: False, lambda _job: False) == ([], [], "")
    for content in ({}, {"discs": 7}, {"discs": [{"path": "x"}]}):
        assert finished(content, lambda *_: True, lambda _job: False) == ([], [], "")

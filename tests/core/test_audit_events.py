"""Audit messages against the schema of PS3.15 A.5.1 and the tables of A.5.3."""

import json

import pytest
from audit_schema import checked, details, event_of, objects, participants

from mkiso.core.audit_alerts import Stranger
from mkiso.core.audit_events import (
    AuditedDisc,
    AuditedForward,
    AuditedRun,
    audit_messages,
)
from mkiso.core.audit_line import audit_lines
from mkiso.core.audit_message import Source
from mkiso.core.audit_parts import AuditedStudy, Place, outcome_of
from mkiso.core.collector import parse_collector
from mkiso.core.exit_codes import EXIT_CODES
from mkiso.core.job import Collector, Job, Node
from mkiso.core.report import DiscReport, Report, StudyReport
from mkiso.errors import ConfigError

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = AuditedStudy("1.2.3", "A1", "P1", "HOSPITAL", ((CT, 4),))
OTHER = AuditedStudy("1.2.4", "", "P2", "", ((CT, 1),))
DISC = AuditedDisc("/out/A 1.iso", "A1", "ab" * 32, (STUDY,))
PLACE = Place(Source("here", "City <Hospital>"), "77", "host.example", "www-data")
ARCHIVE = Node("abpacs", "ABPACS", "192.0.2.7", 104)


def run(**changes):
    given = {
        "job_id": "20260131T103000-abcdef",
        "code": 0,
        "message": "Made it.",
        "requested_by": 'Dr. "O\'Neill" <x@y>',
        "accession_numbers": ("A1",),
        "archive": ARCHIVE,
        "our_ae_title": "CDRECORD",
        "received": (STUDY,),
        "has_received": True,
        "is_complete": True,
        "discs": (DISC,),
        "forwarded": (),
        "forward_began": "2026-01-31T10:29:00.000+00:00",
        "ended": "2026-01-31T10:30:00.123+00:00",
        **changes,
    }
    return [checked(text) for text in audit_messages(AuditedRun(**given), PLACE)]


def kinds(messages):
    return [event_of(message) for message in messages]


def test_a_disc_is_a_transfer_and_an_export():
    transferred, export = run()
    assert kinds([transferred, export]) == [("110104", "C", "0"), ("110106", "R", "0")]
    (source,) = participants(transferred, "110153")
    (destination,) = participants(transferred, "110152")
    assert (source.get("UserID"), source.get("NetworkAccessPointID")) == ("ABPACS", "192.0.2.7")
    assert source.get("NetworkAccessPointTypeCode") == "2"
    assert destination.get("AlternativeUserID") == "AETITLES=CDRECORD"


def test_an_export_names_one_medium_who_asked_and_what_is_on_it():
    export = run()[1]
    (medium,) = participants(export, "110154")
    assert medium.get("UserIsRequestor") == "false"
    assert medium.get("NetworkAccessPointID") == "file:///out/A%201.iso"
    assert medium.find("MediaIdentifier/MediaType").get("csd-code") == "110037"
    who = participants(export, "110153")
    assert [(p.get("UserID"), p.get("UserIsRequestor")) for p in who] == [
        ('Dr. "O\'Neill" <x@y>', "true"),
        ("77", "false"),
    ]
    study = objects(export, "110180")["1.2.3"]
    assert study.get("ParticipantObjectDataLifeCycle") == "10"
    assert study.find("ParticipantObjectDescription/Accession").get("Number") == "A1"
    of_class = study.find("ParticipantObjectDescription/SOPClass")
    assert (of_class.get("UID"), of_class.get("NumberOfInstances")) == (CT, "4")
    (patient,) = objects(export, "2").values()
    assert patient.get("ParticipantObjectID") == "P1^^^HOSPITAL"
    assert patient.find("ParticipantObjectName").text is None
    (job,) = objects(export, "job").values()
    assert details(job) == [("AccessionNumber", "A1"), ("ExitCode", "0"), ("SHA-256", "ab" * 32)]


def test_without_a_name_the_process_is_the_requestor():
    """A single participant is the requestor (A.5.3.4.1)."""
    for message in run(requested_by=""):
        requestors = [
            p.get("UserID")
            for p in message.findall("ActiveParticipant")
            if p.get("UserIsRequestor") == "true"
        ]
        assert requestors == ["77"]


def test_a_refused_disc_is_an_export_that_failed():
    (export,) = run(code=82, message="Two patients.", discs=(), received=(), has_received=False)
    assert event_of(export) == ("110106", "R", "8")
    described = export.find("EventIdentification/EventOutcomeDescription")
    assert described.text == "Two patients."
    (medium,) = participants(export, "110154")
    assert medium.get("UserID") == "(no disc)"


def test_a_transfer_tells_of_one_patient_only():
    messages = run(received=(STUDY, OTHER))
    assert kinds(messages) == [("110104", "C", "0")] * 2 + [("110106", "R", "0")]
    assert [list(objects(m, "110180")) for m in messages[:2]] == [["1.2.3"], ["1.2.4"]]
    assert [list(objects(m, "2")) for m in messages[:2]] == [["P1^^^HOSPITAL"], ["P2"]]


def test_forwarding_is_begun_and_then_told_apart_in_good_and_bad():
    backup = Node("backup", "BACKUP", "backup.example", 104)
    messages = run(forwarded=(AuditedForward(backup, 3, 1),))[2:]
    assert kinds(messages) == [("110102", "E", "0"), ("110104", "R", "0"), ("110104", "R", "4")]
    moments = [m.find("EventIdentification").get("EventDateTime") for m in messages]
    assert moments[0] < moments[1] == moments[2]
    for message in messages:
        (destination,) = participants(message, "110152")
        assert destination.get("UserID") == "BACKUP"
        assert destination.get("NetworkAccessPointTypeCode") == "1"


def test_a_stranger_is_a_security_alert():
    alert = run(strangers=(Stranger("192.0.2.66", "X for CDRECORD was turned away"),))[0]
    assert event_of(alert) == ("110113", "E", "4")
    kind = alert.find("EventIdentification/EventTypeCode").get("csd-code")
    assert kind == "110126"
    (node,) = objects(alert, "110182").values()
    assert details(node) == [("Alert Description", "X for CDRECORD was turned away")]


def test_what_a_person_overruled_is_in_every_message():
    for message in run(overruled=("study 1.2.3: a differing birth date",)):
        (job,) = objects(message, "job").values()
        assert ("Overruled", "study 1.2.3: a differing birth date") in details(job)


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "a\nb\tc", "x\x00\x1b[2Jy", "]]>&amp;\"'", "\ud800\ufffe", "한"],
)
def test_no_text_breaks_a_message_or_its_line(text):
    study = AuditedStudy("1.2.3", text, text, text, ((text, 4),))
    disc = AuditedDisc(f"/out/{text}", text, text, (study,))
    given = {
        "job_id": text, "message": text, "requested_by": text, "accession_numbers": (text,),
        "received": (study,), "discs": (disc,), "overruled": (text,), "our_ae_title": text,
        "archive": Node("n", text, text, 104), "strangers": (Stranger(text, text),),
    }  # fmt: skip
    assert len(run(**given)) == 3
    refused = run(**given, code=81)
    assert len(refused) == 3
    messages = audit_messages(
        AuditedRun(
            **{
                "code": 0, "has_received": True, "is_complete": True, "forwarded": (),
                "forward_began": "", "ended": "2026-01-31T10:30:00.123+00:00", **given,
            }
        ),
        PLACE,
    )  # fmt: skip
    assert not any(len(message.splitlines()) > 1 for message in messages)
    for message in messages:
        message.encode("utf-8")


def test_every_exit_code_has_an_outcome():
    outcomes = {row.code: outcome_of(row.code) for row in EXIT_CODES}
    assert outcomes[0] == 0
    assert {code for code, outcome in outcomes.items() if outcome == 8} == {70, 77, 81, 82, 83, 87}
    assert set(outcomes.values()) == {0, 4, 8}


# --- the line of JSON


def report(**more):
    given = {
        "code": 0, "message": "Made it.", "job": "j", "accessions": ("A1",), "received": 4,
        "requested_by": "me", "ended": "2026-01-31T10:30:00.123+00:00",
        "studies": (StudyReport("1.2.3", "A1", {"CT": 4}, 4),), **more,
    }  # fmt: skip
    return Report(**given)


def lines(made):
    job = Job("j", ("A1",), ARCHIVE)
    return [json.loads(line) for line in audit_lines(made, job, "www-data")]


def test_each_disc_is_a_line_that_says_who_when_what_and_where_to():
    discs = tuple(
        DiscReport(f"/out/A{n}.iso", 9, "ab" * 32, f"A{n}", 2, number=n, of=2) for n in (1, 2)
    )
    first, second = lines(report(discs=discs))
    assert (first["path"], second["path"]) == ("/out/A1.iso", "/out/A2.iso")
    assert first["requested_by"] == "me"
    assert first["user"] == "www-data"
    assert first["time"] == "2026-01-31T10:30:00.123+00:00"
    assert (first["accessions"], first["studies"]) == (["A1"], ["1.2.3"])
    assert first["sha256"] == "ab" * 32
    assert (first["code"], first["name"]) == (0, "OK")


def test_a_refusal_is_a_line_with_its_reason():
    (line,) = lines(report(code=82, message="Two patients."))
    assert (line["code"], line["name"], line["message"]) == (82, "AMBIGUOUS", "Two patients.")
    assert "path" not in line


# --- the collector's address


@pytest.mark.parametrize(
    ("text", "collector"),
    [
        ("tls://a.example:7000", Collector("a.example", 7000, is_tls=True)),
        ("tls://a.example", Collector("a.example", 6514, is_tls=True)),
        ("tcp://10.1.2.3", Collector("10.1.2.3", 601, is_tls=False)),
        ("tcp://[::1]:514/", Collector("::1", 514, is_tls=False)),
    ],
)
def test_a_collector_is_written_as_a_url(text, collector):
    assert parse_collector(text) == collector


@pytest.mark.parametrize(
    "text", ["", "a.example", "udp://a", "tls://", "tls://a:0", "tls://a:65536", "tcp://a b", "tls://a/x"]
)  # fmt: skip
def test_what_is_no_collector_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match=r"tls://|port"):
        parse_collector(text)

"""The audit trail of whole jobs: to a file, to a collector, and one line a disc."""

import dataclasses
import json
import stat

import pytest
from audit_schema import checked, details, event_of, objects, participants
from certificates import Authority
from syslog_collector import Collector as Server
from syslog_collector import tls_context
from whole_jobs import PERSON, free_port, instance, study

from mkiso.archive.server import EmbeddedArchive
from mkiso.core.job import Audit, Collector, Node, Tls
from mkiso.errors import AmbiguousError, IdentityError, NotFoundError

TRANSFERRED, EXPORT, BEGIN, ALERT = "110104", "110106", "110102", "110113"


def audited(lab, **audit):
    """A file, unless something else is wanted."""
    given = audit or {"file": lab.folder / "audit.xml"}
    lab.settings["audit"] = Audit(source_id="mkiso-test", **given)
    return lab


def trail(lab):
    return [checked(line) for line in (lab.folder / "audit.xml").read_text().splitlines()]


def disc_lines(lab):
    text = (lab.folder / "state" / "discs.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def kinds(messages):
    return [event_of(message) for message in messages]


def test_a_disc_is_in_the_trail_with_patient_study_and_who_asked(lab, archive):
    result = audited(lab).make(requested_by="Dr. Example")
    assert result.code == 0
    transferred, export = trail(lab)
    assert kinds([transferred, export]) == [(TRANSFERRED, "C", "0"), (EXPORT, "R", "0")]
    for message in (transferred, export):
        assert list(objects(message, "2")) == [PERSON["PatientID"]]
        (found,) = objects(message, "110180").values()
        assert found.get("ParticipantObjectID") == "1.2.3"
        described = found.find("ParticipantObjectDescription")
        assert described.find("Accession").get("Number") == "A1"
        assert described.find("SOPClass").get("NumberOfInstances") == "4"
        source = message.find("AuditSourceIdentification")
        assert source.get("AuditSourceID") == "mkiso-test"
    assert "Dr. Example" in {p.get("UserID") for p in participants(export, "110153")}
    (job,) = objects(export, "job").values()
    assert ("SHA-256", result.report["discs"][0]["sha256"]) in details(job)
    assert stat.S_IMODE((lab.folder / "audit.xml").stat().st_mode) == 0o600


def test_the_trail_holds_the_patient_s_number_and_never_the_name_or_birth_date(lab, archive):
    audited(lab).make()
    text = (lab.folder / "audit.xml").read_text()
    assert PERSON["PatientID"] in text
    for secret in ("Quux", "Zebulon", PERSON["PatientBirthDate"]):
        assert secret not in text


def test_without_a_word_in_the_configuration_no_patient_s_number_is_kept(lab, archive):
    lab.make(requested_by="Dr. Example")
    kept = [p for p in (lab.folder / "state").rglob("*") if p.is_file()]
    assert [p for p in kept if PERSON["PatientID"].encode() in p.read_bytes()] == []
    (line,) = disc_lines(lab)
    assert line["requested_by"] == "Dr. Example"
    assert line["path"] == str(lab.output / "A1.iso")
    assert stat.S_IMODE((lab.folder / "state" / "discs.jsonl").stat().st_mode) == 0o600


def test_two_patients_under_one_number_are_a_refusal_in_the_trail(lab):
    study(lab.images, study="1.2.9", PatientID="OTHER", PatientName="Other^One")
    lab.start()
    result = audited(lab).make(check=False)
    assert result.code == AmbiguousError.code
    export = trail(lab)[-1]
    assert event_of(export) == (EXPORT, "R", "8")
    assert export.find("EventIdentification/EventOutcomeDescription").text == result.message
    (line,) = disc_lines(lab)
    assert (line["code"], line["accessions"]) == (AmbiguousError.code, ["A1"])


def test_an_instance_of_another_study_is_an_alert_and_a_refusal(lab, archive):
    def foreign(move):
        with move.associated() as association:
            move.store(association, instance(study="1.2.9", PatientID="OTHER"))
        move.normally()

    archive.on_move = foreign
    result = audited(lab).make(check=False)
    assert result.code == IdentityError.code
    alert, *_, export = trail(lab)
    assert (event_of(alert)[0], event_of(export)) == (ALERT, (EXPORT, "R", "8"))
    (node,) = objects(alert, "110182").values()
    assert "1.2.9" in details(node)[0][1]


def test_a_stranger_s_connection_is_an_alert(lab, archive):
    lab.node["send_as"] = ("SOMEBODY",)
    audited(lab).make()
    alerts = [m for m in trail(lab) if event_of(m)[0] == ALERT]
    assert alerts
    (node,) = objects(alerts[0], "110182").values()
    assert node.get("ParticipantObjectID") == "127.0.0.1"
    assert "ABPACS" in details(node)[0][1]


def test_a_number_that_nobody_knows_is_in_the_trail(lab, archive):
    result = audited(lab).make("NOBODY")
    assert result.code == NotFoundError.code
    (export,) = trail(lab)
    assert event_of(export) == (EXPORT, "R", "4")
    (job,) = objects(export, "job").values()
    assert ("AccessionNumber", "NOBODY") in details(job)


def test_forwarding_is_begun_and_ended_in_the_trail(lab, archive, tmp_path):
    (tmp_path / "backup").mkdir()
    with EmbeddedArchive(tmp_path / "backup", "BACKUP") as backup:
        node = Node("backup", "BACKUP", "127.0.0.1", backup.port)
        audited(lab).make(forward=(node,))
    begun, ended = trail(lab)[2:]
    assert kinds([begun, ended]) == [(BEGIN, "E", "0"), (TRANSFERRED, "R", "0")]
    (destination,) = participants(ended, "110152")
    assert destination.get("UserID") == "BACKUP"


# --- the collector


def to(port, **more):
    return {"collector": Collector("127.0.0.1", port, is_tls="tls" in more), **more}


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority")).sign("ours")


def queue(lab):
    return sorted((lab.folder / "state" / "audit-queue").glob("*.msg"))


@pytest.mark.parametrize("secure", [False, True])
def test_the_collector_is_told_over_tcp_and_tls(lab, archive, ours, secure):
    context = tls_context(ours) if secure else None
    with Server(context) as server:
        result = audited(lab, **to(server.port, **({"tls": ours.tls()} if secure else {}))).make()
    assert (result.code, result.report["warnings"]) == (0, [])
    assert kinds(map(checked, server.contents)) == [(TRANSFERRED, "C", "0"), (EXPORT, "R", "0")]
    assert queue(lab) == []


def test_a_collector_that_is_away_loses_nothing_and_fails_no_job(lab, archive):
    port = free_port()
    first = audited(lab, **to(port)).make()
    assert first.code == 0
    assert "Audit messages that wait" in first.warnings
    assert ": 2;" in first.warnings
    assert {stat.S_IMODE(path.stat().st_mode) for path in queue(lab)} == {0o600}
    with Server(port=port) as server:
        second = lab.make("NOBODY")
    assert "Audit" not in second.warnings
    assert [event_of(checked(c))[2] for c in server.contents] == ["0", "0", "4"]
    assert queue(lab) == []


def test_a_collector_that_hangs_holds_a_job_no_longer_than_its_deadline(lab, archive):
    with Server(reads=False) as server:
        result = audited(lab, **to(server.port), timeout_seconds=0.5).make()
    assert result.code == 0
    assert result.seconds < 20
    assert "Audit messages that wait" in result.warnings
    assert len(queue(lab)) == 2


def test_a_collector_with_another_certificate_is_told_nothing(lab, archive, ours, tmp_path):
    stranger = Authority(tmp_path / "other", "Another Authority").sign("stranger")
    with Server(tls_context(stranger)) as server:
        result = audited(lab, **to(server.port, tls=ours.tls())).make()
    assert (result.code, server.contents) == (0, [])
    assert "certificate verify failed" in result.warnings
    assert len(queue(lab)) == 2


def test_a_trail_that_cannot_be_written_is_a_warning_and_the_disc_is_there(lab, archive, tmp_path):
    (tmp_path / "folder.xml").mkdir()
    result = audited(lab, file=tmp_path / "folder.xml").make()
    assert (result.code, len(result.discs)) == (0, 1)
    assert "folder.xml could not be written: Is a directory" in result.warnings


def test_a_missing_certificate_for_the_collector_costs_no_disc(lab, archive):
    with Server() as server:
        result = audited(lab, **to(server.port, tls=Tls("/no/such.pem"))).make()
    assert result.code == 0
    assert "/no/such.pem" in result.warnings
    assert dataclasses.asdict(Audit())["collector"] is None

"""What an archive has that is left running: rules, titles, storage commitment, MPPS, SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom import AE, build_role, evt
from whole_jobs import free_port

import mkiso.core
from mkiso.archive.access import AccessRules, parse_rule
from mkiso.archive.server import Extras
from mkiso.core.job import Node, ReceiverAddress
from mkiso.core.query import matching_study, study_query
from mkiso.errors import ConfigError, PermissionDeniedError, UsageError
from mkiso.network.commitment import CommitmentListener, request_commitment
from mkiso.network.echo import echo
from mkiso.network.find import FindSession

COMMITMENT = "1.2.840.10008.1.20.1"
INSTANCE = "1.2.840.10008.1.20.1.1"
MPPS = "1.2.840.10008.3.1.2.3.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"


def node(archive, ae_title: str = "ABPACS") -> Node:
    return Node("pacs", ae_title, "127.0.0.1", archive.port, retries=0)


def find(archive, calling: str, ae_title: str = "ABPACS") -> int:
    session = FindSession(node(archive, ae_title), calling_ae_title=calling, log=lambda _line: None)
    query = study_query(accession_number="A1")
    found = session.find(query, lambda a: matching_study(a, query), most_answers=10)
    session.close()
    return len(found.matches)


def test_it_answers_to_each_of_its_titles_and_to_no_other(start) -> None:
    archive = start(extras=Extras(further_ae_titles=("TEACHING",)))
    assert find(archive, "ANY") == find(archive, "ANY", "TEACHING") == 2
    with pytest.raises(ConfigError, match="called AE title not recognized"):
        echo(node(archive, "OTHER"), calling_ae_title="ANY")


def test_rules_say_who_may_do_what(start) -> None:
    rules = AccessRules(map(parse_rule, ["WS1=find", "CT1@127.0.0.0/8=store", "X@10.0.0.0/8"]))
    archive = start(extras=Extras(access=rules))
    assert find(archive, "WS1") == 2
    with pytest.raises(PermissionDeniedError, match="0124H"):
        find(archive, "CT1")
    echo(node(archive), calling_ae_title="CT1")
    for stranger in ("NOBODY", "X"):
        with pytest.raises(ConfigError, match="calling AE title not recognized"):
            echo(node(archive), calling_ae_title=stranger)


def test_a_store_that_is_not_allowed_leaves_nothing(start, lab) -> None:
    archive = start(extras=Extras(access=AccessRules([parse_rule("WS1=find")])))
    ae = AE("WS1")
    ae.add_requested_context(CT)
    association = ae.associate("127.0.0.1", archive.port, ae_title="ABPACS")
    data_set = lab.make("1.2.99")
    assert association.send_c_store(data_set).Status == 0x0124
    association.release()
    assert archive.contents.studies == 3
    assert not list(Path(archive.folder).glob("received/**/*.dcm"))


@pytest.mark.parametrize("text", ["WS1@nowhere", "WS1=fly", "A\\B", "=find"])
def test_a_rule_that_says_nothing_is_refused(text) -> None:
    with pytest.raises(UsageError):
        parse_rule(text)


def commit(archive, references, listener=None, calling="SENDER", seconds=10.0):
    return request_commitment(
        node(archive),
        references,
        calling_ae_title=calling,
        listener=listener,
        wait_seconds=seconds,
        log=lambda _line: None,
    )


def test_commitment_is_for_what_is_on_the_disk(start) -> None:
    archive = start()
    lost = next(i for i in archive.index.stored(()) if i.sop_instance_uid == "1.2.3.1.2")
    lost.path.unlink()
    answer = commit(archive, [(CT, "1.2.3.1.1"), (CT, "1.2.3.1.2"), (MR, "1.2.3.1.3"), (CT, "9.9")])
    assert answer.committed == ("1.2.3.1.1",)
    assert answer.failed == {
        "1.2.3.1.2": "no such instance",
        "1.2.3.1.3": "class and instance do not fit",
        "9.9": "no such instance",
    }


def test_what_became_shorter_is_not_committed_to(start) -> None:
    archive = start()
    cut = next(i for i in archive.index.stored(()) if i.sop_instance_uid == "1.2.3.1.2")
    cut.path.write_bytes(cut.path.read_bytes()[:-100])
    answer = commit(archive, [(CT, "1.2.3.1.1"), (CT, "1.2.3.1.2")])
    assert answer.committed == ("1.2.3.1.1",)
    assert answer.failed == {"1.2.3.1.2": "no such instance"}


def test_a_registered_requestor_is_called_back(start) -> None:
    port = free_port()
    archive = start(destinations={"SENDER": ("127.0.0.1", port)})
    address = ReceiverAddress("SENDER", port, "127.0.0.1")
    with CommitmentListener(address, node(archive)) as listener:
        answer = commit(archive, [(CT, "1.2.3.1.1")], listener)
    assert answer.committed == ("1.2.3.1.1",)


def _request() -> Dataset:
    asked, item = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, "1.2.3.1.1"
    asked.TransactionUID, asked.ReferencedSOPSequence = "1.2.3.4", Sequence([item])
    return asked


def test_pynetdicom_hears_the_report_on_its_own_association(start) -> None:
    archive = start()
    heard = threading.Event()
    reports = []

    def report(event):
        reports.append(event.event_information)
        heard.set()
        return 0x0000, None

    ae = AE("SENDER")
    ae.add_requested_context(COMMITMENT)
    association = ae.associate(
        "127.0.0.1", archive.port, ae_title="ABPACS",
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)],
    )  # fmt: skip
    status, _ = association.send_n_action(_request(), 1, COMMITMENT, INSTANCE)
    assert status.Status == 0
    assert heard.wait(10)
    association.release()
    assert reports[0].TransactionUID == "1.2.3.4"
    assert reports[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.1.1"


def test_pynetdicom_hears_the_report_on_a_new_association(start) -> None:
    heard = threading.Event()
    scp = AE("SENDER")
    scp.add_supported_context(COMMITMENT, scu_role=False, scp_role=True)

    def report(event):
        heard.set()
        return 0x0000, None

    server = scp.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)]
    )
    try:
        port = server.server_address[1]
        archive = start(destinations={"SENDER": ("127.0.0.1", port)})
        ae = AE("SENDER")
        ae.add_requested_context(COMMITMENT)
        association = ae.associate(
            "127.0.0.1", archive.port, ae_title="ABPACS",
            ext_neg=[build_role(COMMITMENT, scu_role=True, scp_role=False)],
        )  # fmt: skip
        status, _ = association.send_n_action(_request(), 1, COMMITMENT, INSTANCE)
        association.release()
        assert status.Status == 0
        assert heard.wait(15)
    finally:
        server.shutdown()


def test_a_commitment_that_asks_for_nothing_is_refused(start) -> None:
    archive = start()
    ae = AE("SENDER")
    ae.add_requested_context(COMMITMENT)
    association = ae.associate("127.0.0.1", archive.port, ae_title="ABPACS")
    empty = Dataset()
    empty.TransactionUID = "1.2.3"
    assert association.send_n_action(empty, 1, COMMITMENT, INSTANCE)[0].Status == 0x0115
    assert association.send_n_action(_request(), 2, COMMITMENT, INSTANCE)[0].Status == 0x0123
    assert association.send_n_action(_request(), 1, COMMITMENT, "1.2.3")[0].Status == 0x0119
    association.release()


def test_a_step_lacks_nothing_that_it_must_have(start, tmp_path) -> None:
    archive = start(extras=Extras(steps_folder=tmp_path / "steps"))
    ae = AE("CT1")
    ae.add_requested_context(MPPS)
    association = ae.associate("127.0.0.1", archive.port, ae_title="ABPACS")
    step = Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    assert association.send_n_create(step, MPPS, "1.2.7")[0].Status == 0x0120
    assert association.send_n_set(step, MPPS, "1.2.7")[0].Status == 0x0112
    association.release()
    assert list((tmp_path / "steps").iterdir()) == []


def test_what_was_answered_with_success_survives_sigkill(tmp_path, lab) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    port = free_port()
    checkout = Path(mkiso.core.__file__).parents[2]
    command = [sys.executable, "-m", "mkiso", "archive", str(folder), "--port", str(port),
               "--mpps", str(tmp_path / "steps")]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": str(checkout), "HOME": str(tmp_path)}
    taken = []
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert "listening" in process.stdout.readline()
        ae = AE("CT1")
        ae.add_requested_context(CT)
        association = ae.associate("127.0.0.1", port, ae_title="ABPACS")
        for n in range(1, 31):
            data_set = lab.make("1.2.30", "1", str(n))
            if association.send_c_store(data_set).Status == 0:
                taken.append(data_set.SOPInstanceUID)
        process.send_signal(signal.SIGKILL)
        association.abort()
    assert len(taken) == 30
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert "30 instances of 1 studies" in process.stdout.readline()
        process.kill()

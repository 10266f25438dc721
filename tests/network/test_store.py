import contextlib
import subprocess
import threading
import time

import pydicom
import pytest
from scripted_peer import EXPLICIT, IMPLICIT, ScriptedPeer, raw_peer, respond, wait_for

from mkiso.core.contexts import VERIFICATION
from mkiso.core.job import Node
from mkiso.errors import DataError, TemporaryError
from mkiso.network import dimse
from mkiso.network.store import OutgoingFile, StoreSurroundings, send_files
from mkiso.network.upper_layer import REJECT_CALLING_AE_TITLE, REJECT_LOCAL_LIMIT

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
JPEG = "1.2.840.10008.1.2.4.70"


@pytest.fixture
def files(tmp_path):
    """Make files whose data sets stand somewhere inside: `files(3, size=1000, syntax=...)`."""

    def make(count, *, size=1000, syntax=EXPLICIT, sop_class_uid=CT, first=0):
        made = []
        for n in range(first, first + count):
            path = tmp_path / f"{sop_class_uid}.{n}"
            content = bytes([n % 256]) * size
            path.write_bytes(b"before" + content + b"after")
            made.append(OutgoingFile(path, 6, size, sop_class_uid, f"1.2.3.{n}", syntax))
        return made

    return make


class Results(list):
    """What was reported; one log."""

    def __init__(self):
        super().__init__()
        self.log = []

    @property
    def taken(self):
        return sorted(r.file.sop_instance_uid for r in self if r.is_taken)

    @property
    def reasons(self):
        return {r.file.sop_instance_uid: r.reason for r in self if not r.is_taken}


def forward(node, files, **more):
    results = Results()
    more.setdefault("sleep", lambda _: None)
    more.setdefault("report", results.append)
    surroundings = StoreSurroundings(log=results.log.append, **more)
    send_files(node, files, calling_ae_title="CDRECORD", surroundings=surroundings)
    return results


def takes(*statuses, received=None):
    """Return a script that answers the C-STOREs with these statuses in turn, then with 0000H."""
    left = list(statuses)

    def script(peer, association):
        for message in peer.requests(association):
            if received is not None:
                uid = message.command["AffectedSOPInstanceUID"]
                received[uid] = (message.context.transfer_syntax, message.data)
            respond(association, message, left.pop(0) if left else 0x0000)

    return script


@pytest.mark.parametrize("size", [1, 1000, 131066, 131067, 1_000_000])
def test_the_bytes_of_the_data_set_arrive_and_no_others(files, size):
    received = {}
    sent = files(2, size=size)
    with ScriptedPeer(takes(received=received)) as peer:
        results = forward(peer.node(), sent)
    assert results.taken == ["1.2.3.0", "1.2.3.1"]
    for n, file in enumerate(sent):
        assert received[file.sop_instance_uid] == (EXPLICIT, bytes([n]) * size)
    assert all(r.status == 0 and r.reason == "" for r in results)


def test_one_association_serves_all_files(files):
    with ScriptedPeer(takes()) as peer:
        forward(peer.node(), files(20))
        assert peer.associations == 1
        wait_for(lambda: len(peer.commands) == 20)
    assert len({command["MessageID"] for command in peer.commands}) == 20


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0111])
def test_a_warning_means_taken(status, files):
    with ScriptedPeer(takes(status)) as peer:
        results = forward(peer.node(), files(2))
    assert len(results.taken) == 2
    assert [r.is_warning for r in results] == [True, False]
    assert f"{status:04X}H" in results[0].reason


def test_a_failure_concerns_one_instance(files):
    with ScriptedPeer(takes(0x0000, 0xC000)) as peer:
        results = forward(peer.node(retries=2), files(3))
        assert len(peer.commands) == 3
    assert results.taken == ["1.2.3.0", "1.2.3.2"]
    assert "C000H" in results.reasons["1.2.3.1"]


def test_what_the_node_has_no_room_for_is_tried_again(files):
    with ScriptedPeer(takes(0x0000, 0xA700)) as peer:
        results = forward(peer.node(retries=1), files(3))
        assert len(peer.commands) == 4
    assert len(results.taken) == 3
    with ScriptedPeer(takes(*[0xA700] * 9)) as peer:
        results = forward(peer.node(retries=2), files(3))
        assert len(peer.commands) == 9
    assert results.taken == []
    assert len(results) == 3
    assert all("A700H" in reason for reason in results.reasons.values())


def test_a_class_that_is_refused_does_not_stop_the_others(files):
    sent = [*files(2), *files(2, sop_class_uid=MR, first=2)]
    with ScriptedPeer(takes(), refuse=frozenset({CT})) as peer:
        results = forward(peer.node(retries=3), sent)
        assert peer.associations == 1
    assert results.taken == ["1.2.3.2", "1.2.3.3"]
    assert f"does not accept the SOP class {CT}" in results.reasons["1.2.3.0"]
    assert results[0].status is None


def test_a_syntax_that_is_refused_is_named(files):
    with ScriptedPeer(takes()) as peer:
        results = forward(peer.node(), files(1, syntax=JPEG))
    assert f"transfer syntax {JPEG}" in results.reasons["1.2.3.0"]


def test_a_node_that_takes_plain_syntaxes_only_gets_decoded_data_sets(files):
    received, asked = {}, []

    def decode(file, transfer_syntax_uid):
        asked.append((file.sop_instance_uid, transfer_syntax_uid))
        return b"decoded"

    sent = [*files(1, syntax=JPEG), *files(1, first=1)]
    with ScriptedPeer(takes(received=received), syntaxes=(IMPLICIT,)) as peer:
        results = forward(peer.node(), sent, decode=decode)
    assert len(results.taken) == 2
    assert asked == [("1.2.3.0", IMPLICIT), ("1.2.3.1", IMPLICIT)]
    assert received["1.2.3.0"] == (IMPLICIT, b"decoded")


def test_a_file_that_cannot_be_decoded_is_one_failure(files):
    def decode(file, transfer_syntax_uid):
        raise DataError("no decoder for it")

    sent = [*files(1, syntax=JPEG), *files(1, first=1)]
    with ScriptedPeer(takes()) as peer:
        results = forward(peer.node(), sent, decode=decode)
    assert results.taken == ["1.2.3.1"]
    assert results.reasons == {"1.2.3.0": "no decoder for it"}


def test_what_a_node_takes_as_it_is_is_not_decoded(files):
    def decode(file, transfer_syntax_uid):
        raise AssertionError

    with ScriptedPeer(takes(), syntaxes=(JPEG, EXPLICIT)) as peer:
        assert len(forward(peer.node(), files(1, syntax=JPEG), decode=decode).taken) == 1


def test_a_lost_association_is_renewed_and_the_instance_sent_again(files):
    def breaks(peer, association):
        for number, message in enumerate(peer.requests(association)):
            if peer.associations == 1 and number == 2:
                association.abort()
                return
            respond(association, message, 0x0000)

    with ScriptedPeer(breaks) as peer:
        results = forward(peer.node(retries=1), files(5))
        assert peer.associations == 3
    assert len(results.taken) == len(results) == 5


def test_an_instance_that_always_breaks_the_association_is_given_up_alone(files):
    def breaks(peer, association):
        for message in peer.requests(association):
            if message.command["AffectedSOPInstanceUID"] == "1.2.3.2":
                association.abort()
                return
            respond(association, message, 0x0000)

    with ScriptedPeer(breaks) as peer:
        results = forward(peer.node(retries=2), files(5))
    assert len(results.taken) == 4
    assert list(results.reasons) == ["1.2.3.2"]


def test_a_node_that_breaks_every_association_ends(files):
    def breaks(peer, association):
        for _ in peer.requests(association):
            association.abort()
            return

    with ScriptedPeer(breaks) as peer:
        results = forward(peer.node(retries=1), files(50))
        assert peer.associations == 6
    assert len(results) == 50
    assert results.taken == []


def test_a_node_that_is_down_is_tried_again_then_given_up(files, free_port):
    naps = []
    node = Node("backup", "BACKUP", "127.0.0.1", free_port, retries=2)
    results = forward(node, files(3), sleep=naps.append)
    assert sum(naps) == pytest.approx(2 + 4)
    assert len(results) == 3
    assert all("cannot be reached" in reason for reason in results.reasons.values())


def test_a_rejection_for_now_is_tried_again_and_one_for_good_is_not(files):
    with ScriptedPeer(takes(), reject=REJECT_LOCAL_LIMIT) as peer:
        results = forward(peer.node(retries=2), files(2))
    assert any("local limit" in line for line in results.log)
    assert len(results) == 2
    with ScriptedPeer(takes(), reject=REJECT_CALLING_AE_TITLE) as peer:
        results = forward(peer.node(retries=2), files(2), sleep=pytest.fail)
    assert all("CDRECORD" in reason for reason in results.reasons.values())


def test_a_node_that_never_answers_ends_at_its_stall_time(files):
    def silent(peer, association):
        for _ in peer.requests(association):
            peer.hang()

    began = time.monotonic()
    with ScriptedPeer(silent) as peer:
        results = forward(peer.node(stall_timeout_seconds=0.4), files(60))
    assert time.monotonic() - began < 15
    assert len(results) == 60
    assert "did not answer" in results[0].reason


@pytest.mark.fault("F72")
def test_a_node_that_stops_reading_freezes_nobody(files):
    def stop_reading(peer, association):
        peer.hang()

    began = time.monotonic()
    with ScriptedPeer(stop_reading) as peer:
        results = forward(peer.node(stall_timeout_seconds=0.4), files(1, size=40_000_000))
    assert time.monotonic() - began < 15
    assert results.taken == []


def test_a_black_hole_freezes_nobody(files):
    def swallow(connection):
        connection.settimeout(20)
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass

    with raw_peer(swallow) as port:
        node = Node("backup", "BACKUP", "127.0.0.1", port, retries=0, stall_timeout_seconds=0.4)
        began = time.monotonic()
        results = forward(node, files(2))
    assert time.monotonic() - began < 15
    assert results.taken == []


def test_a_stopped_job_stops_sending(files):
    stop = threading.Event()

    def silent(peer, association):
        for _ in peer.requests(association):
            stop.set()
            peer.hang()

    def require_running():
        if stop.is_set():
            raise TemporaryError("stopped")

    results = []
    with ScriptedPeer(silent) as peer, pytest.raises(TemporaryError, match="stopped"):
        forward(peer.node(), files(2), require_running=require_running, report=results.append)
    assert results == []


def test_a_fault_in_the_report_is_no_fault_of_the_node(files):
    def broken(result):
        raise DataError("the ledger is full")

    with ScriptedPeer(takes()) as peer, pytest.raises(DataError, match="ledger"):
        forward(peer.node(), files(2), report=broken)


def test_a_file_that_is_gone_or_too_short_is_one_failure(files):
    sent = files(4)
    sent[1].path.unlink()
    sent[2].path.write_bytes(b"before" + b"x" * 10)
    with ScriptedPeer(takes()) as peer:
        results = forward(peer.node(retries=0), sent)
    assert results.taken == ["1.2.3.0", "1.2.3.3"]
    assert "cannot be read" in results.reasons["1.2.3.1"]
    assert "too early" in results.reasons["1.2.3.2"]


def test_many_classes_share_out_over_associations(files):
    sent = [f for n in range(70) for f in files(1, sop_class_uid=f"1.9.{n}", first=n)]
    with ScriptedPeer(takes()) as peer:
        results = forward(peer.node(), sent)
        assert peer.associations == 2
    assert len(results.taken) == 70


def test_several_associations_at_once_share_the_files(files):
    together = threading.Barrier(3)

    def script(peer, association):
        together.wait(10)  # each of the three stands before any file is taken
        for message in peer.requests(association):
            respond(association, message, 0x0000)

    with ScriptedPeer(script) as peer:
        results = forward(peer.node(forward_associations=3), files(30))
        assert peer.associations == 3
    assert len(results.taken) == 30


def test_an_answer_to_another_instance_is_not_taken_for_ours(files):
    def confused(peer, association):
        for message in peer.requests(association):
            respond(association, message, 0x0000, MessageIDBeingRespondedTo=9999)

    with ScriptedPeer(confused) as peer:
        results = forward(peer.node(), files(3))
    assert results.taken == []
    assert len(results) == 3


def test_no_file_needs_no_association(files):
    with ScriptedPeer(takes()) as peer:
        assert forward(peer.node(), []) == []
        assert peer.associations == 0


@pytest.fixture
def storescp(tmp_path, need_program, free_port):
    """Start dcmtk's storescp: `storescp("--refuse", ...)`; gives the port and the folder."""
    need_program("storescp")
    folder = tmp_path / "storescp"
    folder.mkdir()
    started = []

    def start(*options):
        process = subprocess.Popen(
            ["storescp", "+B", "--output-directory", str(folder), *options, str(free_port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        wait_for(lambda: _answers(free_port))
        return Node("backup", "ANY-SCP", "127.0.0.1", free_port, retries=1), folder

    yield start
    for process in started:
        process.kill()
        process.wait()


def _answers(port):
    from mkiso.network.transport import ProposedContext, connect  # noqa: PLC0415

    with contextlib.suppress(TemporaryError):
        connect(
            "127.0.0.1",
            port,
            calling_ae_title="A",
            called_ae_title="ANY-SCP",
            contexts=[ProposedContext(VERIFICATION, (IMPLICIT,))],
        ).release()
        return True
    return False


def real_files(tmp_path, count):
    """Return outgoing files of real CT instances."""
    made = []
    for n in range(count):
        ds = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm", download=False))
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{n}"
        path = tmp_path / f"ct{n}"
        ds.save_as(path)
        content = path.read_bytes()
        offset = 144 + int.from_bytes(content[140:144], "little")
        made.append(OutgoingFile(path, offset, len(content) - offset, CT, f"1.2.3.{n}", EXPLICIT))
    return made


@pytest.mark.peers
def test_dcmtk_gets_the_data_sets_byte_for_byte(storescp, tmp_path):
    node, folder = storescp()
    sent = real_files(tmp_path, 5)
    assert len(forward(node, sent).taken) == 5
    received = {path.read_bytes()[-sent[0].size_bytes :] for path in folder.iterdir()}
    assert received == {file.path.read_bytes()[file.offset :] for file in sent}


@pytest.mark.peers
@pytest.mark.parametrize("fault", ["--abort-after", "--abort-during"])
def test_dcmtk_that_aborts_each_association_ends_with_every_instance_accounted_for(
    fault, storescp, tmp_path
):
    node, _ = storescp(fault)
    sent = real_files(tmp_path, 4)
    results = forward(node, sent)
    assert sorted(r.file.sop_instance_uid for r in results) == [f.sop_instance_uid for f in sent]
    if fault == "--abort-during":
        assert results.taken == []


@pytest.mark.peers
def test_dcmtk_that_is_slow_is_waited_for(storescp, tmp_path):
    node, _ = storescp("--sleep-after", "1")
    assert len(forward(node, real_files(tmp_path, 1)).taken) == 1


def test_the_command_says_nothing_of_a_move(files):
    with ScriptedPeer(takes()) as peer:
        forward(peer.node(), files(1))
        wait_for(lambda: peer.commands)
    (command,) = peer.commands
    assert command["CommandField"] == dimse.C_STORE_RQ
    assert "MoveOriginatorMessageID" not in command

import contextlib
import shutil
import threading
import time
from types import SimpleNamespace

import pydicom
import pytest
from scripted_peer import ScriptedPeer, identifier, respond, wait_for

from mkiso.archive.server import EmbeddedArchive
from mkiso.core.identifier import encode_identifier
from mkiso.core.job import Node
from mkiso.core.retrieval_plan import Request
from mkiso.core.store_decision import NOT_ASKED_FOR
from mkiso.errors import ProtocolError, TemporaryError
from mkiso.network import dimse
from mkiso.network.background import Background
from mkiso.network.get import start_get
from mkiso.network.reception import Reception
from mkiso.network.store_session import StorageJob
from mkiso.network.upper_layer import AssociationLostError, PeerStalledError
from mkiso.storage.instances import InstanceStore

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"


@pytest.fixture
def ours(tmp_path):
    """What receives: a store in a folder, its job, its counts."""
    folder = tmp_path / "received"
    folder.mkdir()
    store = InstanceStore(folder)
    received = {}

    def stored(writer):
        instance = store.settle(writer)
        if instance is not None:
            received[instance.sop_instance_uid] = instance
        return instance is not None

    job = StorageJob(
        peer_allowed=lambda ip: True,
        calling_ae_title_allowed=lambda title: True,
        move_originator_allowed=lambda title, message_id: True,
        begin=store.begin,
        wanted=lambda study, series: study == "1.2.3",
        stored=stored,
    )
    reception = Reception()
    background = Background(reception.fail)
    yield SimpleNamespace(
        job=job, reception=reception, background=background, received=received, folder=folder
    )
    assert background.stop(30)


def get(ours, node, request, seconds=20.0, log=None, **more):
    lines = [] if log is None else log
    return start_get(
        node,
        request,
        calling_ae_title="CDRECORD",
        job=ours.job,
        reception=ours.reception,
        background=ours.background,
        deadline=time.monotonic() + seconds,
        log=lines.append,
        **more,
    )


def data_set(uid, study="1.2.3", sop_class_uid=CT, pixels=b"\1\2"):
    """Return an instance as bytes in Explicit VR Little Endian."""
    keys = [
        (0x00080016, "UI", sop_class_uid.encode()),
        (0x00080018, "UI", uid.encode()),
        (0x00080060, "CS", b"CT"),
        (0x00100010, "PN", b"Doe^Jane"),
        (0x00100020, "LO", b"P1"),
        (0x0020000D, "UI", study.encode()),
        (0x0020000E, "UI", f"{study}.1".encode()),
    ]
    pixel_data = b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little") + pixels
    return encode_identifier(keys, EXPLICIT) + pixel_data


def send(association, message_id, uid, sop_class_uid=CT, **more):
    """Send one instance as a sub-operation and return our status, None without a context."""
    context = association.context_for(sop_class_uid, EXPLICIT)
    if context is None:
        return None
    command = {
        "CommandField": dimse.C_STORE_RQ,
        "MessageID": message_id,
        "AffectedSOPClassUID": sop_class_uid,
        "AffectedSOPInstanceUID": uid,
        "Priority": 0,
    }
    association.send(
        context.context_id, command, data_set(uid, sop_class_uid=sop_class_uid, **more)
    )
    return association.receive(idle_seconds=10).command["Status"]


def sends(*instances, status=0x0000):
    """Return a script that sends these (UID, class) and says so."""

    def script(peer, association):
        for message in peer.requests(association):
            statuses = [
                send(association, number, uid, sop_class_uid)
                for number, (uid, sop_class_uid) in enumerate(instances, 1)
            ]
            failed = [uid for (uid, _), s in zip(instances, statuses, strict=True) if s != 0x0000]
            final = 0xB000 if failed and status == 0 else status
            respond(
                association,
                message,
                final,
                identifier(t00080058="\\".join(failed)) if failed else None,
                NumberOfCompletedSuboperations=len(statuses) - len(failed),
                NumberOfFailedSuboperations=len(failed),
            )

    return script


def folder_of_instances(folder, *uids, study="1.2.3"):
    for number, uid in enumerate(uids):
        ds = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm", download=False))
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, f"{study}.1", uid
        ds.file_meta.MediaStorageSOPInstanceUID = uid
        ds.save_as(folder / f"f{number}")
    return folder


def test_a_study_comes_over_the_association_that_asks(tmp_path, ours):
    source = tmp_path / "source"
    source.mkdir()
    folder_of_instances(source, "1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3")
    with EmbeddedArchive(source) as archive:
        node = Node("abpacs", "ABPACS", "127.0.0.1", archive.port)
        outcome = get(ours, node, Request("1.2.3", sop_class_uids=(CT,))).wait(20)
        wait_for(lambda: ours.reception.is_quiet)
    assert outcome.status == 0
    assert outcome.counts.completed == 3
    assert sorted(ours.received) == ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"]
    assert ours.reception.associations_seen == 1
    sent = (source / "f0").read_bytes()
    instance = ours.received["1.2.3.1.1"]
    kept = instance.path.read_bytes()[instance.data_set_offset :]
    assert sent.endswith(kept)
    assert len(kept) > 30_000


def test_without_classes_those_of_the_modality_are_offered(ours):
    with ScriptedPeer(sends(("1.2.3.1.1", CT))) as peer:
        outcome = get(ours, peer.node(), Request("1.2.3"), modalities=("CT",)).wait(10)
        wait_for(lambda: ours.received)
    assert outcome.status == 0


def test_our_receiver_judges_what_comes(ours):
    statuses = []

    def script(peer, association):
        for message in peer.requests(association):
            statuses.append(send(association, 1, "1.2.3.1.1"))
            statuses.append(send(association, 2, "1.2.9.1.1", study="1.2.9"))
            statuses.append(send(association, 3, "1.2.3.1.1"))
            respond(association, message, 0xB000, NumberOfFailedSuboperations=1)

    with ScriptedPeer(script) as peer:
        outcome = get(ours, peer.node(), Request("1.2.3", sop_class_uids=(CT,))).wait(10)
        wait_for(lambda: ours.reception.is_quiet)
    assert statuses == [0x0000, NOT_ASKED_FOR, 0x0000]
    assert outcome.status == 0xB000
    assert list(ours.received) == ["1.2.3.1.1"]
    assert ours.reception.refusals[0].study_instance_uid == "1.2.9"
    assert ours.reception.refusals[0].calling_ae_title == "ABPACS"


def test_classes_that_found_no_room_are_asked_for_on_a_further_association(ours):
    rare = tuple(f"1.2.3.4.{n}" for n in range(200))
    script = sends(("1.2.3.1.1", rare[0]), ("1.2.3.1.2", rare[199]))
    with ScriptedPeer(script) as peer:
        request = Request("1.2.3", sop_class_uids=rare)
        outcome = get(ours, peer.node(), request).wait(20)
        wait_for(lambda: ours.reception.is_quiet)
        assert peer.associations == 2
    assert sorted(ours.received) == ["1.2.3.1.1", "1.2.3.1.2"]
    assert outcome.failed_sop_instance_uids == ()
    assert outcome.status == 0


def test_a_complete_retrieval_needs_no_further_association(ours):
    rare = tuple(f"1.2.3.4.{n}" for n in range(200))
    with ScriptedPeer(sends(("1.2.3.1.1", rare[0]))) as peer:
        get(ours, peer.node(), Request("1.2.3", sop_class_uids=rare)).wait(20)
        assert peer.associations == 1


def test_what_no_association_brings_is_listed_as_failed(ours):
    rare = tuple(f"1.2.3.4.{n}" for n in range(100))
    with ScriptedPeer(sends(("1.2.3.1.1", rare[0]), ("1.2.3.1.9", "1.9"))) as peer:
        outcome = get(ours, peer.node(), Request("1.2.3", sop_class_uids=rare)).wait(20)
        assert 1 < peer.associations <= 6
    assert outcome.status == 0xB000
    assert outcome.failed_sop_instance_uids == ("1.2.3.1.9",)


def test_pending_responses_between_the_instances_are_counted(ours):
    told = []

    def script(peer, association):
        for message in peer.requests(association):
            for number in (1, 2):
                send(association, number, f"1.2.3.1.{number}")
                respond(
                    association,
                    message,
                    0xFF00,
                    NumberOfRemainingSuboperations=2 - number,
                    NumberOfCompletedSuboperations=number,
                )
            respond(association, message, 0x0000, NumberOfCompletedSuboperations=2)

    with ScriptedPeer(script) as peer:
        request = Request("1.2.3", sop_class_uids=(CT,))
        get(ours, peer.node(), request, on_pending=told.append).wait(10)
        wait_for(lambda: len(ours.received) == 2)
    assert [counts.completed for counts in told] == [1, 2]


@pytest.mark.parametrize(("status", "error"), [(0xA702, TemporaryError), (0x0122, ProtocolError)])
def test_a_failure_status_becomes_its_error(status, error, ours):
    with ScriptedPeer(sends(status=status)) as peer:
        outcome = get(ours, peer.node(), Request("1.2.3", sop_class_uids=(CT,))).wait(10)
    assert isinstance(outcome.error, error)


def test_an_association_that_breaks_inside_an_object_leaves_nothing(ours):
    def script(peer, association):
        for _ in peer.requests(association):
            send(association, 1, "1.2.3.1.1")
            context = association.context_for(CT, EXPLICIT)
            command = {
                "CommandField": dimse.C_STORE_RQ,
                "MessageID": 2,
                "AffectedSOPClassUID": CT,
                "AffectedSOPInstanceUID": "1.2.3.1.2",
                "Priority": 0,
            }
            with contextlib.suppress(ZeroDivisionError):
                association.send(context.context_id, command, Breaking())

    class Breaking:
        left = 300_000

        def read(self, size):
            self.left -= size
            if self.left < 0:
                raise ZeroDivisionError
            return bytes(size)

    with ScriptedPeer(script) as peer:
        outcome = get(ours, peer.node(), Request("1.2.3", sop_class_uids=(CT,))).wait(10)
        wait_for(lambda: ours.reception.is_quiet)
    assert isinstance(outcome.error, AssociationLostError)
    assert list(ours.received) == ["1.2.3.1.1"]
    assert [path.suffix for path in ours.folder.iterdir()] == [".dcm"]


def test_a_silent_archive_ends_at_the_deadline(ours):
    def silent(peer, association):
        for _ in peer.requests(association):
            peer.hang()

    with ScriptedPeer(silent) as peer:
        under_way = get(ours, peer.node(), Request("1.2.3", sop_class_uids=(CT,)), seconds=2.0)
        outcome = under_way.wait(20)
    assert isinstance(outcome.error, PeerStalledError)


def test_an_abort_from_outside_ends_it(ours):
    def silent(peer, association):
        for _ in peer.requests(association):
            peer.hang()

    with ScriptedPeer(silent) as peer:
        under_way = get(ours, peer.node(), Request("1.2.3", sop_class_uids=(CT,)))
        wait_for(lambda: peer.commands)
        under_way.abort()
        outcome = under_way.wait(20)
    assert outcome.status is None
    wait_for(lambda: "C-GET" not in [thread.name for thread in threading.enumerate()])


def test_a_cancel_reaches_the_archive(ours):
    def until_cancelled(peer, association):
        for message in peer.requests(association):
            if message.command["CommandField"] == dimse.C_GET_RQ:
                send(association, 1, "1.2.3.1.1")
                cancel = association.receive(idle_seconds=20)
                peer.commands.append(cancel.command)
                respond(association, message, 0xFE00)

    with ScriptedPeer(until_cancelled) as peer:
        under_way = get(ours, peer.node(), Request("1.2.3", sop_class_uids=(CT,)))
        wait_for(lambda: ours.received)
        under_way.cancel()
        assert under_way.wait(20).status == 0xFE00
    assert peer.commands[1]["CommandField"] == dimse.C_CANCEL_RQ


def test_an_archive_without_get_or_without_classes_is_said_so(ours):
    request = Request("1.2.3", sop_class_uids=(CT,))
    with (
        ScriptedPeer(sends(), refuse=frozenset({STUDY_GET})) as peer,
        pytest.raises(ProtocolError, match="does not offer Study Root C-GET"),
    ):
        get(ours, peer.node(), request)
    with (
        ScriptedPeer(sends(), refuse=frozenset({CT})) as peer,
        pytest.raises(ProtocolError, match="none of the storage classes"),
    ):
        get(ours, peer.node(), request)


@pytest.mark.parametrize("request_", [Request(""), Request("*", sop_class_uids=(CT,))])
def test_a_request_without_a_unique_key_never_connects(request_, ours):
    with ScriptedPeer(sends()) as peer:
        with pytest.raises(ValueError, match="unique key"):
            get(ours, peer.node(), request_)
        assert peer.associations == 0


@pytest.mark.peers
@pytest.mark.parametrize("name", ["dcmqrscp", "orthanc"])
@pytest.mark.parametrize("classes", [(CT,), ()])
def test_a_real_archive_sends_by_get(name, classes, tmp_path, ours, shared_tools, need_program):
    import peers  # noqa: PLC0415 - only where the programs are

    need_program("Orthanc" if name == "orthanc" else "dcmqrscp", "ss")
    source = tmp_path / "source"
    source.mkdir()
    folder_of_instances(source, "1.2.3.1.1", "1.2.3.1.2")
    archive = peers.start(name, shared_tools, source, tmp_path / "state")
    try:
        node = Node("abpacs", "ABPACS", "127.0.0.1", archive.port)
        request = Request("1.2.3", sop_class_uids=classes)
        outcome = get(ours, node, request, modalities=("CT",)).wait(20)
        wait_for(lambda: ours.reception.is_quiet)
    finally:
        peers.stop(archive)
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
    assert outcome.status == 0
    assert sorted(ours.received) == ["1.2.3.1.1", "1.2.3.1.2"]

import shutil
import threading
import time

import pydicom
import pytest
from scripted_peer import ScriptedPeer, identifier, respond, wait_for

from mkiso.core.identifier import decode_identifier
from mkiso.core.job import Node
from mkiso.core.retrieval_plan import Request
from mkiso.errors import ConfigError, InternalError, ProtocolError, TemporaryError
from mkiso.network import dimse
from mkiso.network.move import start_move
from mkiso.network.sub_operations import SubOperations
from mkiso.network.upper_layer import (
    REJECT_CALLED_AE_TITLE,
    AssociationLostError,
    PeerStalledError,
)

STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
COUNTS = ("Remaining", "Completed", "Failed", "Warning")


def counts(*numbers):
    pairs = zip(COUNTS, numbers, strict=True)
    return {f"NumberOf{name}Suboperations": n for name, n in pairs if n is not None}


def moves(*responses):
    """Return a script that answers a C-MOVE with these (status, counts, failed UIDs)."""

    def script(peer, association):
        for message in peer.requests(association):
            for status, numbers, failed in responses:
                data = identifier(t00080058=failed) if failed else None
                respond(association, message, status, data, **counts(*numbers))

    return script


def silent(peer, association):
    for _ in peer.requests(association):
        peer.hang()


def move(peer, request=None, log=None, seconds=30.0, **more):
    lines = [] if log is None else log
    return start_move(
        peer.node(),
        request or Request("1.2.3"),
        calling_ae_title="CDRECORD",
        destination_ae_title="CDRECORD",
        destination="CDRECORD, port 10104",
        message_id=77,
        deadline=time.monotonic() + seconds,
        log=lines.append,
        **more,
    )


def outcome_of(script, **more):
    with ScriptedPeer(script) as peer:
        return move(peer, **more).wait(30)


def test_a_request_goes_by_unique_keys_with_our_message_id():
    with ScriptedPeer(moves((0, (None, 1, 0, 0), ""))) as peer:
        assert move(peer, Request("1.2.3", "1.2.3.4")).wait(10).status == 0
        wait_for(lambda: peer.commands)
    command, data = peer.commands[0], peer.identifiers[0]
    assert command["CommandField"] == dimse.C_MOVE_RQ
    assert command["MessageID"] == 77
    assert command["MoveDestination"] == "CDRECORD"
    sent = decode_identifier(
        data, "1.2.840.10008.1.2.1", frozenset({0x00080050, 0x00080052, 0x0020000D, 0x0020000E})
    )
    assert {tag: value.strip(b" \0") for tag, value in sent.items()} == {
        0x00080052: b"SERIES",
        0x0020000D: b"1.2.3",
        0x0020000E: b"1.2.3.4",
    }


@pytest.mark.parametrize("request_", [Request(""), Request("*"), Request("1.2", "", ("1.3",))])
def test_a_request_without_a_unique_key_never_connects(request_):
    with ScriptedPeer(silent) as peer:
        with pytest.raises(ValueError, match="unique key"):
            move(peer, request_)
        assert peer.associations == 0


def test_pending_counts_are_told_and_the_final_ones_returned():
    told = []
    script = moves(
        (0xFF00, (2, 1, 0, 0), ""), (0xFF00, (1, 2, 0, 0), ""), (0x0000, (None, 3, 0, 0), "")
    )
    outcome = outcome_of(script, on_pending=told.append)
    assert told == [SubOperations(2, 1, 0, 0), SubOperations(1, 2, 0, 0)]
    assert outcome.status == 0
    assert outcome.counts == SubOperations(None, 3, 0, 0)
    assert outcome.error is None


@pytest.mark.parametrize(
    ("listed", "uids"),
    [
        ("1.2.3.4", ("1.2.3.4",)),
        ("1.2.3.4\\1.2.3.5", ("1.2.3.4", "1.2.3.5")),
        ("1.2.3.4\\\\nonsense\\1.2.3.5", ("1.2.3.4", "1.2.3.5")),
    ],
)
def test_failed_uids_are_a_tuple_even_when_there_is_one(listed, uids):
    outcome = outcome_of(moves((0xB000, (None, 1, len(uids), 0), listed)))
    assert outcome.failed_sop_instance_uids == uids
    assert outcome.status == 0xB000
    assert outcome.error is None


def test_a_failed_list_that_is_no_data_set_is_no_list():
    def script(peer, association):
        for message in peer.requests(association):
            respond(
                association, message, 0xA702, b"\x08\x00\x58\x00UI\xff\xff1", **counts(0, 0, 1, 0)
            )

    outcome = outcome_of(script)
    assert outcome.failed_sop_instance_uids == ()
    assert isinstance(outcome.error, TemporaryError)


def test_an_unknown_destination_says_how_to_register_us():
    outcome = outcome_of(moves((0xA801, (None, None, None, None), "")))
    assert isinstance(outcome.error, ConfigError)
    assert "register the destination CDRECORD, port 10104" in outcome.error.message


@pytest.mark.parametrize("status", [0xFE00, 0xA701, 0xA702])
def test_a_busy_archive_may_be_asked_again(status):
    assert isinstance(outcome_of(moves((status, (0, 0, 0, 0), ""))).error, TemporaryError)


def test_c000_is_left_to_the_evidence():
    outcome = outcome_of(moves((0xC000, (0, 0, 0, 0), "")))
    assert (outcome.status, outcome.error) == (0xC000, None)


def test_an_abort_by_the_archive_has_no_status():
    def abort(peer, association):
        for _ in peer.requests(association):
            association.abort()
            return

    outcome = outcome_of(abort)
    assert outcome.status is None
    assert isinstance(outcome.error, AssociationLostError)


def test_an_early_release_has_no_status():
    def release(peer, association):
        for _ in peer.requests(association):
            association.release()
            return

    outcome = outcome_of(release)
    assert outcome.status is None
    assert isinstance(outcome.error, AssociationLostError)


def test_pending_for_ever_ends_when_the_watcher_aborts():
    def endless(peer, association):
        for message in peer.requests(association):
            while not peer.stopping.wait(0.02):
                respond(association, message, 0xFF00, **counts(5, 0, 0, 0))

    with ScriptedPeer(endless) as peer:
        under_way = move(peer)
        wait_for(lambda: under_way.counts.remaining == 5)
        assert under_way.wait(0.2) is None
        under_way.abort()
        outcome = under_way.wait(20)
    assert outcome.status is None
    assert isinstance(outcome.error, AssociationLostError)


def test_a_silent_archive_ends_at_the_deadline():
    with ScriptedPeer(silent) as peer:
        outcome = move(peer, seconds=2.0).wait(20)
    assert isinstance(outcome.error, PeerStalledError)


def test_a_cancel_reaches_the_archive_while_it_works():
    def until_cancelled(peer, association):
        for message in peer.requests(association):
            if message.command["CommandField"] == dimse.C_MOVE_RQ:
                respond(association, message, 0xFF00, **counts(9, 1, 0, 0))
                cancel = association.receive(idle_seconds=20)
                peer.commands.append(cancel.command)
                respond(association, message, 0xFE00, **counts(9, 1, 0, 0))

    with ScriptedPeer(until_cancelled) as peer:
        under_way = move(peer)
        wait_for(lambda: under_way.counts.completed == 1)
        under_way.cancel()
        outcome = under_way.wait(20)
        under_way.cancel()  # too late is no error
    assert outcome.status == 0xFE00
    assert peer.commands[1]["MessageIDBeingRespondedTo"] == 77


def test_an_archive_without_move_is_said_so():
    with (
        ScriptedPeer(silent, refuse=frozenset({STUDY_MOVE})) as peer,
        pytest.raises(ProtocolError, match="does not offer Study Root C-MOVE"),
    ):
        move(peer)


def test_a_rejection_is_raised_where_it_was_asked():
    with (
        ScriptedPeer(silent, reject=REJECT_CALLED_AE_TITLE) as peer,
        pytest.raises(ConfigError, match="called AE title"),
    ):
        move(peer)


def test_a_response_to_another_request_breaks_the_protocol():
    def other(peer, association):
        for message in peer.requests(association):
            respond(association, message, 0x0000, MessageIDBeingRespondedTo=78)

    assert isinstance(outcome_of(other).error, ProtocolError)


def test_a_bug_in_a_callback_ends_the_wait():
    def broken(_counts):
        raise ZeroDivisionError

    outcome = outcome_of(
        moves((0xFF00, (1, 0, 0, 0), ""), (0, (None, 1, 0, 0), "")), on_pending=broken
    )
    assert isinstance(outcome.error, InternalError)
    assert isinstance(outcome.error.__cause__, ZeroDivisionError)


def test_no_error_comment_is_kept():
    log = []

    def comment(peer, association):
        for message in peer.requests(association):
            respond(association, message, 0xC000, ErrorComment="cannot send Doe^Jane")

    with ScriptedPeer(comment) as peer:
        outcome = move(peer, log=log).wait(10)
    assert "Jane" not in repr(outcome) + "".join(log)


def answers_and_hangs(peer, association):
    for message in peer.requests(association):
        respond(association, message, 0x0000)
        peer.hang()


def test_the_outcome_does_not_wait_for_the_release():
    with ScriptedPeer(answers_and_hangs) as peer:
        under_way = move(peer)
        assert under_way.wait(8).status == 0  # the release has ten seconds


@pytest.mark.parametrize("script", [moves((0, (None, 1, 0, 0), "")), answers_and_hangs])
def test_no_thread_is_left_after_the_close(script):
    with ScriptedPeer(script) as peer:
        under_way = move(peer)
        under_way.wait(10)
        under_way.close(0.2)
        assert "C-MOVE" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.peers
@pytest.mark.parametrize("name", ["dcmqrscp", "orthanc"])
def test_a_real_archive_that_does_not_know_the_destination(
    name, tmp_path, shared_tools, need_program
):
    import peers  # noqa: PLC0415 - only where the programs are

    need_program("Orthanc" if name == "orthanc" else "dcmqrscp", "ss")
    source = tmp_path / "source"
    source.mkdir()
    path = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    shutil.copy(path, source)
    study = str(pydicom.dcmread(path).StudyInstanceUID)
    archive = peers.start(name, shared_tools, source, tmp_path / "state")
    try:
        outcome = start_move(
            Node("abpacs", "ABPACS", "127.0.0.1", archive.port),
            Request(study),
            calling_ae_title="CDRECORD",
            destination_ae_title="NOBODY",
            message_id=77,
            deadline=time.monotonic() + 20,
            log=lambda line: None,
        ).wait(20)
    finally:
        peers.stop(archive)
    if name == "dcmqrscp":
        assert (outcome.status, type(outcome.error)) == (0xA801, ConfigError)
    else:  # C000H for everything: the evidence decides
        assert (outcome.status, outcome.error) == (0xC000, None)

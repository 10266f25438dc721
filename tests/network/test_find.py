import threading
import time

import pytest
from scripted_peer import ScriptedPeer, answer, identifier, raw_peer, respond, wait_for

from mkiso.core.job import Node
from mkiso.core.model import Series
from mkiso.core.query import image_query, matching_instance, matching_study, study_query
from mkiso.errors import (
    ConfigError,
    LimitError,
    PermissionDeniedError,
    ProtocolError,
    TemporaryError,
)
from mkiso.network import dimse
from mkiso.network.find import FindSession, QueryRefusedError
from mkiso.network.upper_layer import (
    REJECT_CALLING_AE_TITLE,
    REJECT_LOCAL_LIMIT,
    RELEASE_RQ_PDU,
    AssociationLostError,
    PeerStalledError,
)

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
QUERY = study_query(accession_number="A1")
A1 = {"t00080050": "A1", "t0020000D": "1.2.3", "t00100010": "Secret^Name"}
B1 = {"t00080050": "B1", "t0020000D": "1.2.4"}


def find(session, query=QUERY, most_answers=100):
    return session.find(query, lambda a: matching_study(a, query), most_answers=most_answers)


def session_of(peer, log=None, **more):
    lines = [] if log is None else log
    return FindSession(
        peer.node(**more.pop("node", {})), calling_ae_title="CDRECORD", log=lines.append, **more
    )


def fails(script, error, *, match=".", **more):
    with ScriptedPeer(script) as peer:
        session = session_of(peer, **more)
        with pytest.raises(error, match=match) as failure:
            find(session)
        return failure.value


def test_matches_are_parsed_and_the_others_counted():
    with ScriptedPeer(answer(A1, B1, A1)) as peer:
        found = find(session := session_of(peer))
        session.close()
    assert [study.study_instance_uid for study in found.matches] == ["1.2.3", "1.2.3"]
    assert found.dropped == 1


def test_all_queries_of_a_job_use_one_association():
    with ScriptedPeer(answer(A1)) as peer:
        session = session_of(peer)
        for _ in range(5):
            assert find(session).matches
        session.close()
        wait_for(lambda: len(peer.commands) == 5)
    assert peer.associations == 1
    assert len({command["MessageID"] for command in peer.commands}) == 5


def test_an_archive_that_takes_only_implicit_vr_is_asked_in_it():
    with ScriptedPeer(answer(A1), syntaxes=("1.2.840.10008.1.2",)) as peer:
        session = session_of(peer)
        assert find(session).matches
        session.close()


def test_an_association_that_was_closed_between_two_queries_is_renewed():
    def one_query_each(peer, association):
        for message in peer.requests(association):
            respond(association, message, 0xFF00, identifier(**A1))
            respond(association, message, 0x0000)
            association.abort()
            return

    with ScriptedPeer(one_query_each) as peer:
        session = session_of(peer)
        for _ in range(3):
            assert find(session).matches
        session.abort()
    assert peer.associations == 3


def test_an_association_lost_inside_the_answers_is_not_half_a_result():
    def break_off_once(peer, association):
        for message in peer.requests(association):
            respond(association, message, 0xFF00, identifier(**A1))
            if peer.associations == 1:
                association.abort()
                return
            respond(association, message, 0x0000)

    with ScriptedPeer(break_off_once) as peer:
        session = session_of(peer)
        assert len(find(session).matches) == 1
        session.close()


def test_a_stranger_who_is_aborted_at_the_first_query_is_told_apart():
    def abort(peer, association):
        for _ in peer.requests(association):
            association.abort()
            return

    with ScriptedPeer(abort) as peer:
        session = session_of(peer)
        for count in (1, 2):
            with pytest.raises(AssociationLostError, match="abpacs"):
                find(session)
            assert session.lost_at_once == count
        assert peer.associations == 2


def test_an_archive_that_releases_instead_of_answering_breaks_off():
    def release(peer, association):
        for _ in peer.requests(association):
            association._wire.send(RELEASE_RQ_PDU, time.monotonic() + 5)
            peer.hang()
            return

    fails(release, AssociationLostError, match="released")


def test_a_permanent_rejection_names_both_ae_titles():
    with ScriptedPeer(answer(), reject=REJECT_CALLING_AE_TITLE) as peer:
        with pytest.raises(ConfigError, match="CDRECORD") as failure:
            find(session_of(peer))
        assert "ABPACS" in failure.value.message


def test_a_transient_rejection_may_pass():
    with (
        ScriptedPeer(answer(), reject=REJECT_LOCAL_LIMIT) as peer,
        pytest.raises(TemporaryError, match="local limit"),
    ):
        find(session_of(peer))


def test_an_archive_without_study_root_is_said_so():
    with (
        ScriptedPeer(answer(), refuse=frozenset({STUDY_FIND})) as peer,
        pytest.raises(ProtocolError, match="does not offer Study Root C-FIND"),
    ):
        find(session_of(peer))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (0xA700, TemporaryError),
        (0xFE00, TemporaryError),
        (0x0124, PermissionDeniedError),
        (0xA900, QueryRefusedError),
        (0xC001, QueryRefusedError),
        (0x0122, QueryRefusedError),
    ],
)
def test_every_final_status_is_looked_at(status, error):
    failure = fails(answer(A1, status=status), error)
    assert f"{status:04X}H" in failure.message


def test_matches_with_optional_keys_unsupported_are_matches():
    def script(peer, association):
        for message in peer.requests(association):
            respond(association, message, 0xFF01, identifier(**A1))
            respond(association, message, 0x0000)

    with ScriptedPeer(script) as peer:
        session = session_of(peer)
        assert len(find(session).matches) == 1
        session.close()


def other_message(**more):
    def script(peer, association):
        for message in peer.requests(association):
            command = {**dimse.response_to(message.command, 0x0000), **more}
            association.send(message.context.context_id, command)
            peer.hang()
            return

    return script


@pytest.mark.parametrize(
    "more",
    [{"MessageIDBeingRespondedTo": 999}, {"CommandField": dimse.C_MOVE_RSP}, {"Status": None}],
)
def test_an_answer_to_something_else_breaks_the_protocol(more):
    fails(other_message(**more), ProtocolError, match="something else")


def test_a_match_without_an_identifier_breaks_the_protocol():
    fails(other_message(Status=0xFF00), ProtocolError, match="without an identifier")


def test_a_match_that_is_no_data_set_breaks_the_protocol():
    def script(peer, association):
        for message in peer.requests(association):
            respond(association, message, 0xFF00, b"\x08\x00\x50\x00SH\xff\xffA1")
            peer.hang()
            return

    fails(script, ProtocolError, match="no data set")


def test_a_silent_archive_ends_at_its_deadline():
    def silent(peer, association):
        for _ in peer.requests(association):
            peer.hang()
            return

    began = time.monotonic()
    fails(silent, PeerStalledError, match="within 0.5 s", node={"find_timeout_seconds": 0.5})
    assert time.monotonic() - began < 15


def drip(data, pause_seconds):
    def script(peer, association):
        for _ in peer.requests(association):
            for n in range(len(data)):
                association._wire.send(data[n : n + 1], time.monotonic() + 5)
                if peer.stopping.wait(pause_seconds):
                    return
            peer.hang()
            return

    return script


def test_three_bytes_of_a_header_hold_nobody():
    began = time.monotonic()
    fails(drip(b"\x04\x00\x00", 0), PeerStalledError, node={"find_timeout_seconds": 0.5})
    assert time.monotonic() - began < 15


def test_bytes_that_drip_hold_nobody():
    began = time.monotonic()
    pdu = b"\x04\x00\x00\x00\x10\x00" + b"\x00\x00\x0f\xfc\x01\x03" + bytes(0xFFA)
    fails(drip(pdu, 0.05), PeerStalledError, node={"find_timeout_seconds": 0.6})
    assert time.monotonic() - began < 15


def test_answers_that_never_end_reach_the_total_deadline(monkeypatch):
    monkeypatch.setattr("mkiso.network.find._TOTAL_FACTOR", 2)

    def endless(peer, association):
        for message in peer.requests(association):
            while not peer.stopping.wait(0.02):
                respond(association, message, 0xFF00, identifier(**A1))

    began = time.monotonic()
    fails(endless, PeerStalledError, match="did not finish", node={"find_timeout_seconds": 1.0})
    assert 1.5 < time.monotonic() - began < 15


def test_too_many_answers_are_cancelled():
    def flood(peer, association):
        for message in peer.requests(association):
            if message.command["CommandField"] == dimse.C_CANCEL_RQ:
                continue
            for _ in range(50):
                respond(association, message, 0xFF00, identifier(**A1))
            cancel = association.receive(idle_seconds=5)
            peer.commands.append(cancel.command)
            respond(association, message, 0xFE00)

    with ScriptedPeer(flood) as peer:
        with pytest.raises(LimitError, match="more than 20 answers"):
            find(session_of(peer), most_answers=20)
        wait_for(lambda: len(peer.commands) == 2)
    request, cancel = peer.commands
    assert cancel["CommandField"] == dimse.C_CANCEL_RQ
    assert cancel["MessageIDBeingRespondedTo"] == request["MessageID"]


def test_a_stopped_job_does_not_wait_for_the_archive():
    def silent(peer, association):
        for _ in peer.requests(association):
            peer.hang()
            return

    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()

    def require_running():
        if stop.is_set():
            raise TemporaryError("stopped")

    began = time.monotonic()
    waits = {"find_timeout_seconds": 60}
    fails(silent, TemporaryError, match="stopped", node=waits, require_running=require_running)
    assert time.monotonic() - began < 15


def test_a_job_is_stopped_while_its_find_is_negotiated():
    def require_running():
        raise TemporaryError("stopped")

    ended = threading.Event()
    with raw_peer(lambda connection: connection.recv(1 << 16) and ended.wait(60)) as port:
        node = Node("abpacs", "ABPACS", "127.0.0.1", port, retries=0)
        began = time.monotonic()
        with pytest.raises(TemporaryError, match="stopped"):
            find(
                FindSession(node, calling_ae_title="ME", log=print, require_running=require_running)
            )
        assert time.monotonic() - began < 15
        ended.set()


def test_the_log_has_counts_and_statuses_and_no_names():
    log = []
    with ScriptedPeer(answer(A1, B1)) as peer:
        session = session_of(peer, log)
        find(session)
        session.close()
    assert any("2 answers, 1 match, status 0000H" in line for line in log)
    assert "Secret" not in "".join(log)


def test_an_image_level_answer_costs_little():
    count = 3000
    series = Series("1.2.3.4", "1.2.3", "CT")

    def many(peer, association):
        for message in peer.requests(association):
            for n in range(count):
                data = identifier(t00080018=f"1.2.3.4.{n}", t00080052="IMAGE", t0020000E="1.2.3.4")
                respond(association, message, 0xFF00, data)
            respond(association, message, 0x0000)

    with ScriptedPeer(many) as peer:
        session = session_of(peer)
        began = time.process_time()
        found = session.find(
            image_query("1.2.3", "1.2.3.4"),
            lambda a: matching_instance(a, series),
            most_answers=count,
        )
        seconds = time.process_time() - began
        session.close()
    assert len(found.matches) == count
    assert seconds / count < 0.0005  # both sides together; pynetdicom's one side takes more

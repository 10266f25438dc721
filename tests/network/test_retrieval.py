"""One request followed to its end, against scripted archives and our real receiver."""

import contextlib
import dataclasses
import threading
import time
from pathlib import Path

import pytest
from scripted_peer import ScriptedPeer, raw_peer, respond, wait_for

from mkiso.core.context import Context
from mkiso.core.job import Job, Node, ReceiverAddress
from mkiso.core.retrieval_plan import Request
from mkiso.errors import TemporaryError, TerminatedJobError
from mkiso.network import dimse
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.network.retrieval import open_retrieval

STUDY = Request("1.2.3")
NEVER = staticmethod(lambda: False).__func__


class Waiting:
    """A retrieval from a scripted archive; nothing is ever stored."""

    def __init__(self, peer, **settings):
        values = {
            "stall_timeout_seconds": 0.4,
            "first_instance_timeout_seconds": 0.4,
            "quiet_period_seconds": 0.2,
            **settings,
        }
        job = Job(
            "test", ("A1",), peer.node(), ReceiverAddress("CDRECORD", 0, "127.0.0.1"), **values
        )
        self.log = []
        self.context = Context(
            job=job,
            deadline=time.monotonic() + 40,
            monotonic=time.monotonic,
            log=self.log.append,
            warn=self.log.append,
            say=self.log.append,
            progress=lambda _: None,
            require_running=lambda: None,
        )
        self.tick = lambda: None
        self.storage_job = StorageJob(
            peer_allowed=lambda _ip: True,
            calling_ae_title_allowed=lambda _title: True,
            move_originator_allowed=lambda _title, _message_id: True,
            begin=lambda *_uids: Path("nowhere"),
            wanted=lambda _study, _series: True,
            stored=lambda _kept: True,
        )

    @contextlib.contextmanager
    def open(self):
        with Receiver("CDRECORD", "127.0.0.1", 0) as receiver:
            self.receiver = receiver
            with open_retrieval(receiver, self.storage_job, self.context, self.tick) as retrieval:
                yield retrieval

    def timed(self, retrieval, is_complete=NEVER):
        began = time.monotonic()
        outcome = retrieval.request(STUDY, is_complete)
        return outcome, time.monotonic() - began


def answers(status, **counts):
    def script(peer, association):
        for message in peer.requests(association):
            respond(association, message, status, **counts)

    return script


def silent(peer, association):
    for _ in peer.requests(association):
        peer.hang()


def assert_no_move_goes_on():
    wait_for(lambda: "C-MOVE" not in {thread.name for thread in threading.enumerate()})


def test_nothing_waits_when_everything_is_there():
    with ScriptedPeer(answers(0x0000)) as peer:
        waiting = Waiting(peer, quiet_period_seconds=25)
        with waiting.open() as retrieval:
            outcome, seconds = waiting.timed(retrieval, lambda: True)
    assert outcome.status == 0
    assert seconds < 15


def test_a_success_is_waited_for_once_in_a_job():
    with ScriptedPeer(answers(0x0000)) as peer:
        waiting = Waiting(peer, quiet_period_seconds=2)
        with waiting.open() as retrieval:
            assert waiting.timed(retrieval)[1] >= 2
            assert waiting.timed(retrieval)[1] < 1.9


def test_a_claim_is_waited_for_as_long_as_a_stall_but_believed_once():
    claim = {"NumberOfCompletedSuboperations": 5}
    with ScriptedPeer(answers(0x0000, **claim)) as peer:
        waiting = Waiting(
            peer,
            quiet_period_seconds=0.05,
            stall_timeout_seconds=2,
            first_instance_timeout_seconds=2,
        )
        with waiting.open() as retrieval:
            assert waiting.timed(retrieval)[1] >= 2
            assert waiting.timed(retrieval)[1] < 1.9
            retrieval.reception.accepted()  # it does send, after all
            retrieval.reception.settled(is_new=True)
            assert waiting.timed(retrieval)[1] >= 2


@pytest.mark.parametrize("status", [0xC000, 0xA702, 0xA801])
def test_a_failure_is_not_waited_for(status):
    with ScriptedPeer(answers(status)) as peer:
        waiting = Waiting(peer, quiet_period_seconds=25)
        with waiting.open() as retrieval:
            outcome, seconds = waiting.timed(retrieval)
    assert outcome.status == status
    assert seconds < 15


def test_an_archive_that_says_nothing_is_aborted_at_the_stall_time():
    with ScriptedPeer(silent) as peer:
        waiting = Waiting(peer)
        with waiting.open() as retrieval:
            outcome, seconds = waiting.timed(retrieval)
    assert outcome.status is None
    assert isinstance(outcome.error, TemporaryError)
    assert "sent nothing for 0.4 s, and nobody connected to us" in outcome.error.message
    assert 0.4 <= seconds < 15


def test_an_archive_that_does_not_answer_the_release_is_not_waited_for():
    def answers_and_hangs(peer, association):
        for message in peer.requests(association):
            respond(association, message, 0x0000)
            peer.hang()

    with ScriptedPeer(answers_and_hangs) as peer:
        waiting = Waiting(peer, stall_timeout_seconds=30, first_instance_timeout_seconds=30)
        began = time.monotonic()
        with waiting.open() as retrieval:
            outcome, _ = waiting.timed(retrieval)
    assert (outcome.status, outcome.error) == (0, None)
    assert time.monotonic() - began < 9  # the release has ten seconds
    assert_no_move_goes_on()


def test_the_first_instance_may_take_longer():
    with ScriptedPeer(silent) as peer:
        waiting = Waiting(peer, first_instance_timeout_seconds=3)
        with waiting.open() as retrieval:
            assert waiting.timed(retrieval)[1] >= 3
            retrieval.reception.accepted()
            retrieval.reception.settled(is_new=True)
            assert waiting.timed(retrieval)[1] < 2.9


def test_what_ends_the_job_cancels_the_move():
    def until_cancelled(peer, association):
        for message in peer.requests(association):
            if message.command["CommandField"] == dimse.C_MOVE_RQ:
                request = message
            else:
                respond(association, request, 0xFE00)

    with ScriptedPeer(until_cancelled) as peer:
        waiting = Waiting(peer, first_instance_timeout_seconds=30)

        def tick():
            if peer.commands:
                raise TerminatedJobError("Terminated.")

        waiting.tick = tick
        began = time.monotonic()
        with pytest.raises(TerminatedJobError), waiting.open() as retrieval:
            retrieval.request(STUDY, NEVER)
        assert time.monotonic() - began < 15
        assert [c["CommandField"] for c in peer.commands] == [dimse.C_MOVE_RQ, dimse.C_CANCEL_RQ]
    assert_no_move_goes_on()


def test_an_archive_deaf_to_the_cancel_is_aborted():
    with ScriptedPeer(silent) as peer:
        waiting = Waiting(peer, first_instance_timeout_seconds=30)

        def tick():
            if peer.commands:
                raise TerminatedJobError("Terminated.")

        waiting.tick = tick
        began = time.monotonic()
        with pytest.raises(TerminatedJobError), waiting.open() as retrieval:
            retrieval.request(STUDY, NEVER)
        assert time.monotonic() - began < 15
    assert_no_move_goes_on()


def test_a_job_is_stopped_while_its_move_is_negotiated():
    ended = threading.Event()
    with raw_peer(lambda connection: connection.recv(1 << 16) and ended.wait(60)) as port:
        peer = ScriptedPeer(silent)
        peer.node = lambda: Node("abpacs", "ABPACS", "127.0.0.1", port)
        waiting = Waiting(peer)
        end = time.monotonic() + 0.3

        def require_running():
            if time.monotonic() >= end:
                raise TerminatedJobError("Terminated.")

        waiting.context = dataclasses.replace(waiting.context, require_running=require_running)
        with pytest.raises(TerminatedJobError), waiting.open() as retrieval:
            retrieval.request(STUDY, NEVER)
        assert time.monotonic() < end + 15
        ended.set()


def test_a_c_store_is_ours_by_its_originator():
    with ScriptedPeer(answers(0xC000)) as peer:
        waiting = Waiting(peer)
        with waiting.open() as retrieval:
            assert not retrieval.is_originator("CDRECORD", 7)  # nothing was asked for yet
            waiting.timed(retrieval)
            used = peer.commands[0]["MessageID"]
            assert retrieval.is_originator("CDRECORD", used)
            assert retrieval.is_originator("CDRECORD ", used)
            assert retrieval.is_originator(None, None)
            assert retrieval.is_originator("", None)
            assert not retrieval.is_originator("OTHER", used)
            assert not retrieval.is_originator("CDRECORD", used % 65535 + 1)
            waiting.timed(retrieval)
            assert retrieval.is_originator("CDRECORD", used)  # it may still send
            assert peer.commands[1]["MessageID"] == used % 65535 + 1


def test_a_pause_ticks():
    with ScriptedPeer(silent) as peer:
        waiting = Waiting(peer)
        ticks = []
        waiting.tick = lambda: ticks.append(1)
        with waiting.open() as retrieval:
            retrieval.pause(0.35)
    assert len(ticks) >= 3


def test_the_receiver_is_stopped_when_the_block_raises():
    with ScriptedPeer(silent) as peer:
        waiting = Waiting(peer)

        def tick():
            raise ZeroDivisionError

        waiting.tick = tick
        with pytest.raises(ZeroDivisionError), waiting.open() as retrieval:
            retrieval.pause(1)
    assert not {"listener", "bookkeeping"} & {thread.name for thread in threading.enumerate()}


def test_what_was_accepted_and_never_comes_into_the_books_is_75():
    """A disk that hangs while an instance is read back."""
    with ScriptedPeer(silent) as peer:
        waiting = Waiting(peer)
        with pytest.raises(TemporaryError, match="1 received instance"), waiting.open() as one:
            one.reception.accepted()

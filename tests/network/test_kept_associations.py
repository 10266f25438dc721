"""Associations that stay open between two jobs, against archives that have their own ideas."""

import threading
import time

import pytest
from scripted_peer import ScriptedPeer, answer, identifier, respond, wait_for

from mkiso.core.query import matching_study, study_query
from mkiso.core.retrieval_plan import Request
from mkiso.errors import ProtocolError, TemporaryError
from mkiso.network import dimse
from mkiso.network.find import FindSession
from mkiso.network.kept_associations import KeptAssociations
from mkiso.network.move import BetweenMoves, start_move
from mkiso.network.upper_layer import REJECT_LOCAL_LIMIT, AssociationLostError

QUERY = study_query(accession_number="A1")
A1 = {"t00080050": "A1", "t0020000D": "1.2.3"}


#: Longer than any machine takes between two jobs here.
LONG = 60.0


@pytest.fixture
def kept():
    keeper = KeptAssociations(LONG)
    keeper.allow(allowed=True)
    yield keeper
    keeper.close()


def find(peer, keeper, **more):
    """Do as a job does: a few queries, then the end; return the lines of its log."""
    log = []
    session = FindSession(
        peer.node(), calling_ae_title="CDRECORD", log=log.append, keeper=keeper, **more
    )
    for _ in range(2):
        found = session.find(QUERY, lambda a: matching_study(a, QUERY), most_answers=9)
        assert [study.study_instance_uid for study in found.matches] == ["1.2.3"]
    session.close()
    return log


def move(peer, keeper, *, is_over=lambda: True, seconds=3600.0):
    operation = start_move(
        peer.node(),
        Request("1.2.3"),
        calling_ae_title="CDRECORD",
        destination_ae_title="CDRECORD",
        message_id=77,
        deadline=time.monotonic() + seconds,
        log=lambda _line: None,
        between=BetweenMoves(keeper, is_over),
    )
    outcome = operation.wait(30)
    operation.close(5)
    return outcome


def threads(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


class Recorder:
    """A script that notes how each association ended."""

    def __init__(self, script):
        self.script = script
        self.ends = []

    def __call__(self, peer, association):
        try:
            self.script(peer, association)
            self.ends.append("released")
        except Exception:
            self.ends.append("lost")
            raise


def test_the_next_job_asks_on_the_association_of_the_one_before(kept):
    script = Recorder(answer(A1))
    with ScriptedPeer(script) as peer:
        for _ in range(3):
            find(peer, kept)
        assert (peer.associations, script.ends) == (1, [])
        kept.close()
        wait_for(lambda: script.ends)
    assert script.ends == ["released"]
    wait_for(lambda: threads("idle associations") == [])


def test_nothing_is_kept_before_it_is_allowed_nor_afterwards():
    kept = KeptAssociations(LONG)
    script = Recorder(answer(A1))
    with ScriptedPeer(script) as peer:
        find(peer, kept)
        wait_for(lambda: script.ends == ["released"])
        kept.allow(allowed=True)
        find(peer, kept)
        kept.allow(allowed=False)
        wait_for(lambda: script.ends == ["released"] * 2)
        kept.allow(allowed=True)
        kept.close()
        find(peer, kept)
        wait_for(lambda: script.ends == ["released"] * 3)
    assert peer.associations == 3


def test_an_association_that_nobody_uses_is_released_soon():
    kept = KeptAssociations(0.2)
    kept.allow(allowed=True)
    script = Recorder(answer(A1))
    with ScriptedPeer(script) as peer:
        find(peer, kept)
        wait_for(lambda: script.ends == ["released"])
        find(peer, kept)
        kept.close()
    assert peer.associations == 2


def test_an_association_that_the_archive_has_closed_is_no_failure(kept):
    closed = threading.Event()

    def closing(peer, association):
        for count, message in enumerate(peer.requests(association), 1):
            respond(association, message, 0xFF00, identifier(**A1))
            respond(association, message, 0x0000)
            if count == 2 and peer.associations == 1:
                association.abort()
                closed.set()
                return

    with ScriptedPeer(closing) as peer:
        find(peer, kept)
        assert closed.wait(10)
        find(peer, kept)
        assert peer.associations == 2


@pytest.mark.parametrize("ending", ["aborts", 0xC001, 0xA700, 0x0124])
def test_an_archive_that_serves_one_job_an_association_is_asked_on_another(kept, ending):
    """Once; from then on every job has its own."""

    def one_job(peer, association):
        for count, message in enumerate(peer.requests(association), 1):
            if count > 2 and ending == "aborts":
                association.abort()
                return
            if count > 2:
                respond(association, message, ending)
                continue
            respond(association, message, 0xFF00, identifier(**A1))
            respond(association, message, 0x0000)

    with ScriptedPeer(one_job) as peer:
        logs = [find(peer, kept) for _ in range(4)]
        assert peer.associations == 4
    assert [any("stands already" in line for line in log) for log in logs] == [
        False, True, False, False,
    ]  # fmt: skip


def test_an_archive_that_dies_between_two_jobs_is_away_as_ever(kept):
    with ScriptedPeer(answer(A1)) as peer:
        node = peer.node()
        find(peer, kept)
    peer.node = lambda: node
    with pytest.raises(TemporaryError, match="cannot be reached"):
        find(peer, kept)


def test_nothing_is_kept_any_more_when_the_archive_has_turned_one_away(kept):
    script = Recorder(answer(A1))
    with ScriptedPeer(script) as peer:
        find(peer, kept)
        peer.reject = REJECT_LOCAL_LIMIT
        with pytest.raises(TemporaryError):
            move(peer, kept)
        wait_for(lambda: script.ends == ["released"])  # its place is free at once
        peer.reject = None
        kept.allow(allowed=True)
        find(peer, kept)
        wait_for(lambda: script.ends == ["released"] * 2)


def test_a_failure_of_the_second_association_is_raised(kept):
    def once(peer, association):
        for message in peer.requests(association):
            if len(peer.commands) > 2:
                respond(association, message, 0xC001)
                continue
            respond(association, message, 0xFF00, identifier(**A1))
            respond(association, message, 0x0000)

    with ScriptedPeer(once) as peer:
        find(peer, kept)
        with pytest.raises(ProtocolError, match="C001H"):
            find(peer, kept)
        assert peer.associations == 2


def test_a_job_with_little_time_neither_takes_nor_leaves_an_association(kept):
    with ScriptedPeer(answer(A1)) as peer:
        find(peer, kept)
        find(peer, kept, remaining_seconds=lambda: 3.0)
        assert peer.associations == 2
        find(peer, kept)
        assert peer.associations == 2


def test_only_a_few_idle_associations_are_held(kept):
    with ScriptedPeer(answer(A1)) as peer:
        sessions = [
            FindSession(peer.node(), calling_ae_title="CDRECORD", log=[].append, keeper=kept)
            for _ in range(4)
        ]
        for session in sessions:
            session.find(QUERY, lambda a: matching_study(a, QUERY), most_answers=9)
        for session in sessions:
            session.close()
        wait_for(lambda: peer._listener.associations_open == 2)


def test_an_archive_that_never_answers_a_release_holds_nobody():
    def deaf(peer, association):
        for count, message in enumerate(peer.requests(association), 1):
            respond(association, message, 0xFF00, identifier(**A1))
            respond(association, message, 0x0000)
            if count == 2:
                peer.hang()

    kept = KeptAssociations(LONG)
    kept.allow(allowed=True)
    with ScriptedPeer(deaf) as peer:
        find(peer, kept)
        began = time.monotonic()
        kept.close()
        assert time.monotonic() - began < 30
    wait_for(lambda: threads("idle associations") == [])


# --- C-MOVE


def done(peer, association):
    for message in peer.requests(association):
        respond(association, message, 0x0000, NumberOfCompletedSuboperations=3)


def test_one_association_carries_the_moves_of_several_jobs(kept):
    script = Recorder(done)
    with ScriptedPeer(script) as peer:
        assert [move(peer, kept).status for _ in range(3)] == [0, 0, 0]
        assert (peer.associations, script.ends) == (1, [])
        kept.close()
        wait_for(lambda: script.ends == ["released"])
        assert {command["CommandField"] for command in peer.commands} == {dimse.C_MOVE_RQ}


@pytest.mark.parametrize("status", [0xA702, 0xB000, 0xC000])
def test_a_move_that_was_no_success_ends_its_association(kept, status):
    def failing(peer, association):
        for message in peer.requests(association):
            respond(association, message, status)

    script = Recorder(failing)
    with ScriptedPeer(script) as peer:
        assert move(peer, kept).status == status
        wait_for(lambda: script.ends == ["released"])


def test_an_archive_that_ends_the_second_move_of_an_association_is_given_new_ones(kept):
    def one_move(peer, association):
        for count, message in enumerate(peer.requests(association), 1):
            if count > 1:
                association.abort()
                return
            respond(association, message, 0x0000)

    with ScriptedPeer(one_move) as peer:
        outcomes = [move(peer, kept) for _ in range(4)]
        assert peer.associations == 3
    assert [outcome.status for outcome in outcomes] == [0, None, 0, 0]
    assert isinstance(outcomes[1].error, AssociationLostError)


def test_an_association_is_not_kept_while_sub_operations_stand(kept):
    """The archive may end those only when this one ends."""
    script = Recorder(done)
    with ScriptedPeer(script) as peer:
        move(peer, kept, is_over=lambda: False)
        wait_for(lambda: script.ends == ["released"])


def test_a_move_of_a_job_with_little_time_has_its_own_association(kept):
    with ScriptedPeer(done) as peer:
        move(peer, kept)
        move(peer, kept, seconds=5.0)
        assert peer.associations == 2

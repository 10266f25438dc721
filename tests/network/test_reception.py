"""The counts of a receiver; tests/network/test_receiver.py has them at work."""

import threading

import pytest

from mkiso.network.reception import (
    MAXIMUM_KEPT,
    ForeignAttempt,
    Reception,
    Refusal,
    harmless_ae_title,
    harmless_uid,
)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reception(clock):
    return Reception(monotonic=clock)


def test_a_mebibyte_or_a_new_instance_is_progress_and_less_is_not(reception, clock):
    clock.now = 101.0
    reception.received((1 << 20) - 1)
    assert reception.last_progress == 100.0
    reception.received(1)
    assert reception.last_progress == 101.0
    clock.now = 102.0
    reception.accepted()
    assert reception.last_progress == 101.0
    reception.settled(is_new=False)
    assert (reception.last_progress, reception.instances_stored) == (101.0, 0)
    reception.accepted()
    reception.settled(is_new=True)
    assert (reception.last_progress, reception.instances_stored) == (102.0, 1)


def test_it_is_quiet_when_nothing_stands_and_nothing_waits(reception):
    assert reception.is_quiet
    reception.association_opened()
    reception.accepted()
    reception.association_closed()
    assert not reception.is_quiet
    reception.settled(is_new=True)
    assert reception.is_quiet


def test_whoever_waits_is_woken_by_a_change(reception):
    timer = threading.Timer(0.05, reception.association_opened)
    timer.start()
    assert reception.wait_until(lambda: reception.associations_seen == 1, 30)
    assert not reception.wait_until(lambda: reception.associations_seen == 2, 0.01)
    timer.join()


def test_of_a_flood_only_the_first_are_kept(reception):
    for n in range(MAXIMUM_KEPT + 10):
        reception.refuse(Refusal("", 0xC000, "10.0.0.1", "A", "1.2", f"1.{n}"))
        reception.turn_away(ForeignAttempt(f"10.0.0.{n}", "", ""))
    assert (len(reception.refusals), reception.refused) == (MAXIMUM_KEPT, MAXIMUM_KEPT + 10)
    assert (len(reception.foreign_attempts), reception.foreign) == (
        MAXIMUM_KEPT,
        MAXIMUM_KEPT + 10,
    )


def test_the_same_stranger_is_worth_one_line(reception):
    assert reception.turn_away(ForeignAttempt("10.0.0.1", "A", "B"))
    assert not reception.turn_away(ForeignAttempt("10.0.0.1", "A", "B"))
    assert reception.foreign == 2


def test_the_first_failure_stays(reception):
    first = ValueError("first")
    reception.fail(first)
    reception.fail(ValueError("second"))
    assert reception.failure is first


def test_instances_rush_in_while_an_association_stands_and_bytes_come_fast(reception, clock):
    reception.received(500_000)
    assert not reception.is_rushed()
    reception.association_opened()
    assert reception.is_rushed()
    clock.now += 0.005
    assert not reception.is_rushed()


def test_what_comes_from_the_wire_is_made_harmless():
    assert harmless_uid("1.2.3") == "1.2.3"
    assert harmless_uid("") == ""
    assert harmless_uid("Doe^Jane") == "(not a UID)"
    assert harmless_ae_title("PACS 1") == "PACS 1"
    assert harmless_ae_title("A\nB\\C\xe4" + "x" * 20) == "A?B?C?xxxxxxxxxx"

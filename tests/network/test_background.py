"""Work beside the receiving threads: in order, not in their way, and never lost."""

import threading
import time

from mkiso.network.background import Background


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_work_is_done_in_order_and_all_of_it_before_stop_returns():
    done = []
    background = Background(done.append)
    for n in range(500):
        background.do(lambda n=n: done.append(n))
    assert background.stop(30)
    assert done == list(range(500))


def test_work_that_raises_is_told_and_the_next_is_done():
    failures, done = [], []
    background = Background(failures.append)
    background.do(lambda: 1 / 0)
    background.do(lambda: done.append(1))
    assert background.stop(30)
    assert [type(f) for f in failures] == [ZeroDivisionError]
    assert done == [1]


def test_work_is_put_off_while_instances_rush_in_and_done_when_they_stop(monkeypatch):
    monkeypatch.setattr("mkiso.network.background._PUT_OFF_SECONDS", 60)
    rushed, done = [True], []
    background = Background(done.append, is_rushed=lambda: rushed[0])
    background.do(lambda: done.append(1))
    time.sleep(0.1)
    assert done == []
    rushed[0] = False
    wait_for(lambda: done == [1])
    assert background.stop(30)


def test_work_is_put_off_for_a_second_and_not_for_ever():
    done = []
    background = Background(done.append, is_rushed=lambda: True)
    began = time.monotonic()
    background.do(lambda: done.append(1))
    wait_for(lambda: done == [1])
    assert 0.9 < time.monotonic() - began < 15
    assert background.stop(30)


def test_stop_does_what_was_put_off_at_once(monkeypatch):
    monkeypatch.setattr("mkiso.network.background._PUT_OFF_SECONDS", 60)
    done = []
    background = Background(done.append, is_rushed=lambda: True)
    background.do(lambda: done.append(1))
    assert background.stop(30)
    assert done == [1]


def test_so_much_work_may_wait_and_then_who_adds_to_it_waits():
    hold, done = threading.Event(), []
    background = Background(done.append)
    background.do(hold.wait)
    adding = threading.Thread(
        target=lambda: [background.do(lambda: done.append(1)) for _ in range(2500)]
    )
    adding.start()
    time.sleep(0.2)
    assert adding.is_alive()
    assert background._queue.qsize() <= 1024
    hold.set()
    adding.join(30)
    assert background.stop(30)
    assert len(done) == 2500


def test_preparations_are_made_ahead_and_their_failure_is_the_works():
    rushed, prepared, done, failures = [True], [], [], []
    background = Background(failures.append, is_rushed=lambda: rushed[0])

    def prepare(n):
        if n == 90:
            raise OSError
        prepared.append(n)

    for n in range(100):
        background.do(lambda n=n: done.append(n), lambda n=n: prepare(n))
    rushed[0] = False
    assert background.stop(30)
    assert done == list(range(100))
    assert set(prepared) <= set(range(40, 90))
    assert failures == []


def test_work_on_a_long_object_is_not_put_off():
    done = []
    background = Background(done.append, is_rushed=lambda: True)
    background.do_if_idle(lambda: done.append(1))
    wait_for(lambda: done == [1], 0.5)
    assert background.stop(30)


def test_stop_says_when_the_work_takes_longer():
    hold = threading.Event()
    background = Background(lambda _error: None)
    background.do(hold.wait)
    assert not background.stop(0.05)
    hold.set()
    background._thread.join(30)


def test_work_that_may_be_skipped_waits_for_nothing():
    hold, done = threading.Event(), []
    background = Background(done.append)
    background.do(hold.wait)
    background.do(lambda: done.append("must"))
    background.do_if_idle(lambda: done.append("may"))
    hold.set()
    wait_for(lambda: done == ["must"])
    background.do_if_idle(lambda: done.append("may"))
    assert background.stop(30)
    assert done == ["must", "may"]

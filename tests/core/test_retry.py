import pytest

from mkiso.core.retry import RetryPolicy, retry
from mkiso.errors import ConfigError, TemporaryError


class Peer:
    """Fails as told, then answers."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def test_waits_double_up_to_a_maximum():
    assert list(RetryPolicy(5, 2.0, 2.0, 10.0).delays()) == [2.0, 4.0, 8.0, 10.0, 10.0]


def test_no_retries_means_one_attempt():
    peer = Peer(TemporaryError("down"))
    with pytest.raises(TemporaryError):
        retry(peer, RetryPolicy(0), lambda *_: None)
    assert peer.calls == 1


def test_a_busy_peer_is_asked_again_after_the_waits():
    waits = []
    peer = Peer(TemporaryError("one"), TemporaryError("two"))
    policy = RetryPolicy(2, 1.0)
    assert retry(peer, policy, lambda s, e: waits.append((s, str(e)))) == "answer"
    assert waits == [(1.0, "one"), (2.0, "two")]


def test_the_last_failure_is_the_one_reported():
    peer = Peer(TemporaryError("one"), TemporaryError("two"))
    with pytest.raises(TemporaryError, match="two"):
        retry(peer, RetryPolicy(1), lambda *_: None)


def test_a_refusal_that_names_its_reason_is_not_tried_again():
    peer = Peer(ConfigError("unknown AE title"))
    with pytest.raises(ConfigError):
        retry(peer, RetryPolicy(5), lambda *_: None)
    assert peer.calls == 1


def test_the_wait_may_end_it_all():
    def stop(seconds, error):
        raise TemporaryError("the deadline has passed")

    peer = Peer(TemporaryError("down"), TemporaryError("down"))
    with pytest.raises(TemporaryError, match="deadline"):
        retry(peer, RetryPolicy(5), stop)
    assert peer.calls == 1

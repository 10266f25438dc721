"""The lock of a port between processes."""

import signal
import subprocess
import sys
import threading

import pytest
from ports import free_ports

from mkiso.errors import TemporaryError, TerminatedJobError
from mkiso.network.port_lock import PortLock

KINDS = [
    pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only")),
    False,
]
_HOLDER = """
import sys, time
from mkiso.network.port_lock import PortLock
lock = PortLock(int(sys.argv[1]))
lock.acquire(0)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=KINDS, ids=["abstract socket", "file"])
def abstract(request, tmp_path, monkeypatch):
    monkeypatch.setattr("mkiso.network.port_lock._FALLBACK_FOLDER", str(tmp_path))
    return request.param


def test_a_lock_is_held_once_and_free_after_release(abstract):
    port, other_port = free_ports(2)
    with PortLock(port, abstract=abstract) as first:
        first.acquire(0)
        second = PortLock(port, abstract=abstract)
        with pytest.raises(TemporaryError, match=f"port {port}.*--lock-wait"):
            second.acquire(0)
        with PortLock(other_port, abstract=abstract) as another:
            another.acquire(0)
        first.release()
        second.acquire(0)
        second.release()
        second.release()


def test_a_process_that_is_killed_frees_the_lock(free_port):
    command = [sys.executable, "-c", _HOLDER, str(free_port)]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        lock = PortLock(free_port)
        with pytest.raises(TemporaryError):
            lock.acquire(0.3, say=said.append)
        assert len(said) == 1
        assert str(free_port) in said[0]
        holder.send_signal(signal.SIGKILL)
        lock.acquire(10)
        lock.release()


def test_waiting_ends_when_the_holder_is_done_and_is_said_once(free_port):
    said, slept = [], []
    first, second = PortLock(free_port), PortLock(free_port)
    first.acquire(0)

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 5:
            first.release()

    second.acquire(600, say=said.append, sleep=sleep)
    second.release()
    assert len(said) == 1
    assert max(slept) <= 0.2


def test_waiting_ends_when_the_job_is_stopped(free_port):
    def stopped():
        raise TerminatedJobError("stopped")

    first, second = PortLock(free_port), PortLock(free_port)
    first.acquire(0)
    with pytest.raises(TerminatedJobError):
        second.acquire(600, require_running=stopped)
    first.release()


def test_a_lock_is_not_taken_twice_by_one_holder(free_port):
    with PortLock(free_port) as lock:
        lock.acquire(0)
        with pytest.raises(ValueError, match="held already"):
            lock.acquire(0)


def test_who_waits_is_served_before_who_had_the_lock(free_port):
    had, waiting = PortLock(free_port), PortLock(free_port)
    had.acquire(0)
    is_waiting = threading.Event()
    waiter = threading.Thread(
        target=waiting.acquire, args=(60,), kwargs={"say": lambda _: is_waiting.set()}
    )
    waiter.start()
    assert is_waiting.wait(30)
    had.release()
    with pytest.raises(TemporaryError):
        had.acquire(0)  # at once, as a batch does for its next job
    waiter.join(30)
    waiting.release()
    had.acquire(0)
    had.release()

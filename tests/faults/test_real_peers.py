"""Orthanc and dcmqrscp behind a proxy that spoils what they send; stopped and killed meanwhile."""

import os
import signal
import threading
from pathlib import Path

import peers
import pytest
from faults.proxy import Proxy
from faults.whole import UIDS, refused
from scripted_peer import wait_for
from whole_jobs import laboratory, study

pytestmark = [
    pytest.mark.peers,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("spoilt archives"),
]
PROGRAMS = {"orthanc": ("Orthanc", "curl", "ss"), "dcmqrscp": ("dcmqrscp", "dcmqridx", "ss")}


class Real:
    """One archive with three instances, whose way to the job goes through a proxy."""

    def __init__(self, name, lab, tools, folder):
        self.name, self.lab = name, lab
        self.proxy = Proxy(lab.port)
        self._tools, self._folder = tools, folder

    def start(self):
        self.archive = peers.start(
            self.name, self._tools, self.lab.images, self._folder, DEST_PORT=str(self.proxy.port)
        )
        self.lab.archive_port = self.archive.port

    @property
    def pid(self):
        return int((self.archive.folder / "pid").read_text())

    def spoil(self, **stores):
        self.proxy.seen, self.proxy.done = 0, []
        self.proxy.stores = {int(nth[1:]): action for nth, action in stores.items()}


@pytest.fixture(scope="module", params=[*PROGRAMS])
def real(request, shared_tools, need_program, tmp_path_factory):
    need_program(*PROGRAMS[request.param])
    with laboratory(tmp_path_factory.mktemp("lab")) as lab:
        lab.settings |= {"viewer": "none", "stall_timeout_seconds": 2.0}
        lab.settings["first_instance_timeout_seconds"] = 2.0
        study(lab.images, 3)
        made = Real(request.param, lab, shared_tools, tmp_path_factory.mktemp("state") / "state")
        with made.proxy:
            made.start()
            yield made
            peers.stop(made.archive)


@pytest.fixture
def lab(real):
    """Its laboratory, with nothing made yet."""
    for path in real.lab.output.glob("A1*"):
        path.unlink()
    real.spoil()
    return real.lab


@pytest.mark.fault("F20", "F24", "F36", "F37")
@pytest.mark.parametrize("nth", ["n1", "n2", "n3"])
@pytest.mark.parametrize("action", ["drop", "cut", "truncate", "corrupt", "delay"])
def test_one_c_store_of_a_real_archive_that_is_spoilt_is_sent_again(real, lab, action, nth):
    real.spoil(**{nth: action})
    result = lab.make(node={"retries": 1})
    assert real.proxy.done == [action]
    assert result.code == 0, result.report
    assert result.on_disc == UIDS


@pytest.mark.fault("F20", "F21")
@pytest.mark.parametrize("action", ["drop", "truncate", "cut"])
def test_what_a_real_archive_never_gets_through_is_missing(real, lab, action):
    real.spoil(**{f"n{n}": action for n in range(2, 60)})
    result = lab.make()
    assert result.code in (75, 80), result.report
    assert result.discs == []
    assert result.report["received"] == 1
    real.spoil()
    assert lab.make().on_disc == UIDS


@pytest.mark.fault("F25", "F27")
def test_a_real_archive_that_is_stopped_while_it_sends_is_given_up(real, lab):
    """SIGSTOP, to the process that sends and to the one that started it."""
    real.spoil(n2="delay")
    real.proxy.delay_seconds = 5.0
    stopped = threading.Thread(target=lambda: (wait_for(lambda: real.proxy.done), stop(real.pid)))
    stopped.start()
    try:
        result = refused(lab.make(node={"find_timeout_seconds": 2.0}), 75)
        assert result.seconds < 25
    finally:
        stopped.join()
        stop(real.pid, signal.SIGCONT)
    real.spoil()
    assert lab.make(node={"retries": 3}).on_disc == UIDS


@pytest.mark.fault("F24", "F62")
def test_a_real_archive_that_is_killed_while_it_sends_is_75_and_heals(real, lab):
    real.spoil(n2="stall")
    killed = threading.Thread(
        target=lambda: (wait_for(lambda: real.proxy.done), stop(real.pid, signal.SIGKILL))
    )
    killed.start()
    result = lab.make()
    killed.join()
    refused(result, 75, received=1)
    peers.stop(real.archive)
    real.spoil()
    real.start()
    assert lab.make().on_disc == UIDS


def stop(pid, number=signal.SIGSTOP):
    """Send a signal to a process that we started and to its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for each in (*(children.read_text().split() if children.exists() else ()), pid):
        os.kill(int(each), number)

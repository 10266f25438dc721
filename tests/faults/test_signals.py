"""Whole runs that are stopped, killed, cut off from the power, and given odd surroundings."""

import contextlib
import json
import os
import random
import signal
import time

import pytest
from faults.ends import UIDS, check_end, heals, sha256
from faults.programs import (
    CHANGE,
    CREATE,
    ERRORS,
    FLUSH,
    LINK,
    NAME,
    OPEN,
    READ,
    REMOVE,
    RESERVE,
    WRITE,
)
from invariants import check_output, check_whole

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
CODES = {KILL: -KILL, TERM: 143, INT: 130}


def check_stopped(site, ended, number, nth=0):
    """A stopped run made nothing, or its disc; a killed one may leave its folder to the next."""
    if ended.code == 0:
        assert number != KILL or not nth
        check_end(site, ended)
    elif number == KILL:
        assert ended.code == -KILL
        for disc in site.lab.output.glob("*.iso"):
            assert check_whole(disc) == UIDS
        heals(site, 0)
    else:
        assert ended.code == CODES[number], ended.stdout
        check_end(site, ended, codes=(CODES[number],))
        heals(site, nth)


@pytest.mark.fault("F61", "F62", "F67")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("number", "kinds", "step"),
    [
        (KILL, CHANGE, 1),
        (TERM, CHANGE, 3),
        (INT, CHANGE, 3),
        pytest.param(KILL, CHANGE | READ | OPEN, 1, marks=pytest.mark.nightly),
        pytest.param(TERM, CHANGE | READ | OPEN, 1, marks=pytest.mark.nightly),
        pytest.param(INT, CHANGE | READ | OPEN, 1, marks=pytest.mark.nightly),
    ],
)
def test_a_signal_at_any_call_leaves_nothing_half(faulty_site, number, kinds, step):
    """At every call that changes the disk: every moment that can be told from the next one."""
    site = faulty_site
    count = site.count(kinds, site.lab.output)
    ends = set()
    for nth in range(1, count + 1, step):
        site.forget()
        ended = site.stop_at(kinds, nth, number, folder=site.lab.output)
        ends.add(ended.code)
        check_stopped(site, ended, number, nth)
    assert CODES[number] in ends


@pytest.mark.fault("F61", "F62")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [20, pytest.param(240, marks=pytest.mark.nightly)])
def test_a_signal_at_a_random_moment_leaves_nothing_half(site, rounds):
    began = time.monotonic()
    assert site.run().code == 0
    takes = time.monotonic() - began
    dice = random.Random(20260131)
    numbers = [KILL] * rounds + [TERM, INT] * (rounds // 6)
    dice.shuffle(numbers)
    for number in numbers:
        site.forget()
        process = site.begin()
        time.sleep(dice.uniform(0, takes))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
        ended = site.brood.end()
        early = ended.code in (-TERM, -INT) or (number == INT and ended.code == 99)
        if not early:  # before the program had begun
            check_stopped(site, ended, number)


@pytest.mark.fault("F62", "G25")
@pytest.mark.timeout(900)
def test_a_disc_whose_run_was_killed_is_in_the_audit_trail_of_the_next(faulty_site):
    """At every call from the intention on; the next run is for another disc, and fails."""
    site, folder = faulty_site, faulty_site.lab.folder
    audit = ("--set", f"audit.file={site.state / 'audit.xml'}")
    calls = site.trace(CHANGE, folder, *audit).trace
    begins = next(n for n, call in enumerate(calls, 1) if "audit-intentions" in call[1])
    told_by_the_next = 0
    for nth in range(begins, len(calls) + 1):
        site.forget()
        site.stop_at(CHANGE, nth, KILL, *audit, folder=folder)
        discs = {str(p): sha256(p) for p in site.lab.output.glob("*.iso")}
        mine = {line["job"] for line in disc_lines(site)}
        assert site.run("--study-uid", "9.9.9", *audit).code == 66
        lines = [line for line in disc_lines(site) if line.get("path")]
        assert {line["path"]: line["sha256"] for line in lines} == discs, f"call {nth}"
        recovered = [line for line in lines if line.get("recovered")]
        assert len(lines) == len(discs), f"call {nth}"
        told_by_the_next += bool(recovered and recovered[0]["job"] not in mine)
        text = (site.state / "audit.xml").read_text() if discs else ""
        assert all(f"file://{path}" in text for path in discs), f"call {nth}"
        assert list(site.state.rglob("audit-intentions/*")) == []
    assert told_by_the_next >= 3


def disc_lines(site):
    paths = site.state.rglob("discs.jsonl")
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


@pytest.mark.fault("F67")
def test_no_name_stands_for_what_is_not_on_the_disk(faulty_site):
    """After a power cut a name may be there or not, but never without all it stands for.

    The calls of a whole run in order, on a file system that brings to the disk only what it is
    asked to, and names in any order.
    """
    kinds = WRITE | FLUSH | NAME | CREATE | LINK | REMOVE | RESERVE
    ended = faulty_site.trace(kinds, faulty_site.lab.output)
    assert ended.code == 0
    disk = Disk()
    for kind, path, other in ended.trace:
        disk.do(int(kind), path, other)
        for name in disk.names:
            if name.endswith(".iso"):
                assert disk.is_flushed(name), f"{name} after {kind} {path}"
                assert disk.is_durable(name[:-4] + ".json")
    image = str(faulty_site.lab.output / "A1.iso")
    assert image in disk.names
    assert disk.is_durable(image)


class Disk:
    """Which files have bytes, and which folders names, that are not on the disk yet."""

    def __init__(self):
        self.names = {}  # path -> the file's identity
        self.dirty = set()  # files
        self.not_durable = set()  # names
        self._files = 0

    def do(self, kind, path, other):
        if kind & CREATE and path not in self.names:
            self._files += 1
            self._name(path, self._files)
        elif kind & (WRITE | RESERVE):
            self.dirty.add(self.names.get(path))
        elif kind & FLUSH:
            self.dirty.discard(self.names.get(path))
            inside = {name for name in self.not_durable if name.rpartition("/")[0] == path}
            self.not_durable -= inside
        elif kind & NAME and other:
            below = [name for name in self.names if name == path or name.startswith(f"{path}/")]
            for name in below:
                self._name(other + name[len(path) :], self.names.pop(name))
        elif kind & LINK and path in self.names:
            self._name(other, self.names[path])
        elif kind & REMOVE:
            self.names.pop(path, None)

    def _name(self, path, file):
        self.names[path] = file
        self.not_durable.add(path)

    def is_flushed(self, name):
        return self.names[name] not in self.dirty

    def is_durable(self, name):
        return name in self.names and self.is_flushed(name) and name not in self.not_durable


@pytest.mark.fault("F63")
@pytest.mark.parametrize("closed", [("stdout",), ("stderr",), ("stdout", "stderr")], ids=str)
def test_a_caller_that_closes_its_end_gets_its_disc(site, closed):
    ended = site.run(**dict.fromkeys(closed))
    assert ended.code == 0
    assert check_output(site.lab.output)
    (report,) = site.state.rglob("jobs/*.json")
    assert '"code": 0' in report.read_text()


@pytest.mark.fault("G08")
@pytest.mark.parametrize("swing", [0, 1], ids=["once", "at each look"])
@pytest.mark.parametrize("seconds", [3600, -86400, 10 * 365 * 86400])
def test_a_clock_that_jumps_changes_no_waiting_time(faulty_site, seconds, swing):
    began = time.monotonic()
    ended = faulty_site.run(jump=[seconds, swing])
    assert time.monotonic() - began < 20
    assert ended.code == 0, ended.report["message"]
    check_end(faulty_site, ended)


@pytest.mark.fault("G08")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
@pytest.mark.parametrize("moment", ["2027-03-28T00:59:59Z", "2027-10-31T00:59:59Z"])
def test_the_hour_that_is_there_twice_or_never_is_an_hour(faulty_site, zone, moment):
    """Daylight saving begins and ends; the disc's dates and the log keep going."""
    then = time.mktime(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    faulty_site.environment["TZ"] = zone
    ended = faulty_site.run(jump=[int(then - time.time()), 0])
    assert ended.code == 0
    check_end(faulty_site, ended)


@pytest.mark.fault("G17")
@pytest.mark.parametrize("folder", ["/nonexistent", "/proc", "/dev/full"])
def test_the_temporary_folder_is_not_needed(site, folder):
    site.environment |= {"TMPDIR": folder, "TEMP": folder, "TMP": folder}
    ended = site.run()
    assert ended.code == 0
    check_end(site, ended)


@pytest.mark.fault("G19", "F54")
@pytest.mark.parametrize("more", [1, 3, 5, 8, 11, 15, 19, 23])
def test_too_few_file_handles_are_an_error_and_no_half_disc(site, more):
    ended = site.run(handles=4 + more)
    if ended.code != 99:  # else there were none for the test's own module
        check_end(site, ended, codes=(73, 74, 75, 78, 80, 83), may_trace=True)
    heals(site, 0)


@pytest.mark.fault("F54", "F61", "F62")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", [25, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", KILL, TERM])
def test_with_the_viewer_and_its_processes_nothing_is_half_either(faulty_site, error, step):
    site = faulty_site
    site.viewer = "full"
    count = site.count(CHANGE, site.lab.output)
    for nth in range(3, count + 1, step):
        site.forget()
        number = ERRORS.get(error) or -error
        ended = site.fail(CHANGE, nth, number, folder=site.lab.output)
        if number < 0:
            check_stopped(site, ended, error, nth)
        else:
            check_end(site, ended, may_leave=True)
            heals(site, nth)

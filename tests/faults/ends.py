"""What holds after any end of a run of the program, and that the next run heals it."""

import hashlib
import os
import time

from invariants import check_output, check_port, check_report, check_silence, check_whole
from whole_jobs import SECRETS

UIDS = {f"1.2.3.1.{n}" for n in (1, 2, 3)}
#: What a disk, a share or a process without file handles may end a run with.
DISK_CODES = (73, 74, 75, 83)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_end(site, ended, *, old=None, may_leave=False, codes=DISK_CODES, may_trace=False):
    """After any end: the old disc, or the new one, whole; nothing half, nobody named.

    `old` is the hash of a disc that was there before. `may_leave`: the disk took no removal either,
    so that the next run has to sweep. `may_trace`: no log can be written, so stderr has the trace.
    """
    output = site.lab.output
    report = ended.report
    assert report["code"] == ended.code
    assert may_trace or "Traceback" not in ended.stderr, ended.stderr
    discs = sorted(output.glob("*.iso")) if output.is_dir() else []
    for disc in discs:
        if sha256(disc) != old:
            assert check_whole(disc) == UIDS
    check_report(report, discs)
    assert ended.code in (0, *codes), report["message"]
    if ended.code == 0 or old is not None:
        assert [disc.name for disc in discs] == ["A1.iso"], "there is no disc"
    if not may_leave and old is None and output.is_dir():
        whole = [name for disc in discs for name in (disc.name, disc.with_suffix(".json").name)]
        assert sorted(path.name for path in output.iterdir()) == sorted(whole)
    logs = [path.read_text() for path in site.state.rglob("*.log")]
    check_silence([*logs, ended.stdout, ended.stderr], SECRETS)
    check_port(site.lab.port)


def heals(site, nth, *more):
    """On a healed disk the same command makes the disc, and sweeps what was left.

    Where nothing is left every fifth time will do.
    """
    left = site.lab.output.is_dir() and any(site.lab.output.iterdir())
    if nth % 5 and not left:
        return
    for folder in site.lab.output.glob(".mkiso-*"):
        names = [path.name for path in folder.iterdir()]
        if folder.suffix == ".new" or "lock" not in names:  # swept ten minutes later
            assert names in ([], ["lock"])
            os.utime(folder, (time.time() - 700,) * 2)
    ended = site.run(*more)
    assert ended.code == 0, ended.report["message"]
    (disc,) = check_output(site.lab.output)
    assert check_whole(disc) == UIDS

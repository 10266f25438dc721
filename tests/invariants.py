"""What holds after every end of a job, whatever went wrong: the invariants of the fault matrix."""

import contextlib
import json
import os
import socket
import threading
import time
from pathlib import Path

import jsonschema

import mkiso.core
from mkiso.core.exit_codes import EXIT_CODES
from mkiso.network.port_lock import PortLock
from mkiso.stages.verify import check_path

SCHEMA = json.loads((Path(mkiso.core.__file__).parent / "report_schema.json").read_text("utf-8"))
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
_LINGER_SECONDS = 20.0


def check_output(folder: Path) -> list[Path]:
    """Nothing half: only whole, verified discs with their sidecars; the discs."""
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir())
    assert [name for name in names if name.startswith(".mkiso-")] == []
    discs = sorted(folder.glob("*.iso"))
    whole = sorted(name for disc in discs for name in (disc.name, disc.with_suffix(".json").name))
    assert names == whole, "something but discs and their sidecars is in the output folder"
    for disc in discs:
        check_whole(disc)
    return discs


def check_whole(disc: Path):
    """The image is a good disc, and what its sidecar says; its SOP Instance UIDs."""
    result = check_path(disc)
    ids = {finding.id for finding in result.errors}
    assert ids == ({"sidecar.incomplete"} if "INCOMPLETE" in disc.name else set()), result.errors
    assert result.instances
    return {each.sop_instance_uid for each in result.instances}


def check_report(report: dict, discs: list[Path]) -> None:
    """The report keeps its schema, its code is one of ours, and it says which."""
    _VALIDATOR.validate(report)
    code = report["code"]
    known = {row.code: row for row in EXIT_CODES}
    assert code in known
    assert report["message"].strip()
    assert "\n" not in report["message"]
    assert len(report["message"]) < 600
    if code == 0:
        assert discs
        assert {Path(each["path"]).name for each in report["discs"]} <= {d.name for d in discs}
        assert report["missing"] == []
    if code in (80, 81, 82):
        which = report["missing"] or report["details"]
        assert which or "tudy" in report["message"], "it must say which"


def check_silence(words, secrets) -> None:
    """No patient in a log, a report, a message."""
    text = words if isinstance(words, str) else " ".join(words)
    assert [secret for secret in secrets if secret in text] == []


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_port(port: int) -> None:
    """The port and its lock are free, and no connection of the receiver is held open."""
    lock = PortLock(port)
    lock.acquire(0)
    lock.release()
    until(lambda: _can_be_bound(port), f"port {port} is taken")  # by chance by another test's
    until(lambda: not held_sockets(local_port=port), f"a connection to port {port} is held")


def check_process(folder: Path, threads_before=frozenset(), archive_port: int = 0) -> None:
    """No thread, no child process, no open file of the job and no connection is left."""
    until(lambda: not job_threads(threads_before), f"threads are left: {threading.enumerate()}")
    until(lambda: not open_files(folder), "files of the job are open")
    if archive_port:
        until(lambda: not held_sockets(remote_port=archive_port), "a connection is held open")


#: Names of the threads that belong to a job; the peers of a test have others of their own.
_JOB_THREADS = {"C-MOVE", "C-GET", "bookkeeping", "c-store", "listener of the job"}


def job_threads(before) -> list[str]:
    return [t.name for t in threading.enumerate() if t.name in _JOB_THREADS and t not in before]


def open_files(folder: Path) -> list[str]:
    """What this process has open in `folder`."""
    found = []
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = str(Path(entry.path).readlink())
            if target.startswith(f"{folder}/"):
                found.append(target)
    return found


def held_sockets(local_port: int = 0, remote_port: int = 0) -> list[str]:
    """TCP connections on a port that a process holds (those left to the kernel have no inode)."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                local, remote, state, inode = fields[1], fields[2], fields[3], fields[9]
                if inode == "0" or state in ("06", "0A"):
                    continue
                if local_port and int(local.rpartition(":")[2], 16) == local_port:
                    found.append(line.strip())
                if remote_port and int(remote.rpartition(":")[2], 16) == remote_port:
                    found.append(line.strip())
    return found


def until(condition, complaint: str, seconds: float = _LINGER_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(0.01)

"""The archives of the benchmark, on free loopback ports: dcmqrscp, Orthanc, and our own."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chain import Tuning, environment
from programs import MKISO, ProgramFailed, end, free_ports, wait_for_port

#: dcmqridx reads the index anew for every call, so few calls; the command line has a limit, too.
_INDEXED_AT_ONCE = 500


@dataclass(frozen=True)
class Archive:
    """A running archive and the port that it has registered as the move destination CDRECORD."""

    name: str
    port: int
    receiver_port: int


@contextlib.contextmanager
def dcmqrscp(studies: Path, folder: Path, tuning: Tuning) -> Iterator[Archive]:
    """Run dcmqrscp over hard links to the files of a folder of studies."""
    port, receiver_port = free_ports(2)
    data = folder / "db"
    data.mkdir(parents=True)
    for path in _files(studies):
        os.link(path, data / f"{path.parent.name}_{path.name}")
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nreceiver = (CDRECORD, 127.0.0.1, {receiver_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nABPACS {data} RW (500, 4096mb) ANY\nAETable END\n"
    )
    files = sorted(str(path) for path in data.iterdir())
    for start in range(0, len(files), _INDEXED_AT_ONCE):
        subprocess.run(
            ["dcmqridx", str(data), *files[start : start + _INDEXED_AT_ONCE]],
            check=True, timeout=300, capture_output=True,
        )  # fmt: skip
    command = ["dcmqrscp", *tuning.max_pdu, "-c", str(folder / "dcmqrscp.cfg")]
    with _served(command, port, folder, tuning):
        yield Archive("dcmqrscp", port, receiver_port)


@contextlib.contextmanager
def orthanc(studies: Path, folder: Path, tuning: Tuning) -> Iterator[Archive]:
    """Run Orthanc, loaded through its REST interface."""
    port, receiver_port, http_port = free_ports(3)
    folder.mkdir(parents=True)
    (folder / "orthanc.json").write_text(json.dumps({
        "Name": "ABPACS", "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"), "Plugins": [], "DicomAet": "ABPACS",
        "DicomPort": port, "HttpPort": http_port, "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomModalities": {"receiver": ["CDRECORD", "127.0.0.1", receiver_port]},
    }))  # fmt: skip
    program = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
    command = [str(program), str(folder / "orthanc.json")]
    with _served(command, http_port, folder, tuning):
        connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=60)
        for path in _files(studies):
            connection.request("POST", "/instances", path.read_bytes())
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise ProgramFailed(f"Orthanc did not take {path.name}: {answer.status}")
        connection.close()
        yield Archive("Orthanc", port, receiver_port)


@contextlib.contextmanager
def embedded(studies: Path, folder: Path, tuning: Tuning) -> Iterator[Archive]:
    """Run our own archive, for what dcmqrscp's index and quota do not bear."""
    port, receiver_port = free_ports(2)
    folder.mkdir(parents=True)
    command = [
        *MKISO, "archive", str(studies), "--port", str(port),
        "--destination", f"CDRECORD=127.0.0.1:{receiver_port}",
    ]  # fmt: skip
    with _served(command, port, folder, tuning):
        yield Archive("embedded archive", port, receiver_port)


ARCHIVES = {"dcmqrscp": dcmqrscp, "Orthanc": orthanc, "embedded": embedded}


def _files(studies: Path) -> list[Path]:
    return sorted(path for path in studies.rglob("*") if path.is_file())


@contextlib.contextmanager
def _served(command: list[str], port: int, folder: Path, tuning: Tuning) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment(tuning), stdout=log, stderr=log)
    try:
        try:
            wait_for_port(process, port, 120)
        except ProgramFailed as error:
            raise ProgramFailed(f"{error}: {(folder / 'log').read_text()[-500:]}") from error
        time.sleep(0.5)
        yield
    finally:
        end(process)
        shutil.rmtree(folder, ignore_errors=True)

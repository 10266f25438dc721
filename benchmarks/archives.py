"""The archives of the benchmark, on free loopback ports: dcmqrscp and Orthanc from Debian."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chain import Tuning, environment


@dataclass(frozen=True)
class Archive:
    name: str
    port: int
    receiver_port: int


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def dcmqrscp(slices: Path, folder: Path, tuning: Tuning):
    port, receiver_port = free_ports(2)
    data = folder / "db"
    data.mkdir(parents=True)
    for path in slices.iterdir():
        os.link(path, data / path.name)
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nreceiver = (CDRECORD, 127.0.0.1, {receiver_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nABPACS {data} RW (500, 4096mb) ANY\nAETable END\n"
    )
    files = sorted(str(path) for path in data.iterdir())
    for start in range(0, len(files), 200):
        subprocess.run(["dcmqridx", str(data), *files[start : start + 200]], check=True)
    options = [*tuning.max_pdu] if tuning.max_pdu else []
    command = ["dcmqrscp", *options, "-c", str(folder / "dcmqrscp.cfg")]
    yield from _serve(command, Archive("dcmqrscp", port, receiver_port), port, folder, tuning)


@contextmanager
def orthanc(slices: Path, folder: Path, tuning: Tuning):
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
    archive = Archive("Orthanc", port, receiver_port)
    for each in _serve([program, str(folder / "orthanc.json")], archive, http_port, folder, tuning):
        for path in sorted(slices.iterdir()):
            request = urllib.request.Request(
                f"http://127.0.0.1:{http_port}/instances", data=path.read_bytes(), method="POST"
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
        yield each


@contextmanager
def embedded(folder_of_files: Path, folder: Path, tuning: Tuning):
    """Our own archive, for objects that dcmqrscp's index and quota do not bear."""
    port, receiver_port = free_ports(2)
    folder.mkdir(parents=True)
    command = [
        sys.executable, "-m", "mkiso", "archive", str(folder_of_files), "--port", str(port),
        "--destination", f"CDRECORD=127.0.0.1:{receiver_port}",
    ]  # fmt: skip
    yield from _serve(command, Archive("embedded", port, receiver_port), port, folder, tuning)


def _serve(command, archive, ready_port, folder, tuning):
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment(tuning), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", ready_port)) == 0:
                    break
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.05)
        time.sleep(0.5)
        yield archive
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)

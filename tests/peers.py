"""Real archives on loopback for the end-to-end tests: Orthanc and dcmtk's dcmqrscp."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Archive:
    """A started archive and the receiver that it has registered as its move destination."""

    name: str
    port: int
    receiver_port: int
    folder: Path
    http_port: int = 0

    @property
    def node(self) -> str:
        return f"ABPACS@127.0.0.1:{self.port}"

    @property
    def receiver(self) -> str:
        return f"CDRECORD@127.0.0.1:{self.receiver_port}"


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def start(name: str, tools: Path, data: Path, folder: Path, **environment: str) -> Archive:
    """Start `orthanc` or `dcmqrscp` with the shared script and return it; raises when it fails."""
    port, http_port, receiver_port = free_ports(3)
    settings = {
        "PORT": str(port),
        "HTTP": str(http_port),
        "DEST_PORT": str(receiver_port),
        "ROOT": str(folder),
        **environment,
    }
    with (folder.parent / f"{folder.name}.start.log").open("wb") as log:
        subprocess.run(
            [str(tools / f"start_{name}.sh"), str(data)],
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin", **settings},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=170,
        )
    return Archive(name, port, receiver_port, folder, http_port)


def stop(archive: Archive) -> None:
    """End the archive by its pid and remove its folder."""
    pid = int((archive.folder / "pid").read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(archive.folder, ignore_errors=True)

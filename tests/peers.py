"""Real archives on loopback for the end-to-end tests: Orthanc and dcmtk's dcmqrscp."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ports import free_ports


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


class storescp:  # noqa: N801 - the program's name
    """dcmtk's storescp, bit preserving, taking every class and syntax."""

    def __init__(self, port: int, folder: Path, ae_title: str = "CDRECORD") -> None:
        self._port = port
        self._command = [
            "storescp", "+B", "+xa", "-pm", "-aet", ae_title, "-od", str(folder), str(port),
        ]  # fmt: skip

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command,
            env={**os.environ, "TCP_NODELAY": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self
            time.sleep(0.02)
        raise AssertionError("storescp does not listen")

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait(timeout=30)


def move(archive: Archive, level: str, **uids: str) -> None:
    """Let the archive send to its registered receiver with dcmtk's movescu."""
    names = {"study": "0020,000d", "series": "0020,000e", "instance": "0008,0018"}
    keys = [word for name, uid in uids.items() for word in ("-k", f"{names[name]}={uid}")]
    tool(
        "movescu", "-S", "-aet", "CDRECORD", "-aec", "ABPACS", "-aem", "CDRECORD", "--no-port",
        "127.0.0.1", str(archive.port), "-k", f"0008,0052={level}", *keys,
    )  # fmt: skip


def series_of(archive: Archive, study_uid: str) -> dict[str, set[str]]:
    """Ask the archive with findscu: Series Instance UID to SOP Instance UIDs."""
    found = _find(archive, "SERIES", "(0020,000e)", f"0020,000d={study_uid}", "0020,000e=")
    return {
        uid: _find(
            archive, "IMAGE", "(0008,0018)", f"0020,000d={study_uid}", f"0020,000e={uid}",
            "0008,0018=",
        )
        for uid in found
    }  # fmt: skip


def study_uids(archive: Archive, accession_number: str) -> set[str]:
    """Ask the archive with findscu."""
    return _find(archive, "STUDY", "(0020,000d)", f"0008,0050={accession_number}", "0020,000d=")


def _find(archive: Archive, level: str, wanted: str, *keys: str) -> set[str]:
    answer = tool(
        "findscu", "-S", "-aet", "CDRECORD", "-aec", "ABPACS", "127.0.0.1", str(archive.port),
        "-k", f"0008,0052={level}", *[word for key in keys for word in ("-k", key)],
    )  # fmt: skip
    return _uids(answer, wanted)


def _uids(answer: str, tag: str) -> set[str]:
    found = set()
    for line in answer.splitlines():
        text = line.removeprefix("I: ")
        if text.startswith(tag) and "[" in text:
            found.add(text.split("[", 1)[1].split("]", 1)[0].strip("\0 "))
    return found - {""}


def tool(*command: str) -> str:
    """Run one of dcmtk's programs; return everything it prints."""
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=120, check=False,
        env={**os.environ, "TCP_NODELAY": "1"},
    )  # fmt: skip
    return done.stdout + done.stderr

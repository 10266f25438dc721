"""The dcmtk chain that mkiso replaces: findscu, storescp, movescu, dcmmkdir, genisoimage."""

import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

DEADLINE_SECONDS = 600


@dataclass(frozen=True)
class Tuning:
    """How the dcmtk programs are run: as Debian ships them, or with Nagle off and large PDUs."""

    name: str
    environment: dict[str, str]
    max_pdu: tuple[str, ...]
    bit_preserving: tuple[str, ...]


SHIPPED = Tuning("as shipped", {}, (), ())
TUNED = Tuning("tuned", {"TCP_NODELAY": "1"}, ("--max-pdu", "131072"), ("+B",))


def environment(tuning: Tuning) -> dict[str, str]:
    """Return this environment without TCP_NODELAY, plus the tuning's."""
    base = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    return {**base, **tuning.environment}


def run_chain(
    archive_port: int, receiver_port: int, accession: str, folder: Path, tuning: Tuning
) -> tuple[float, float]:
    """Return (seconds of the whole chain, seconds of the C-MOVE) for one accession number."""
    disc = folder / "disc"
    images = disc / "DICOM"
    images.mkdir(parents=True)
    started = time.monotonic()
    study = find_study(archive_port, accession, tuning)
    receiver = start_storescp(receiver_port, images, tuning)
    try:
        move_started = time.monotonic()
        move_study(archive_port, study, tuning)
        move_seconds = time.monotonic() - move_started
    finally:
        receiver.terminate()
        receiver.wait(timeout=10)
    for number, path in enumerate(sorted(images.iterdir())):
        path.rename(images / f"IM{number:06d}")
    _run("dcmmkdir", "+I", "+r", "+id", str(disc), "+D", str(disc / "DICOMDIR"), "DICOM",
         tuning=tuning)  # fmt: skip
    _run("genisoimage", "-quiet", "-iso-level", "1", "-J", "-r", "-V", "DICOM",
         "-o", str(folder / "disc.iso"), str(disc), tuning=tuning)  # fmt: skip
    seconds = time.monotonic() - started
    shutil.rmtree(folder)
    return seconds, move_seconds


def move_study(port: int, study: str, tuning: Tuning) -> None:
    """Let the archive send a study to CDRECORD."""
    _run("movescu", "-S", "-aet", "CDRECORD", "-aec", "ABPACS", "-aem", "CDRECORD",
         *tuning.max_pdu, "127.0.0.1", str(port), "--no-port",
         "-k", "0008,0052=STUDY", "-k", f"0020,000d={study}", tuning=tuning)  # fmt: skip


def find_study(port: int, accession: str, tuning: Tuning) -> str:
    answer = _run("findscu", "-S", "-aet", "CDRECORD", "-aec", "ABPACS", *tuning.max_pdu,
                  "127.0.0.1", str(port), "-k", "0008,0052=STUDY",
                  "-k", f"0008,0050={accession}", "-k", "0020,000d=", tuning=tuning)  # fmt: skip
    found = re.findall(r"\(0020,000d\) UI \[([0-9.]+)", answer)
    if not found:
        raise SystemExit(f"findscu found no study for {accession}:\n{answer}")
    return found[-1]


def start_storescp(port: int, images: Path, tuning: Tuning) -> subprocess.Popen:
    process = subprocess.Popen(
        ["storescp", *tuning.bit_preserving, *tuning.max_pdu, "+xa", "-aet", "CDRECORD",
         "-od", str(images), str(port)],
        env=environment(tuning), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.005)
    raise SystemExit("storescp does not listen")


def _run(*command: str, tuning: Tuning) -> str:
    done = subprocess.run(
        command, env=environment(tuning), capture_output=True, text=True, errors="replace",
        timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr[-800:]}")
    return done.stdout + done.stderr

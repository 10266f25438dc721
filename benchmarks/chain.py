"""The dcmtk chain that mkiso replaces: findscu, storescp, movescu, dcmmkdir, genisoimage."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from programs import ProgramFailed, end, wait_for_port


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


@dataclass
class Receiver:
    """What a receiving program left: its peak memory is known when it has ended."""

    peak_mib: float = 0.0


def run_chain(
    archive_port: int, receiver_port: int, accession: str, folder: Path, tuning: Tuning
) -> tuple[float, float]:
    """Return (seconds of the whole chain, seconds of the C-MOVE) for one accession number."""
    disc = folder / "disc"
    images = disc / "DICOM"
    images.mkdir(parents=True)
    try:
        began = time.monotonic()
        study = find_study(archive_port, accession, tuning)
        with storescp(receiver_port, images, tuning):
            move_seconds = move_study(archive_port, study, tuning)
        for number, path in enumerate(sorted(images.iterdir())):
            path.rename(images / f"IM{number:06d}")
        _run("dcmmkdir", "+I", "+r", "+id", str(disc), "+D", str(disc / "DICOMDIR"), "DICOM",
             tuning=tuning)  # fmt: skip
        _run("genisoimage", "-quiet", "-iso-level", "1", "-J", "-r", "-V", "DICOM",
             "-o", str(folder / "disc.iso"), str(disc), tuning=tuning)  # fmt: skip
        return time.monotonic() - began, move_seconds
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_study(port: int, study: str, tuning: Tuning) -> float:
    """Let the archive send a study to CDRECORD; return the seconds of movescu."""
    began = time.monotonic()
    _run("movescu", "-S", "-aet", "CDRECORD", "-aec", "ABPACS", "-aem", "CDRECORD",
         *tuning.max_pdu, "127.0.0.1", str(port), "--no-port",
         "-k", "0008,0052=STUDY", "-k", f"0020,000d={study}", tuning=tuning)  # fmt: skip
    return time.monotonic() - began


def find_study(port: int, accession: str, tuning: Tuning) -> str:
    """Ask for the Study Instance UID of an accession number."""
    answer = _run("findscu", "-S", "-aet", "CDRECORD", "-aec", "ABPACS", *tuning.max_pdu,
                  "127.0.0.1", str(port), "-k", "0008,0052=STUDY",
                  "-k", f"0008,0050={accession}", "-k", "0020,000d=", tuning=tuning)  # fmt: skip
    found = re.findall(r"\(0020,000d\) UI \[([0-9.]+)", answer)
    if not found:
        raise ProgramFailed(f"findscu found no study for {accession}:\n{answer}")
    return found[-1]


@contextlib.contextmanager
def storescp(port: int, images: Path, tuning: Tuning) -> Iterator[Receiver]:
    """Run the storage SCP of dcmtk, from when it listens."""
    receiver = Receiver()
    process = subprocess.Popen(
        ["storescp", *tuning.bit_preserving, *tuning.max_pdu, "+xa", "-aet", "CDRECORD",
         "-od", str(images), str(port)],
        env=environment(tuning), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for_port(process, port, 10)
        yield receiver
    finally:
        receiver.peak_mib = end(process)


def storescu(port: int, folder: Path) -> list[str]:
    """Return the command that sends a folder, tuned."""
    return ["storescu", *TUNED.max_pdu, "-aet", "ABPACS", "-aec", "CDRECORD", "+sd", "+r",
            "127.0.0.1", str(port), str(folder)]  # fmt: skip


def dcmsend(port: int, folder: Path) -> list[str]:
    """Return the command that sends a folder, tuned."""
    return ["dcmsend", *TUNED.max_pdu, "--max-send-pdu", "131072", "-aet", "ABPACS",
            "-aec", "CDRECORD", "+sd", "+r", "127.0.0.1", str(port), str(folder)]  # fmt: skip


def _run(*command: str, tuning: Tuning) -> str:
    done = subprocess.run(
        command, env=environment(tuning), capture_output=True, text=True, errors="replace",
        timeout=600, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ProgramFailed(f"{command[0]} ended with {done.returncode}: {done.stderr[-800:]}")
    return done.stdout + done.stderr

"""Large studies and hostile company: time and memory of `mkiso make`, with the embedded archive.

    python benchmarks/load.py [associations] [instances] [study] [object] [--scale X] [--json FILE]

associations  a study of 480 slices over 16 associations, beside 48 that are silent, drip or flood
instances     20,000 small instances in one series
study         6 GiB in slices of 1 MiB
object        one instance of 2 GiB
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import archives
from chain import TUNED
from lab import generate
from making import make_command, move_seconds, require_ok
from programs import MKISO, timed
from studies import ACCESSION_NUMBER, Study, describe

MIB = 1 << 20
LOADS = {
    "associations": Study(instances=480, side=256, series=16),
    "instances": Study(instances=20_000, side=16),
    "study": Study(instances=6 * 1024, side=724),
    "object": Study(instances=1, side=0),
}


def run_mkiso(archive, folder: Path) -> dict:
    """Return what one `mkiso make` took and made; the disc is judged by `mkiso verify`."""
    took = timed(
        make_command(archive, ACCESSION_NUMBER, folder, "--viewer", "none"), limit_seconds=2800
    )
    report = require_ok(took.output)
    disc = Path(report["discs"][0]["path"])
    judged = subprocess.run([*MKISO, "verify", str(disc)], capture_output=True, check=False)
    return {
        "code": report["code"],
        "instances": report["received"],
        "size_mib": round(disc.stat().st_size / MIB),
        "seconds": round(took.seconds, 2),
        "stages": {stage: round(each, 2) for stage, each in report["seconds"].items()},
        "move": round(move_seconds(Path(report["log"])), 2),
        "peak_mib": round(took.peak_mib),
        "verified": judged.returncode == 0,
    }


class Company:
    """Connections to the receiver that are silent, drip, flood, or hold associations."""

    def __init__(self, port: int, count: int = 48) -> None:
        self._port = port
        self._ends = threading.Event()
        self.connected = 0
        self._threads = [
            threading.Thread(target=self._keep_on, args=(number,), daemon=True)
            for number in range(count)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        for thread in self._threads:
            thread.join(20)

    def _keep_on(self, number: int) -> None:
        while not self._ends.wait(0.05):
            with contextlib.suppress(OSError):
                sock = socket.create_connection(("127.0.0.1", self._port), timeout=2)
                self.connected += 1
                with sock:
                    self._misbehave(sock, number)

    def _misbehave(self, sock: socket.socket, number: int) -> None:
        request = associate_request("ABPACS" if number % 2 else "STRANGER")
        kind = number % 4
        if kind == 1:  # an association that is held for nothing
            sock.sendall(request)
            self._ends.wait(30)
        elif kind == 2:  # a drip
            for byte in request:
                sock.sendall(bytes((byte,)))
                if self._ends.wait(0.2):
                    return
        elif kind == 3:  # an association that floods
            sock.sendall(request)
            while not self._ends.is_set():
                sock.sendall(struct.pack(">BxL", 4, 1 << 17) + random.randbytes(1 << 14))
        else:
            self._ends.wait(30)


def associate_request(calling: str) -> bytes:
    """Return an A-ASSOCIATE-RQ for CT Image Storage."""

    def item(kind: int, body: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(body)) + body

    syntaxes = item(0x30, b"1.2.840.10008.5.1.4.1.1.2") + item(0x40, b"1.2.840.10008.1.2")
    body = struct.pack(">H2x", 1) + b"CDRECORD".ljust(16) + calling.encode().ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, b"\1\0\0\0" + syntaxes)
    body += item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3"))
    return struct.pack(">BxL", 1, len(body)) + body


def run(name: str, folder: Path, scale: float) -> dict:
    """Run one load in `folder`; everything in it is removed afterwards."""
    load = LOADS[name]
    count = max(1, round(load.instances * scale))
    images = folder / name
    if name == "object":
        generate(images, str(int(2 * 2**30 * scale)))
    else:
        generate(images, describe([replace(load, instances=count)]))
    try:
        with archives.embedded(images, folder / "archive", TUNED) as archive:
            company = Company(archive.receiver_port, 48 if name == "associations" else 0)
            with company:
                result = run_mkiso(archive, folder / "out")
            result |= {"load": name, "hostile": company.connected, "expected": count}
    finally:
        for each in folder.iterdir():
            shutil.rmtree(each, ignore_errors=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("loads", nargs="*", default=list(LOADS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    project = Path(__file__).resolve().parent.parent
    os.environ["PYTHONPATH"] = f"{project}:{os.environ.get('PYTHONPATH', '')}"
    results = []
    print("| load | instances | image | time | C-MOVE | peak memory | stages |")
    print("|---|---|---|---|---|---|---|")
    for name in options.loads:
        with tempfile.TemporaryDirectory(prefix="mkiso-load-") as folder:
            result = run(name, Path(folder), options.scale)
        results.append(result)
        stages = ", ".join(f"{stage} {took} s" for stage, took in result["stages"].items())
        print(
            f"| {name} | {result['instances']} | {result['size_mib']} MiB | {result['seconds']} s "
            f"| {result['move']} s | {result['peak_mib']} MiB | {stages} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

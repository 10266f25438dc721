"""Single parts of mkiso as programs of their own, to be timed beside the programs of others.

    python benchmarks/own.py receive PORT FOLDER      a storage SCP, as `make` runs it
    python benchmarks/own.py directory STUDY          DICOMDIR from headers
    python benchmarks/own.py image STUDY TREE         images, from a plan; TREE gets the same files

Talks in lines of JSON. This is the one file of the benchmarks that knows mkiso's inside.
"""

import gc
import hashlib
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

from mkiso.core.checksums import checksum_file, file_in_memory
from mkiso.core.file_ids import place
from mkiso.core.file_meta import encode_file_meta
from mkiso.core.header import read_header
from mkiso.core.model import DiscFile, FileSet, ReceivedInstance
from mkiso.disc.dicomdir import build_dicomdir
from mkiso.disc.image import write_image
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.storage.instances import InstanceStore

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_HEAD_BYTES = 32 * 1024


def tell(**values) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**values, "peak_mib": peak}), flush=True)


def receive(port: int, folder: Path) -> None:
    """Receive until a line comes; then say when everything is hashed and in the books."""
    store = InstanceStore(folder)
    taken = []

    def stored(kept) -> bool:
        instance = store.settle(kept)
        if instance is not None:
            taken.append(instance)
        return instance is not None

    job = StorageJob(
        peer_allowed=lambda _ip: True,
        calling_ae_title_allowed=lambda _title: True,
        move_originator_allowed=lambda _title, _message_id: True,
        begin=store.begin,
        wanted=lambda _study, _series: True,
        stored=stored,
        make_ready=store.make_ready,
    )
    receiver = Receiver("CDRECORD", "127.0.0.1", port)
    receiver.start(job)
    tell(listens=True)
    sys.stdin.readline()
    began = time.monotonic()
    quiet = receiver.reception.wait_until(lambda: receiver.reception.is_quiet, 60)
    tell(
        instances=len(taken),
        hashed=all(instance.sha256 for instance in taken),
        settled_after=time.monotonic() - began,
        refused=receiver.reception.refused,
        quiet=quiet,
    )
    receiver.stop()
    store.close()


def instances_of(study: Path, *, with_hash: bool) -> list[ReceivedInstance]:
    """Return the instances of a folder as the receiver would; the file meta's group is skipped."""
    found, levels = [], {}
    for entry in sorted(os.scandir(study), key=lambda entry: entry.name):
        with open(entry.path, "rb") as file:  # noqa: PTH123 - 50,000 times
            content = file.read() if with_hash else file.read(_HEAD_BYTES)
        start = 144 + int.from_bytes(content[140:144], "little")
        size = entry.stat().st_size - start
        head = content[start : start + _HEAD_BYTES]

        def read_at(offset: int, count: int, path=entry.path, start=start) -> bytes:
            with open(path, "rb") as file:  # noqa: PTH123
                return os.pread(file.fileno(), count, start + offset)

        parsed = read_header(head, read_at, size, EXPLICIT_VR_LITTLE_ENDIAN, levels)
        meta = encode_file_meta(
            parsed.sop_class_uid, parsed.sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN
        )
        found.append(ReceivedInstance(
            path=Path(entry.path),
            size_bytes=start + size,
            sha256=hashlib.sha256(content).hexdigest() if with_hash else "0" * 64,
            sop_class_uid=parsed.sop_class_uid,
            sop_instance_uid=parsed.sop_instance_uid,
            series_instance_uid=parsed.series_instance_uid,
            study_instance_uid=parsed.study_instance_uid,
            transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
            header=parsed.header,
            data_set_offset=len(meta),
        ))  # fmt: skip
    return found


def directory(study: Path) -> None:
    """Time the reading of the headers, and from them File IDs and DICOMDIR."""
    began = time.perf_counter()
    instances = instances_of(study, with_hash=False)
    read = time.perf_counter()
    seconds = []
    for _ in range(3):  # the first has what is done once, which would flatter the large ones
        start = time.perf_counter()
        encoded = build_dicomdir("BENCH", place(instances))
        (study.parent / f"{study.name}.DICOMDIR").write_bytes(encoded)
        seconds.append(time.perf_counter() - start)
    tell(
        instances=len(instances), headers=read - began, directory=statistics.median(seconds),
        size_bytes=len(encoded),
    )  # fmt: skip


def image(study: Path, tree: Path) -> None:
    """Plan a disc; then write it once for each line on stdin, to the file that it names."""
    placed = place(instances_of(study, with_hash=True))
    heads = (
        file_in_memory("DICOMDIR", build_dicomdir("BENCH", placed)),
        file_in_memory("README.TXT", b"A disc of the benchmark.\r\n"),
    )
    files = tuple(
        DiscFile("/".join(each.file_id), each.instance.size_bytes, each.instance.sha256,
                 source=each.instance.path)
        for each in placed
    )  # fmt: skip
    heads += (checksum_file((*heads, *files)),)
    plan = FileSet("BENCH", "BENCH", placed, (*heads, *files))
    for file in plan.files:
        path = tree / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.source is not None:
            path.hardlink_to(file.source)
        else:
            path.write_bytes(file.content or b"")
    tell(files=len(plan.files))
    for line in sys.stdin:
        target = Path(line.strip())
        began = time.perf_counter()
        written = write_image(plan, target)
        tell(seconds=time.perf_counter() - began, size_bytes=written.size_bytes)
        target.unlink()


def main() -> None:
    what, *given = sys.argv[1:]
    gc.freeze()  # as `mkiso make` begins
    gc.set_threshold(20_000, 20, 50)
    if what == "receive":
        receive(int(given[0]), Path(given[1]))
    elif what == "directory":
        directory(Path(given[0]))
    else:
        image(Path(given[0]), Path(given[1]))


if __name__ == "__main__":
    main()

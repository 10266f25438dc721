"""Parts 1 and 2: our receiver beside storescp, sent to by storescu and by an archive's C-MOVE."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chain import TUNED, environment, find_study, move_study, storescp, storescu
from lab import Lab, own
from programs import Child, ProgramFailed, free_ports, timed
from results import Row
from studies import ACCESSION_NUMBER, Study

_PEER = "storescp +B, tuned"
_NOTE = (
    "part 1 is sent by storescu, part 2 asked for by movescu; ours until every instance is hashed "
    "and its header checked; storescp does neither"
)


@dataclass(frozen=True)
class _Received:
    seconds: float
    sent_seconds: float  # when the sender had ended
    peak_mib: float


def store(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Compare with storescu as the sender: slices, then small objects."""
    loads = (
        ("slices", lab.slices(), lab.sizes.slices, "527 KB"),
        ("small", _small(lab), lab.sizes.small_objects, "20 KB"),
    )
    for key, folder, count, size in loads:

        def send(port: int, folder: Path = folder) -> None:
            timed(storescu(port, folder), env=environment(TUNED))

        (port,) = free_ports(1)
        what = f"Receive {count:,} objects of {size}"
        yield _compare(lab, extra, f"receive.{key}", what, count, port, send)


def move(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Compare with the C-MOVE of an archive, asked for by movescu both times."""
    for name in ("Orthanc", "dcmqrscp"):
        archive = lab.archive(name, lab.slices())
        study = find_study(archive.port, ACCESSION_NUMBER, TUNED)

        def send(_port: int, archive=archive, study=study) -> None:
            move_study(archive.port, study, TUNED)

        what = f"C-MOVE of {lab.sizes.slices:,} slices by {archive.name}"
        row = _compare(
            lab, extra, f"move.{name}", what, lab.sizes.slices, archive.receiver_port, send
        )
        row.wanted = 1.1 if name == "Orthanc" else None
        yield row


def _small(lab: Lab) -> Path:
    return lab.studies("small", [Study("BENCH.SMALL", lab.sizes.small_objects, 93, number=2)])


def _compare(
    lab: Lab,
    extra: dict[str, Any],
    key: str,
    what: str,
    count: int,
    port: int,
    send: Callable[[int], None],
) -> Row:
    ours, theirs = [], []
    for _ in range(lab.rounds):
        theirs.append(_into_storescp(lab, port, count, send))
        ours.append(_into_own(lab, port, count, send))
    extra[key] = {"seconds until the sender had ended": [run.sent_seconds for run in ours]}
    return Row(
        key,
        what,
        _PEER,
        [run.seconds for run in ours],
        [run.seconds for run in theirs],
        1.2,
        note=_NOTE,
        peak_mib=max(run.peak_mib for run in ours),
        peer_peak_mib=max(run.peak_mib for run in theirs),
    )


def _into_own(lab: Lab, port: int, count: int, send: Callable[[int], None]) -> _Received:
    folder = lab.new_folder()
    folder.mkdir()
    lab.settle()
    with Child(own("receive", str(port), str(folder))) as receiver:
        receiver.hear(60)
        began = time.monotonic()
        send(port)
        sent = time.monotonic() - began
        said = receiver.ask("settle")
        seconds = time.monotonic() - began
    lab.remove(folder)
    if said["instances"] != count or said["refused"] or not said["hashed"] or not said["quiet"]:
        raise ProgramFailed(f"the receiver took {said['instances']} of {count}: {said}")
    return _Received(seconds, sent, said["peak_mib"])


def _into_storescp(lab: Lab, port: int, count: int, send: Callable[[int], None]) -> _Received:
    folder = lab.new_folder()
    folder.mkdir()
    lab.settle()
    with storescp(port, folder, TUNED) as receiver:
        began = time.monotonic()
        send(port)
        seconds = time.monotonic() - began
    taken = sum(1 for _ in folder.iterdir())
    lab.remove(folder)
    if taken != count:
        raise ProgramFailed(f"storescp took {taken} of {count}")
    return _Received(seconds, seconds, receiver.peak_mib)

"""Part 7: forwarding beside storescu and dcmsend, all into storescp."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from chain import TUNED, dcmsend, environment, storescp, storescu
from lab import Lab
from making import make_command, require_ok, settings
from programs import MKISO, ProgramFailed, free_ports, timed
from results import Row
from studies import ACCESSION_NUMBER

_STAGE = (
    "ours reads the published image, has the status of each instance in its ledger, and is the "
    "stage alone; theirs read the files"
)


def measure(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Send the same slices by each program in turns."""
    study = lab.slices()
    archive = lab.archive("dcmqrscp", study)
    folder = lab.new_folder()
    folder.mkdir()
    peaks = dict.fromkeys(("forward", "send", "storescu", "dcmsend"), 0.0)
    seconds: dict[str, list[float]] = {name: [] for name in peaks}

    def foreign(name: str, command: Callable[[int], list[str]]) -> Callable[[int], float]:
        def run(port: int) -> float:
            took = timed(command(port), env=environment(TUNED))
            peaks[name] = max(peaks[name], took.peak_mib)
            return took.seconds

        return run

    def forward(port: int) -> float:
        work = lab.new_folder()
        node = f"BACKUP@127.0.0.1:{port}"
        took = timed(make_command(
            archive, ACCESSION_NUMBER, work, "--viewer", "none", "--forward", node
        ))  # fmt: skip
        peaks["forward"] = max(peaks["forward"], took.peak_mib)
        lab.remove(work)
        return require_ok(took.output)["seconds"]["forward"]

    def send(port: int) -> list[str]:
        node = f"BACKUP@127.0.0.1:{port}"
        return [*MKISO, "send", node, str(study), "--json", "--progress", "none",
                *settings(folder)]  # fmt: skip

    turns: dict[str, Callable[[int], float]] = {
        "dcmsend": foreign("dcmsend", lambda port: dcmsend(port, study)),
        "forward": forward,
        "storescu": foreign("storescu", lambda port: storescu(port, study)),
        "send": foreign("send", send),
    }
    for _ in range(lab.rounds):
        for name, run in turns.items():
            seconds[name].append(_received(lab, run))
    lab.remove(folder)
    extra["forward"] = {name: json.loads(json.dumps(took)) for name, took in seconds.items()}
    what = f"Forward {lab.sizes.slices:,} slices"
    for ours, peer, wanted, text, note in (
        ("forward", "dcmsend", 1.3, f"{what}: the stage of make", _STAGE),
        ("forward", "storescu", None, f"{what}: the stage of make", ""),
        ("send", "dcmsend", None, f"{what}: mkiso send, whole program", ""),
        ("send", "storescu", None, f"{what}: mkiso send, whole program", ""),
    ):
        yield Row(
            f"{ours}.{peer}", text, f"{peer}, tuned", seconds[ours],
            seconds[peer], wanted, note=note, peak_mib=peaks[ours], peer_peak_mib=peaks[peer],
        )  # fmt: skip


def _received(lab: Lab, run: Callable[[int], float]) -> float:
    """Return the seconds of a sender, with storescp at the other end; all must arrive."""
    target = lab.new_folder()
    target.mkdir()
    (port,) = free_ports(1)
    lab.settle()
    with storescp(port, target, TUNED):
        seconds = run(port)
    taken = sum(1 for _ in target.iterdir())
    lab.remove(target)
    if taken != lab.sizes.slices:
        raise ProgramFailed(f"storescp took {taken} of {lab.sizes.slices}")
    return seconds

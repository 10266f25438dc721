"""Part 11: points for the cost model, each stage's time over instances and bytes, from Orthanc."""

from collections.abc import Iterator
from typing import Any

from lab import Lab
from making import make
from results import Row
from studies import Study


def measure(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Make discs of several sizes without and with the viewer, in turns."""
    studies = [
        Study(f"COST.{number}", instances, side, number=900 + number)
        for number, (instances, side) in enumerate(lab.sizes.model, 1)
    ]
    archive = lab.archive("Orthanc", lab.studies("model", studies))
    points = extra.setdefault("points", [])
    for study in studies:
        for _ in range(lab.rounds):
            for viewer in ("none", "full"):
                lab.settle()
                made = make(archive, study.accession_number, lab.new_folder(), viewer)
                points.append({
                    "viewer": viewer, "instances": study.instances,
                    "bytes": study.instances * (2 * study.side**2 + 2650), "side": study.side,
                    **{key: made[key] for key in ("seconds", "cpu_seconds", "peak_mib", "stages",
                                               "viewer_bytes")},
                })  # fmt: skip
    yield from ()

"""Part 10: peak memory of a job, without and with the viewer, and at ten times the study.

Runs of their own, since looking at memory costs time. The peaks of the other parts are with them.
"""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import archives
from chain import TUNED
from lab import Lab
from making import make_command, require_ok
from memory import peak_of
from results import Row
from studies import ACCESSION_NUMBER, Study

_LIMITS = {"none": 200.0, "full": 400.0}
_TEXTS = {"none": "without viewer", "full": "with the viewer"}
#: Source, received instances, image and viewer, and room for the others on the disk.
_COPIES, _ROOM_BYTES = 4, 8 << 30


def measure(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Measure at one and ten times the study, and for one large object."""
    yield from _of_study(lab, extra, "study", lab.slices(), f"{lab.sizes.slices:,} slices")
    count = lab.sizes.slices * lab.sizes.tenfold
    needed = _COPIES * count * 527_000 + _ROOM_BYTES
    side, size = (512, "527 KB") if _free(lab.folder) > needed else (256, "134 KB")
    large = lab.studies("tenfold", [Study(instances=count, side=side)])
    yield from _of_study(lab, extra, "tenfold", large, f"{count:,} slices of {size}")
    lab.remove(large)
    size_bytes = lab.sizes.large_object_bytes
    text = f"one object of {size_bytes / 2**30:.2g} GiB"
    yield from _of_study(lab, extra, "object", lab.large_object(), text, ("none",))
    lab.remove(lab.large_object())


def _of_study(
    lab: Lab,
    extra: dict[str, Any],
    key: str,
    study: Path,
    text: str,
    viewers: tuple[str, ...] = ("none", "full"),
) -> Iterator[Row]:
    with archives.embedded(study, lab.new_folder(), TUNED) as archive:
        for viewer in viewers:
            folder = lab.new_folder()
            began = time.monotonic()
            peak, largest, output = peak_of(
                make_command(archive, ACCESSION_NUMBER, folder, "--viewer", viewer)
            )
            seconds = time.monotonic() - began
            lab.remove(folder)
            report = require_ok(output.decode() or json.dumps({"code": 70, "message": "silent"}))
            extra[f"memory.{key}.{viewer}"] = {
                "seconds": seconds,
                "stages": report["seconds"],
                "largest process (MiB)": largest,
                "size_bytes": sum(disc["size_bytes"] for disc in report["discs"]),
            }
            yield Row(
                f"memory.{key}.{viewer}",
                f"Peak memory, {text}, {_TEXTS[viewer]}",
                ours=[peak],
                wanted=_LIMITS[viewer],
                kind="value",
                unit="MiB",
                peak_mib=peak,
                note="all processes together; the embedded archive sends",
            )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free

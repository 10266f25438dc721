"""The icons of DICOMDIR made in worker processes, where no viewer is made (PS3.3 F.7)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mkiso.core.icon_rules import Icon
from mkiso.core.model import ReceivedInstance
from mkiso.pixels.result_jobs import ResultJob
from mkiso.pixels.worker_pool import WorkerPool


def has_icon(instance: ReceivedInstance) -> bool:
    """Tell whether an instance's directory record may have an icon: images alone."""
    return instance.header.record_type == "IMAGE"


def make_icons(
    instances: Iterable[ReceivedInstance], folder: Path, tick: Callable[[], None]
) -> dict[str, Icon]:
    """Return the icons of all images by SOP Instance UID; what cannot be shown has none.

    Workers write into the existing `folder`. `tick` is called now and then, and may raise; so may
    this, OSError, when the disk fails.
    """
    jobs = {
        each.sop_instance_uid: ResultJob(
            {
                "do": "icon",
                "path": str(each.path),
                "offset": each.data_set_offset,
                "syntax": each.transfer_syntax_uid,
            }
        )
        for each in instances
        if has_icon(each)
    }
    pool = WorkerPool(folder)
    try:
        for job in jobs.values():
            pool.submit(job)
        pool.wait(tick)
    finally:
        pool.close()
    return {uid: icon_of(job.result) for uid, job in jobs.items() if job.result}


def icon_of(content: Mapping[str, Any]) -> Icon:
    """Return the icon that a worker has sent as JSON."""
    return Icon(content["rows"], content["columns"], base64.b64decode(content["pixels"]))

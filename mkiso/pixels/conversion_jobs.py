"""Conversions in worker processes: what cannot be converted stays as it came, with a reason."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from mkiso.core.conversion_plan import Conversion, Step
from mkiso.core.header import LevelCache, read_header
from mkiso.core.model import ReceivedInstance
from mkiso.errors import InternalError
from mkiso.pixels.result_jobs import ResultJob
from mkiso.pixels.unshowable import (
    DECODER_CRASHED,
    DECODER_MISSING,
    MEMORY_LIMIT,
    NOT_LOSSLESS,
    TIME_LIMIT,
)
from mkiso.pixels.worker_pool import WorkerPool
from mkiso.pixels.worker_process import Limits

#: A whole object at a time is in memory, twice, and decoded.
_LIMITS: Final = Limits(frame_seconds=300, memory_bytes=6 << 30)
_HEAD_BYTES: Final = 256 * 1024
_REASONS: Final = {
    TIME_LIMIT: "its conversion took too long",
    MEMORY_LIMIT: "its conversion needs too much memory",
    DECODER_CRASHED: "the decoder crashed at it",
    DECODER_MISSING: "there is no decoder for it",
}

#: Takes (done, all) after each instance, and may raise.
Tick = Callable[[int, int], None]


class _ConversionJob(ResultJob):
    """One instance into one transfer syntax."""

    def __init__(self, instance: ReceivedInstance, target_syntax: str, target: Path) -> None:
        super().__init__(
            {
                "do": "convert",
                "path": str(instance.path),
                "offset": instance.data_set_offset,
                "syntax": instance.transfer_syntax_uid,
                "target": str(target),
                "target_syntax": target_syntax,
                "sop_class_uid": instance.sop_class_uid,
                "sop_instance_uid": instance.sop_instance_uid,
            }
        )
        self.instance = instance
        self.target = target
        self.target_syntax = target_syntax
        self.problem = ""

    def line(self, line: bytes) -> None:
        """Take the result, or why there is none."""
        super().line(line)
        if line[:1] == b"E":
            reason: dict[str, Any] = json.loads(line[1:])
            code, text = reason.get("code", ""), reason.get("text", "")
            cause = text if code == NOT_LOSSLESS else _REASONS.get(code, f"it failed ({text})")
            self.problem = f"it cannot be converted without loss: {cause}"

    def died(self, code: str) -> None:
        """Take note that the worker died at it."""
        self.problem = _REASONS.get(code, "its conversion failed")


def convert_instances(
    steps: Iterable[tuple[ReceivedInstance, Step]], folder: Path, tick: Tick
) -> Iterator[tuple[ReceivedInstance, Conversion | None]]:
    """Give every instance, converted where its step says so, and what became of it.

    New files are written into the existing `folder`. None: nothing was to be done. Raises OSError
    when the disk fails, and whatever `tick` raises.
    """
    planned = list(steps)
    jobs = {
        number: _ConversionJob(instance, step.target, folder / f"{number:08d}.dcm")
        for number, (instance, step) in enumerate(planned)
        if step.target != instance.transfer_syntax_uid
    }
    _run(jobs.values(), folder / "first", tick)
    again = {
        number: _ConversionJob(
            job.instance, planned[number][1].fallback, folder / f"{number:08d}p.dcm"
        )
        for number, job in jobs.items()
        if job.result is None
        and planned[number][1].fallback not in {"", job.instance.transfer_syntax_uid}
    }
    _run(again.values(), folder / "second", tick)
    levels: LevelCache = {}
    for number, (instance, step) in enumerate(planned):
        yield _outcome(instance, step, jobs.get(number), again.get(number), levels)


def _run(jobs: Iterable[_ConversionJob], folder: Path, tick: Tick) -> None:
    """Do jobs with as many workers as there are processors, which use the new `folder`."""
    waiting = list(jobs)
    if not waiting:
        return
    folder.mkdir(mode=0o700)
    pool = WorkerPool(folder, limits=_LIMITS)
    try:
        for job in waiting:
            pool.submit(job)
        pool.wait(lambda: tick(len(waiting) - pool.unfinished, len(waiting)))
    finally:
        pool.close()


def _outcome(
    instance: ReceivedInstance,
    step: Step,
    first: _ConversionJob | None,
    second: _ConversionJob | None,
    levels: LevelCache,
) -> tuple[ReceivedInstance, Conversion | None]:
    source, uid = instance.transfer_syntax_uid, instance.sop_instance_uid
    done = next((job for job in (first, second) if job and job.result), None)
    if done:
        return _converted(done, levels), Conversion(uid, source, done.target_syntax)
    problem = step.problem
    if first:
        problem = (second or first).problem or "its conversion failed"
    return instance, Conversion(uid, source, source, problem) if problem else None


def _converted(job: _ConversionJob, levels: LevelCache) -> ReceivedInstance:
    """Return the instance as it is now; its header is read from the new file."""
    size, offset = job.result["size_bytes"], job.result["offset"]
    with job.target.open("rb") as file:

        def read_at(start: int, length: int) -> bytes:
            file.seek(offset + start)
            return file.read(length)

        parsed = read_header(
            read_at(0, _HEAD_BYTES), read_at, size - offset, job.target_syntax, levels
        )
    if parsed.sop_instance_uid != job.instance.sop_instance_uid:
        raise InternalError("A converted instance has another SOP Instance UID.")
    return dataclasses.replace(
        job.instance,
        path=job.target,
        size_bytes=size,
        sha256=job.result["sha256"],
        transfer_syntax_uid=job.target_syntax,
        header=parsed.header,
        data_set_offset=offset,
    )

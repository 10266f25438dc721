"""The command line with a pipeline that does what FAKE says: for streams, signals, arguments."""

import dataclasses
import json
import os
import sys
import threading
import time
import types

from mkiso.core.context import Progress
from mkiso.core.report import DiscReport, Report, StudyReport
from mkiso.errors import MkisoError

FAKE = json.loads(os.environ.get("FAKE", "{}"))


@dataclasses.dataclass
class Surroundings:
    say: object
    progress: object
    log_live: bool
    require_running: object


def run(job, *, surroundings):
    if FAKE.get("crash"):
        raise ValueError("doe^jane".upper())
    for done in range(FAKE.get("instances", 0) + 1):
        surroundings.progress(Progress("retrieve", done, FAKE.get("instances", 0), done * 1000))
    if FAKE.get("thread"):
        threading.Thread(target=time.sleep, args=(60,)).start()
    surroundings.say(f"job: {describe(job)}")
    code, message = FAKE.get("code", 0), "One disc image made and verified."
    try:
        until = time.monotonic() + FAKE.get("seconds", 0)
        while time.monotonic() < until:
            if not FAKE.get("deaf"):
                surroundings.require_running()
            time.sleep(0.01)
    except MkisoError as error:
        code, message = error.code, error.message
    return Report(
        code=code,
        message=message,
        job=job.job_id,
        accessions=job.accession_numbers,
        studies=(StudyReport("1.2.3", job.accession_numbers[0], {"CT": 3}, 3),),
        expected=3,
        received=3,
        discs=(DiscReport("/discs/A.iso", 1_000_000, "0" * 64, "A", 3),),
        seconds={"find": 0.5, "retrieve": 1.0},
    )


def describe(job):
    fields = dataclasses.asdict(job)
    fields.pop("job_id")
    return json.dumps(fields, default=str, ensure_ascii=False)


sys.modules["mkiso.pipeline"] = types.SimpleNamespace(run=run, Surroundings=Surroundings)

from mkiso.cli.main import main  # noqa: E402 - after the pipeline was replaced

if __name__ == "__main__":
    sys.exit(main())

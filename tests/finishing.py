"""A job's second half for tests: a context that remembers, and a disc up to any stage of it."""

import dataclasses
from pathlib import Path

from disc_sets import bundled_file_set

from mkiso.core.context import Context
from mkiso.core.job import Job, Node
from mkiso.stages import publish, verify, write

FEW = ("CT_small.dcm", "MR_small.dcm", "test-SR.dcm")


class Finishing:
    """One job in `folder` with everything it said."""

    def __init__(self, folder: Path, **job):
        self.logged, self.warned, self.progressed = [], [], []
        self.output = folder / "out"
        self.work = self.output / ".mkiso-test"
        self.work.mkdir(parents=True, exist_ok=True)
        self.job = Job(
            job_id="test",
            accession_numbers=("A 1/2",),
            archive=Node("test", "ABPACS", "127.0.0.1", 11112),
            output_folder=self.output,
            **job,
        )
        self.stopped = None
        self.file_set = bundled_file_set(folder / "received", FEW)

    def require_running(self):
        if self.stopped:
            raise self.stopped

    @property
    def context(self):
        return Context(
            job=self.job,
            deadline=1e9,
            monotonic=lambda: 0.0,
            log=self.logged.append,
            warn=self.warned.append,
            say=lambda _: None,
            progress=self.progressed.append,
            require_running=self.require_running,
        )

    def change(self, **changes):
        self.file_set = dataclasses.replace(self.file_set, **changes)
        return self

    def with_job(self, **changes):
        self.job = dataclasses.replace(self.job, **changes)
        return self

    def write(self):
        part = self.work / f"disc{self.file_set.number}.part"
        part.unlink(missing_ok=True)
        return write.run(
            self.file_set, part, self.context, environment={"SOURCE_DATE_EPOCH": "1700000000"}
        )

    def verify(self):
        return verify.run(self.write(), self.file_set, self.context)

    def publish(self, **options):
        return publish.run(self.verify(), self.file_set, self.context, **options)

    @property
    def names(self):
        """What is in the output folder, work folder left out."""
        return sorted(p.name for p in self.output.iterdir() if p.name != self.work.name)

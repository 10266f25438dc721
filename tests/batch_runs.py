"""Batches in this process against an archive of this process."""

import dataclasses
import itertools
import time
from dataclasses import dataclass, field

from whole_jobs import instance, save

from mkiso.batch.run import Batch, run
from mkiso.batch.worker import World
from mkiso.core.batch_jobs import job_of
from mkiso.core.batch_list import JobList, parse_list
from mkiso.core.batch_rules import BatchPolicy, is_given_up
from mkiso.core.config import Config
from mkiso.storage.job_ledger import LedgerQueue
from mkiso.storage.ledger_access import BatchLock, LedgerFile

_COUNTER = itertools.count(1)


def studies(lab, *accession_numbers, count=3):
    """One study of `count` instances for each accession number, each of a patient of its own."""
    for number in accession_numbers:
        uid = f"1.2.826.{''.join(str(ord(c)) for c in number)}"
        for n in range(1, count + 1):
            ds = instance(
                uid,
                1,
                n,
                AccessionNumber=number,
                PatientID=f"PIDQ77-{number}",
                StudyDate="20260131",
            )
            save(lab.images, f"{uid}/{n}", ds)


@dataclass
class Runs:
    """Batch runs over one ledger."""

    lab: object
    policy: BatchPolicy = field(
        default_factory=lambda: BatchPolicy(first_pause_seconds=0.05, longest_pause_seconds=0.1)
    )
    ended: list = field(default_factory=list)

    @property
    def ledger_path(self):
        return self.lab.folder / "state" / "ledger.sqlite3"

    def base(self):
        return self.lab.job()

    def run(self, text, *, world=None, open_jobs=False, **policy):
        """Run a list, as text; return report and rows."""
        (self.lab.folder / "state").mkdir(exist_ok=True)
        policy = dataclasses.replace(self.policy, **policy)
        lock = BatchLock(self.ledger_path)
        file = LedgerFile(self.ledger_path)
        batch_id = f"batch{time.time_ns()}"
        queue = LedgerQueue(file, batch_id, is_given_up=lambda c, n: is_given_up(c, n, policy))
        try:
            if open_jobs:
                queue.add_open()
            return run(
                Batch(
                    batch_id,
                    parse_list(text.encode()) if text else JobList(()),
                    lambda line: job_of(line, self.base(), Config(), f"j{next(_COUNTER):05d}"),
                    queue,
                    policy,
                    world or World(ended=lambda *given: self.ended.append(given)),
                )
            )
        finally:
            queue.close()
            file.close()
            lock.release()

    def rows(self, query, *values):
        file = LedgerFile(self.ledger_path)
        try:
            return file.rows(query, *values)
        finally:
            file.close()


def codes(ended):
    """The exit code of every line, in order."""
    return [row.code for row in ended.rows]


def states(ended):
    return [row.state for row in ended.rows]

"""Between the two halves of a job that de-identifies: what arrived is exchanged for copies."""

from __future__ import annotations

import dataclasses

from mkiso.core.context import Context
from mkiso.core.disguise import Disguise
from mkiso.core.job import Job
from mkiso.run_record import Knowledge, timed
from mkiso.second_half import author, deidentify
from mkiso.stages import view
from mkiso.storage.workspace import Workspace


def prepare(job: Job) -> Disguise | None:
    """Return how a job de-identifies, None when it does not; raises what `deidentify` raises."""
    return deidentify.prepare(job)


def exchange(
    acquired: author.Acquired,
    context: Context,
    workspace: Workspace,
    known: Knowledge,
    viewing: view.Viewing,
) -> author.Acquired:
    """Return de-identified copies of what arrived, and the archive's list under their names.

    Whose the objects are is decided before: afterwards one pseudonym is one patient. The viewer
    sees the copies alone. Raises what `author` and `deidentify` raise.
    """
    disguise = known.disguise
    if disguise is None:
        return acquired
    with timed("deidentify", known):
        author.require_identity(acquired, context)
        made = deidentify.run(
            acquired.retrieved.instances, disguise, workspace.folder / "deidentified", context
        )
    known.found = disguise.found(acquired.found, made.left_out)
    retrieved = disguise.retrieved(acquired.retrieved)
    retrieved = dataclasses.replace(retrieved, instances=made.instances)
    known.acquired = dataclasses.replace(acquired, found=known.found, retrieved=retrieved)
    viewing.start()
    for instance in made.instances:
        for listener in viewing.listeners:
            listener(instance)
    return known.acquired

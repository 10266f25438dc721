"""A disc of an import's corrected copies: the usual job, of an archive that serves just them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from mkiso.archive.server import EmbeddedArchive
from mkiso.core.job import Job, Node
from mkiso.core.model import ReceivedInstance
from mkiso.core.report import Report
from mkiso.errors import CantCreateError
from mkiso.pipeline import Surroundings, run
from mkiso.toolbox.world import World

_AE_TITLE = "MKISO-IMPORT"


def make_disc(
    template: Job,
    make_job_id: Callable[[], str],
    copies: Path,
    instances: Sequence[ReceivedInstance],
    world: World,
) -> Report:
    """Make, verify and publish the disc of the copies; expected failures are in the report.

    The same disc there already is a success, so that an attempt can be repeated. Where another has
    the name, of an import of the same study before, it is called as this import is.
    """
    studies = tuple(dict.fromkeys(instance.study_instance_uid for instance in instances))
    with EmbeddedArchive(copies, _AE_TITLE, index_file=copies.with_name("index.sqlite3")) as local:
        node = Node("import", _AE_TITLE, "127.0.0.1", local.port, retrieve="get")
        job = dataclasses.replace(
            template,
            job_id=make_job_id(),
            archive=node,
            accession_numbers=(),
            study_instance_uids=studies,
            modalities=(),
            forward=(),
        )
        surroundings = Surroundings(
            say=world.say, progress=world.progress, require_running=world.require_running
        )
        report = run(job, surroundings=surroundings)
        if report.code != CantCreateError.code or template.name or template.replace:
            return report
        world.log(f"the disc is called {world.job_id}: another one has its name")
        job = dataclasses.replace(job, job_id=make_job_id(), name=world.job_id)
        return run(job, surroundings=surroundings)

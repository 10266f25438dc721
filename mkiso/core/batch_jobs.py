"""From a line of a list to a job: what its cells say over what the options say for all lines."""

from __future__ import annotations

import dataclasses

from mkiso.core.accessions import require_accession_numbers, require_study_instance_uids
from mkiso.core.batch_list import ListedJob
from mkiso.core.config import Config
from mkiso.core.job import Job
from mkiso.core.media_names import require_disc_name
from mkiso.core.nodes import choose_node
from mkiso.errors import UsageError


def job_of(listed: ListedJob, base: Job, config: Config, job_id: str) -> Job:
    """Return the job of a line. `base` has the settings of all; `config` knows the nodes.

    Raises UsageError or ConfigError for a cell that means nothing.
    """
    numbers = listed.accession_numbers
    changes: dict[str, object] = {}
    if listed.modalities:
        changes["modalities"] = listed.modalities
    if listed.forward:
        nodes = [choose_node(name, config, UsageError) for name in listed.forward]
        changes["forward"] = tuple(dict.fromkeys(nodes))
    if listed.name:
        changes["name"] = require_disc_name(listed.name.removesuffix(".iso"))
    return dataclasses.replace(
        base,
        job_id=job_id,
        accession_numbers=require_accession_numbers(numbers) if numbers else (),
        study_instance_uids=require_study_instance_uids(listed.study_instance_uids),
        output_folder=base.output_folder.absolute() / listed.output,
        **changes,  # type: ignore[arg-type]
    )

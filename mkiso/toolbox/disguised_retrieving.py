"""Retrieve, de-identify and send on: what an archive of pseudonyms is filled with.

The originals are in a private work folder inside the output folder, which is gone at the end.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.audit_transfers import Transfer, Way
from mkiso.core.disguise import Disguise
from mkiso.core.job import Job, Node
from mkiso.core.study_list import Selection
from mkiso.errors import MkisoError
from mkiso.storage.workspace import Workspace
from mkiso.toolbox.deidentifying import Copies, deidentify_all, failures_disguised, make_ready
from mkiso.toolbox.retrieving import Outcome, retrieve_all
from mkiso.toolbox.sending import Sending, Sent, send_all
from mkiso.toolbox.world import World


@dataclass(slots=True)
class Passed:
    """What became of each selection, and of the copies; `error` is that of copying or sending."""

    outcomes: tuple[Outcome, ...]
    copies: Copies | None = None
    sent: Sent | None = None
    error: MkisoError | None = None


def pass_on(
    job: Job,
    selections: Sequence[Selection],
    sort: str,
    disguise: Disguise,
    world: World,
    *,
    to: Node | None = None,
) -> Passed:
    """De-identify what arrives whole into the job's output folder, and send it to a node.

    A selection that fails stops no other; of it nothing is copied. Raises what concerns all.
    """
    for selection in selections:
        disguise.number(selection.accession_number)
    make_ready(job.output_folder, world)
    with Workspace(job.output_folder, f"originals-{secrets.token_hex(4)}") as workspace:
        originals = workspace.folder / "originals"
        raw = dataclasses.replace(job, output_folder=originals)
        untold = dataclasses.replace(world, transfers=[])
        try:
            passed = Passed(retrieve_all(raw, selections, "study", untold))
        finally:  # that it was done, and nothing of whom
            world.transfers.append(_received(job, untold.transfers))
        whole = frozenset(
            study.study_instance_uid
            for outcome in passed.outcomes
            if outcome.error is None and outcome.found is not None
            for study in outcome.found.studies
        )
        if whole:
            try:
                with failures_disguised(disguise):
                    passed.copies = deidentify_all(
                        (originals,), job, disguise, sort, world, only_studies=whole
                    )
            except MkisoError as error:
                world.require_running()
                passed.error = error
    if passed.copies is not None and to is not None:
        _send(passed, passed.copies.paths, job, to, world)
    return passed


def _received(job: Job, transfers: Sequence[Transfer]) -> Transfer:
    return Transfer(
        Way.RECEIVED,
        job.archive,
        folder=str(job.output_folder),
        taken=sum(each.taken for each in transfers),
        failed=sum(each.failed for each in transfers),
    )


def _send(passed: Passed, paths: tuple[Path, ...], job: Job, to: Node, world: World) -> None:
    calling = to.calling_ae_title or job.receiver.ae_title
    sending = Sending(to, calling, paths, associations=to.forward_associations)
    try:
        passed.sent = send_all(sending, world)
        passed.error = passed.sent.error
    except MkisoError as error:
        world.require_running()
        passed.error = error

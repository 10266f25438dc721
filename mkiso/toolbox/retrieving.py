"""Retrieve: studies from a node into a tidy folder, complete or an error, resumable."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mkiso.core.audit_alerts import Stranger
from mkiso.core.audit_transfers import Transfer, Way
from mkiso.core.audited_studies import listed_studies, studies_of
from mkiso.core.context import Context
from mkiso.core.display_text import counted
from mkiso.core.job import Job
from mkiso.core.model import FindResult, ReceivedInstance, RetrieveResult
from mkiso.core.study_list import Selection
from mkiso.errors import DiskError, IncompleteError, MkisoError, NotFoundError
from mkiso.network.our_receiver import bound_receiver
from mkiso.stages import find, retrieve
from mkiso.stages.audit import strangers_of
from mkiso.storage.workspace import Workspace, require_free, require_output_folder, sweep_stale
from mkiso.toolbox.choosing import chosen_studies
from mkiso.toolbox.tidy_folder import MARKER, TidyFolder
from mkiso.toolbox.world import World


@dataclass(slots=True)
class Outcome:
    """What became of one selection; `error` is None when everything is here."""

    selection: Selection
    found: FindResult | None = None
    retrieved: RetrieveResult | None = None
    already_there: int = 0
    error: MkisoError | None = None
    arrived: int = field(default=0)

    @property
    def instances(self) -> int:
        """How many instances are in the folder now, as far as this run looked."""
        if self.retrieved is not None:
            return len(self.retrieved.instances)
        return self.already_there + self.arrived


def retrieve_all(
    job: Job, selections: Sequence[Selection], sort: str, world: World
) -> tuple[Outcome, ...]:
    """Retrieve every selection into the job's output folder; one that fails stops no other.

    The folder is marked as incomplete until all are there. Raises CantCreateError or DiskError
    when nothing can be written there, TemporaryError when another run is at it, and what a signal
    is.
    """
    folder = job.output_folder
    if require_output_folder(folder):
        world.say(f"Made the output folder {folder}.")
    for name in sweep_stale(folder):
        world.log(f"swept {name}, left by a run that died")
    require_free(folder, job.minimum_free_bytes)
    tidy = TidyFolder(folder, sort)
    was_marked = (folder / MARKER).exists()
    try:
        with tidy.marked_incomplete() as mark_complete:
            outcomes = tuple(_one(job, selection, tidy, world) for selection in selections)
            tidy.bring_to_disk()
            nothing_begun = not was_marked and not any(outcome.found for outcome in outcomes)
            if nothing_begun or not any(outcome.error for outcome in outcomes):
                mark_complete()
    except OSError as error:
        raise DiskError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return outcomes


def _one(job: Job, selection: Selection, tidy: TidyFolder, world: World) -> Outcome:
    outcome = Outcome(selection)
    context = world.context(job)
    try:
        uids = chosen_studies(selection, context)
        chosen = dataclasses.replace(job, study_instance_uids=uids, per_patient=True)
        _retrieve(context.for_job(chosen), tidy, outcome, world.strangers)
    except MkisoError as error:
        world.require_running()  # a signal ends all
        outcome.error = error
    finally:
        world.transfers.append(_transfer(job, outcome))
    return outcome


def _transfer(job: Job, outcome: Outcome) -> Transfer:
    """Return what the audit trail is told; instances of an earlier run did not come now."""
    result, found = outcome.retrieved, outcome.found
    studies = studies_of(result.instances) if result else ()
    listed = len(found.expected) if found else 0
    lacking = max(0, listed - outcome.already_there - outcome.arrived)
    return Transfer(
        Way.RECEIVED,
        job.archive,
        folder=str(job.output_folder),
        asked=outcome.selection.told,
        studies=studies or listed_studies(found),
        taken=outcome.arrived,
        failed=result.missing_count if result else lacking,
    )


def _retrieve(
    context: Context, tidy: TidyFolder, outcome: Outcome, strangers: list[Stranger]
) -> None:
    """Find, receive and place. Raises what the stages raise, and IncompleteError for a gap."""
    series = outcome.selection.series_instance_uids

    def listed() -> FindResult:
        return only_series(find.run(context), series)

    def has_grown(found: FindResult) -> bool:
        return listed() != found if series else find.has_grown(found, context)

    def arrived(instance: ReceivedInstance) -> None:
        tidy.place(instance)
        outcome.arrived += 1

    with ExitStack() as stack:
        workspace = stack.enter_context(
            Workspace(context.job.output_folder, f"retrieve-{secrets.token_hex(4)}")
        )
        is_move = context.job.archive.retrieve == "move"
        receiver = bound_receiver(context, stack) if is_move else None
        if receiver is not None:
            seen = receiver.reception
            stack.callback(lambda: strangers.extend(strangers_of(seen)))
        outcome.found = listed()
        here = tidy.found(outcome.found.expected)
        outcome.already_there = len(here)
        result = retrieve.run(
            outcome.found,
            context,
            receiver=receiver,
            folder=workspace.folder,
            find_again=listed,
            has_grown=has_grown,
            listeners=(arrived,),
            already=here,
        )
        outcome.found, outcome.retrieved = result.found, result.retrieved
    _require_complete(result, context.job.output_folder)


def only_series(found: FindResult, series_instance_uids: Sequence[str]) -> FindResult:
    """Return the list without the series that were not asked for; () asks for all.

    Raises NotFoundError when one of them is not there.
    """
    if not series_instance_uids:
        return found
    wanted = set(series_instance_uids)
    studies = []
    for study in found.studies:
        series = tuple(s for s in study.series if s.series_instance_uid in wanted)
        wanted -= {s.series_instance_uid for s in series}
        if series:
            studies.append(dataclasses.replace(study, series=series))
    if wanted:
        raise NotFoundError(f"There is no series {min(wanted)} in the studies asked for.")
    return dataclasses.replace(found, studies=tuple(studies), filtered=True)


def _require_complete(result: retrieve.Retrieved, folder: Path) -> None:
    missing, here = result.retrieved.missing_count, len(result.retrieved.instances)
    if missing:
        raise IncompleteError(
            f"{missing} of {counted(missing + here, 'instance')} did not arrive; what did is in "
            f"{folder}. Run the same command again for the rest, or look at the archive's log.",
            details=tuple(f"missing: {i.sop_instance_uid}" for i in result.retrieved.missing),
        )
    if not result.found.count_verified:
        raise IncompleteError(
            f"In {folder}: {counted(here, 'instance')}; the archive does not tell whether that is "
            "all."
        )
    if not here:
        raise NotFoundError("The studies asked for hold no instance.")

"""Move: a node sends studies to a third one; what it says, and what the third one then has."""

from __future__ import annotations

import dataclasses
import itertools
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mkiso.core.audit_transfers import Transfer, Way
from mkiso.core.audited_studies import listed_studies
from mkiso.core.context import Context, Progress
from mkiso.core.dimse_status import Outcome as Meaning
from mkiso.core.dimse_status import Service, describe, meaning_of
from mkiso.core.display_text import counted
from mkiso.core.job import Job, Node
from mkiso.core.model import FindResult
from mkiso.core.retrieval_plan import Request, first_requests
from mkiso.core.study_list import Selection
from mkiso.errors import IncompleteError, MkisoError, NotFoundError, TemporaryError
from mkiso.network.move import start_move
from mkiso.network.sub_operations import RetrieveOutcome, SubOperations
from mkiso.stages import find
from mkiso.toolbox.choosing import chosen_studies
from mkiso.toolbox.retrieving import only_series
from mkiso.toolbox.trail import utc_now
from mkiso.toolbox.world import World

_TICK_SECONDS = 0.1
_CANCEL_SECONDS = 2.0
#: How long the destination may take to have in its index what it has taken, and how often to look.
_INDEX_SECONDS = 20.0
_LOOK_SECONDS = 1.0
_MESSAGE_IDS = 65535


@dataclass(slots=True)
class Moved:
    """What became of one selection; `error` is None when all is well."""

    selection: Selection
    found: FindResult | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)  # for the report
    completed: int = 0
    seen: int | None = None  # at the destination; None: nobody looked
    error: MkisoError | None = None

    @property
    def instances(self) -> int:
        """How many instances arrived, as far as anybody knows."""
        return self.completed if self.seen is None else self.seen


def move_all(
    job: Job,
    selections: Sequence[Selection],
    destination_ae_title: str,
    look_at: Node | None,
    world: World,
) -> tuple[Moved, ...]:
    """Let the job's archive send every selection to an AE title it knows.

    `look_at` is the destination as a node: it is asked what it has afterwards. One that fails stops
    no other. Raises what a signal is.
    """
    numbers = itertools.count(secrets.randbelow(_MESSAGE_IDS))
    moves = []
    for selection in selections:
        moved = Moved(selection)
        moves.append(moved)
        began = utc_now()
        context = world.context(job)
        try:
            uids = chosen_studies(selection, context)
            chosen = dataclasses.replace(job, study_instance_uids=uids, per_patient=True)
            _Mover(context.for_job(chosen), destination_ae_title, numbers, moved).run(look_at)
        except MkisoError as error:
            world.require_running()
            moved.error = error
        finally:
            to = look_at or Node(destination_ae_title, destination_ae_title, "", 0)
            world.transfers.append(_transfer(job.archive, to, moved, began))
    return tuple(moves)


def _transfer(source: Node, destination: Node, moved: Moved, began: str) -> Transfer:
    """Return what the audit trail is told: as far as anybody knows."""
    listed = len(moved.found.expected) if moved.found else 0
    return Transfer(
        Way.MOVED,
        source,
        destination,
        asked=moved.selection.told,
        studies=listed_studies(moved.found),
        taken=moved.instances,
        failed=max(0, listed - moved.instances),
        began=began,
    )


class _Mover:
    """The requests of one selection."""

    def __init__(
        self, context: Context, destination: str, numbers: itertools.count[int], moved: Moved
    ) -> None:
        self._context = context
        self._destination = destination
        self._numbers = numbers
        self._moved = moved
        self._total = 0

    def run(self, look_at: Node | None) -> None:
        """Find, move, look. Raises the failure of a request, and IncompleteError for a gap."""
        found = only_series(find.run(self._context), self._moved.selection.series_instance_uids)
        self._moved.found = found
        self._total = len(found.expected)
        if not found.studies:
            raise NotFoundError("The studies asked for hold no series.")
        failure: MkisoError | None = None
        for request in first_requests(found):
            failure = self._take(request, self._request(request)) or failure
        if look_at is not None:
            self._moved.seen = self._look(look_at, found)
        self._judge(found, failure, look_at)

    def _request(self, request: Request) -> RetrieveOutcome:
        """Send one C-MOVE and follow it; a silent archive is given the stall time."""
        context, node = self._context, self._context.job.archive
        last = context.monotonic()
        stall = node.stall_timeout_seconds or context.job.stall_timeout_seconds
        counted = SubOperations()

        def pending(counts: SubOperations) -> None:
            nonlocal last, counted
            if counts != counted:
                counted, last = counts, context.monotonic()
            done = self._moved.completed + (counts.completed or 0)
            context.progress(Progress("move", done, self._total or None))

        move = start_move(
            node,
            request,
            calling_ae_title=node.calling_ae_title or context.job.receiver.ae_title,
            destination_ae_title=self._destination,
            message_id=next(self._numbers) % _MESSAGE_IDS + 1,
            deadline=context.deadline,
            log=context.log,
            on_pending=pending,
            monotonic=context.monotonic,
        )
        try:
            while (outcome := move.wait(_TICK_SECONDS)) is None:
                context.require_time()
                if counted != SubOperations():  # some archives say nothing before the end
                    _require_alive(node, context.monotonic() - last, stall)
        except BaseException:
            move.cancel()
            if move.wait(_CANCEL_SECONDS) is None:
                move.abort()
            raise
        return outcome

    def _take(self, request: Request, outcome: RetrieveOutcome) -> MkisoError | None:
        """Note what the archive says; return what a failure is."""
        counts = outcome.counts
        self._moved.completed += (counts.completed or 0) + (counts.warning or 0)
        status = outcome.status
        self._moved.requests.append(
            {
                "study_instance_uid": request.study_instance_uid,
                "series_instance_uid": request.series_instance_uid,
                "status": "" if status is None else f"{status:04X}",
                "completed": counts.completed,
                "failed": counts.failed,
                "warning": counts.warning,
                "failed_sop_instance_uids": list(outcome.failed_sop_instance_uids),
            }
        )
        if outcome.error is not None:
            return outcome.error
        name = self._context.job.archive.name
        if status is None or meaning_of(Service.MOVE, status).outcome is Meaning.SUCCESS:
            return None
        said = describe(Service.MOVE, status)
        failed = "" if counts.failed is None else f", {counted(counts.failed, 'instance')} failed"
        return IncompleteError(
            f"{name} ended the C-MOVE to {self._destination} with status {said}{failed}; look at "
            "its log, and whether the destination is there and takes what is sent."
        )

    def _look(self, node: Node, found: FindResult) -> int:
        """Return how many of the instances the destination has; it may need a moment."""
        wanted = {instance.sop_instance_uid for instance in found.expected}
        seen = -1
        end = self._context.monotonic() + _INDEX_SECONDS
        while True:
            now = len(wanted & self._listed(node))
            if now == len(wanted) or now == seen or self._context.monotonic() >= end:
                return now
            seen = now
            self._pause()

    def _pause(self) -> None:
        end = self._context.monotonic() + _LOOK_SECONDS
        while self._context.monotonic() < end:
            self._context.require_time()
            time.sleep(_TICK_SECONDS)

    def _listed(self, node: Node) -> set[str]:
        """Return the SOP Instance UIDs that a node lists for the job's studies."""
        job = dataclasses.replace(self._context.job, archive=node, skip_not_found=True)
        quiet = dataclasses.replace(self._context, warn=lambda _sentence: None)
        try:
            found = find.run(quiet.for_job(job))
        except NotFoundError:
            return set()
        return {instance.sop_instance_uid for instance in found.expected}

    def _judge(self, found: FindResult, failure: MkisoError | None, look_at: Node | None) -> None:
        wanted, seen = len(found.expected), self._moved.seen
        if look_at is not None and seen is not None:
            if seen < wanted:
                raise failure or IncompleteError(
                    f"{look_at.name} has {seen} of {counted(wanted, 'instance')}, though the "
                    "archive reports success; look at the logs of both."
                )
            return  # it has all, whatever the archive says
        if failure is not None:
            raise failure
        if any(request["completed"] is not None for request in self._moved.requests) and (
            self._moved.completed < wanted
        ):
            raise IncompleteError(
                f"The archive lists {counted(wanted, 'instance')} and says that it sent "
                f"{self._moved.completed}; look at its log."
            )


def _require_alive(node: Node, silent_seconds: float, stall_seconds: float) -> None:
    """Raise TemporaryError when an archive that counts has not counted on for too long."""
    if silent_seconds > stall_seconds:
        raise TemporaryError(
            f"{node.name} says nothing new of the C-MOVE for {stall_seconds:g} s; look at its log, "
            "or allow more with --stall-timeout."
        )

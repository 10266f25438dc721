"""What a queue adds to a run: what earlier attempts left, and when the archive is asked again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from mkiso.core.context import Context
from mkiso.core.custody import Custody
from mkiso.core.model import FindResult, ReceivedInstance
from mkiso.errors import IncompleteError
from mkiso.run_record import Knowledge, timed
from mkiso.stages import find, retrieve
from mkiso.storage.resuming import adopt
from mkiso.storage.workspace import Workspace


def kept_instances(
    custody: Custody,
    found: FindResult,
    workspace: Workspace,
    context: Context,
    listeners: Sequence[retrieve.Listener],
) -> tuple[ReceivedInstance, ...]:
    """Return what an earlier attempt received and the archive still lists; tell the listeners."""
    listed = {instance.sop_instance_uid for instance in found.expected}
    every = adopt(workspace.folder, custody.kept, context.log)
    kept = tuple(instance for instance in every if instance.sop_instance_uid in listed)
    for instance in kept:
        for listener in listeners:
            listener(instance)
    return kept


def checks_later(context: Context, custody: Custody | None) -> bool:
    """Return whether the second half asks if the study has grown, when the port is free again.

    Only where another attempt follows, and no incomplete disc is wanted.
    """
    return custody is not None and custody.check_later and not context.job.allow_incomplete


def growth_asked(
    context: Context, custody: Custody | None, found: FindResult, known: Knowledge
) -> Callable[[], None]:
    """Ask beside everything else whether the study has grown, when that is left to the second half.

    What is returned waits for the answer and raises what it is: IncompleteError when the archive
    lists something else by now, or what `find` raises.
    """
    if not checks_later(context, custody):
        return lambda: None
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            _require_not_grown(context, found, known)
        except BaseException as failure:  # noqa: BLE001 - raised where the answer is wanted
            failures.append(failure)

    thread = threading.Thread(target=ask, name="growth", daemon=True)
    thread.start()

    def answer() -> None:
        thread.join()
        if failures:
            raise failures[0]

    return answer


def _require_not_grown(context: Context, found: FindResult, known: Knowledge) -> None:
    with timed("retrieve", known):
        if find.has_grown(found, context):
            raise IncompleteError(
                "The study has grown while it was retrieved; what is new is asked for next time."
            )

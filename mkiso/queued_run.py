"""What a queue adds to a run: what earlier attempts left, and when the archive is asked again."""

from __future__ import annotations

from collections.abc import Sequence

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


def require_not_grown(context: Context, found: FindResult, known: Knowledge) -> None:
    """Raise IncompleteError when the archive lists something else by now."""
    with timed("retrieve", known):
        if find.has_grown(found, context):
            raise IncompleteError(
                "The study has grown while it was retrieved; what is new is asked for next time."
            )

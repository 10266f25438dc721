"""From keys to studies: which Study Instance UIDs a selection means at a node."""

from __future__ import annotations

from mkiso.core.context import Context
from mkiso.core.contexts import is_uid
from mkiso.core.study_list import Selection
from mkiso.errors import LimitError, NotFoundError, ProtocolError
from mkiso.toolbox.finding import find_rows

_MOST_STUDIES = 10_000


def chosen_studies(selection: Selection, context: Context) -> tuple[str, ...]:
    """Return the Study Instance UIDs of a selection, in the archive's order.

    Raises NotFoundError when there is none (no PatientID in its sentence), LimitError,
    ProtocolError when one has no UID, and as `FindSession.find` does.
    """
    if not selection.needs_query:
        return selection.study_instance_uids
    node = context.job.archive
    found = find_rows(
        node,
        selection.request(),
        calling_ae_title=node.calling_ae_title or context.job.receiver.ae_title,
        limit=_MOST_STUDIES,
        log=context.log,
        require_running=context.require_time,
    )
    if found.dropped:
        context.log(f"{found.dropped} answers did not match what was asked for and were dropped")
    if found.is_cut:
        raise LimitError(f"{node.name} has more than {_MOST_STUDIES} such studies; ask for less.")
    uids = tuple(dict.fromkeys(row["StudyInstanceUID"] for row in found.rows))
    if not all(map(is_uid, uids)):  # asked for by an empty one, an archive may send anything
        raise ProtocolError(
            f"{node.name} lists a study without a Study Instance UID among them, which cannot be "
            "asked for; name the others by --study, or repair that one there."
        )
    if not uids:
        raise NotFoundError(
            f"{node.name} has no study that meets all that is asked for; check the keys, or ask "
            "where it was archived."
        )
    return uids

"""The status of a C-STORE, decided from what the command says and what the data set holds."""

from __future__ import annotations

from mkiso.core.contexts import is_uid
from mkiso.core.header import ParsedHeader

# C-STORE statuses that a storage SCP of ours answers, PS3.4 Table B.2-1 and PS3.7 Annex C
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
#: Cannot understand, and in our log: not asked for.
NOT_ASKED_FOR = 0xC409


def decide_by_uids(sop_class_uid: str, sop_instance_uid: str, found: ParsedHeader) -> int:
    """Return the status for a data set with the header `found` under a command with these UIDs.

    0000H when they agree, A900H when they do not, C000H when a UID is none. A UID with a leading
    zero in a component is taken: such objects exist, and refusing one loses it. Objects outside
    of studies (hanging protocols, palettes) have no study and series.
    """
    if (found.sop_class_uid, found.sop_instance_uid) != (sop_class_uid, sop_instance_uid):
        return DOES_NOT_MATCH
    above = [uid for uid in (found.series_instance_uid, found.study_instance_uid) if uid]
    return (
        SUCCESS
        if all(map(is_uid, (sop_class_uid, sop_instance_uid, *above)))
        else (CANNOT_UNDERSTAND)
    )

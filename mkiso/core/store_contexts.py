"""Presentation contexts for forwarding: what to propose for files of given classes and syntaxes."""

from __future__ import annotations

from collections.abc import Iterable

from mkiso.core.contexts import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

#: PS3.8 9.3.2.2: context IDs are odd numbers of one byte.
MOST_CONTEXTS = 128

#: What every node takes, if anything: instances are converted to these where there is a decoder.
FALLBACK_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def plan_contexts(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return (SOP class, transfer syntax) of each context to propose, in one group an association.

    `pairs` are those of the files. All contexts of a class are in one group; PS3.5 10.1 wants
    Implicit VR Little Endian offered for each class.
    """
    syntaxes: dict[str, dict[str, None]] = {}
    for sop_class_uid, syntax in pairs:
        syntaxes.setdefault(sop_class_uid, {})[syntax] = None
    groups: list[list[tuple[str, str]]] = [[]]
    for sop_class_uid, own in syntaxes.items():
        contexts = [(sop_class_uid, syntax) for syntax in dict.fromkeys((*own, *FALLBACK_SYNTAXES))]
        if len(groups[-1]) + len(contexts) > MOST_CONTEXTS:
            groups.append([])
        groups[-1] += contexts
    return tuple(tuple(group) for group in groups if group)

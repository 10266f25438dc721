"""What the audit trail will say of discs that have no name yet, and what of it came true.

A run that is killed between a disc's name and its own end cannot say it; the next one does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mkiso.core.report import Report


def intention(report: Report, lines: Sequence[str], messages: Sequence[str]) -> dict[str, Any]:
    """Return what is written down: `report` has the discs, a line for each, and their messages.

    The last messages are those of the discs, in their order (`audit_events.audit_messages`).
    """
    exports = messages[len(messages) - len(report.discs) :] if messages else [""] * len(lines)
    return {
        "time": report.ended,
        "messages": list(messages[: len(messages) - len(report.discs)]),
        "discs": [
            {"path": disc.path, "sha256": disc.sha256, "line": line, "message": message}
            for disc, line, message in zip(report.discs, lines, exports, strict=True)
        ],
    }


def finished(
    content: Mapping[str, Any],
    is_there: Callable[[str, str], bool],
    has_line: Callable[[str], bool],
) -> tuple[list[str], list[str], str]:
    """Return lines, messages and moment of the discs that got their names, by path and SHA-256.

    A job that `has_line` was killed after that; whether its messages went out nobody knows: they
    may come twice. ([], [], "") when no disc is there, or nobody can read what was written down.
    """
    try:
        discs = [disc for disc in content["discs"] if is_there(disc["path"], disc["sha256"])]
        rows = [json.loads(disc["line"]) for disc in discs]
        lines = [json.dumps({**r, "recovered": True}) for r in rows if not has_line(r["job"])]
        exports = [str(disc["message"]) for disc in discs if disc["message"]]
        messages, moment = list(map(str, content["messages"])), str(content["time"])
    except (KeyError, TypeError, ValueError):
        return [], [], ""
    return (lines, [*messages, *exports], moment) if discs else ([], [], "")

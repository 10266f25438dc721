"""A structured report as a tree of text ready to be shown (PS3.3 C.17)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mkiso.core.display_text import date_text, time_text
from mkiso.core.viewer_reading import Attributes
from mkiso.core.viewer_references import references
from mkiso.core.viewer_values import Values

_MAX_NODES: Final = 20_000
_MAX_DEPTH: Final = 60
_MAX_POINTS: Final = 2_000


def report(values: Values) -> Attributes:
    """Return the content of a structured report or key object selection."""
    builder = _Tree()
    content = builder.children(values, 0)
    date = date_text(values.text("ContentDate"))
    found: Attributes = {
        "title": values.meaning("ConceptNameCodeSequence"),
        "completion": values.text("CompletionFlag"),
        "verification": values.text("VerificationFlag"),
        "created": f"{date} {time_text(values.text('ContentTime'))}".strip(),
        "observers": [_observer(item) for item in values.items("VerifyingObserverSequence")],
        "predecessors": len(values.items("PredecessorDocumentsSequence")),
        "content": content,
        "cut": builder.nodes > _MAX_NODES,
    }
    return {name: value for name, value in found.items() if value}


def key_object(values: Values) -> Attributes:
    """Return title, texts and references of a key object selection (PS3.3 C.17.6)."""
    items = values.items("ContentSequence")
    texts = [item.lines("TextValue") for item in items if item.text("ValueType") == "TEXT"]
    found = [
        reference
        for item in items
        if item.text("ValueType") in {"IMAGE", "COMPOSITE", "WAVEFORM"}
        for reference in references(item, "ReferencedSOPSequence")
    ]
    if not found:  # the evidence lists them, too
        found = [
            reference
            for study in values.items("CurrentRequestedProcedureEvidenceSequence")
            for series in study.items("ReferencedSeriesSequence")
            for reference in references(series, "ReferencedSOPSequence")
        ]
    return {
        "title": values.meaning("ConceptNameCodeSequence"),
        "texts": [text for text in texts if text],
        "references": found,
    }


def _observer(item: Values) -> Attributes:
    found = {
        "name": item.text("VerifyingObserverName"),
        "organization": item.text("VerifyingOrganization"),
        "time": _date_time(item.text("VerificationDateTime")),
    }
    return {name: text for name, text in found.items() if text}


def _date_time(text: str) -> str:
    """Return a DT value as date and time; the zone is kept (PS3.5 6.2)."""
    moment, zone = text, ""
    for sign in "+-":
        if sign in text:
            moment, _, offset = text.partition(sign)
            zone = f" {sign}{offset}"
    date, time = date_text(moment[:8]), time_text(moment[8:])
    return f"{date} {time}{zone}".strip() if moment[8:] else date


class _Tree:
    """Turns content items into nodes, a bounded number of them."""

    def __init__(self) -> None:
        self.nodes = 0

    def children(self, values: Values, depth: int) -> list[Attributes]:
        """Return the nodes of the content items in `values`."""
        if depth > _MAX_DEPTH:
            return []
        found = []
        for item in values.items("ContentSequence"):
            self.nodes += 1
            if self.nodes > _MAX_NODES:
                break
            found.append(self._node(item, depth))
        return found

    def _node(self, item: Values, depth: int) -> Attributes:
        kind = item.text("ValueType")
        found: Attributes = {
            "relation": item.text("RelationshipType"),
            "type": kind,
            "name": item.meaning("ConceptNameCodeSequence"),
            "refers_to": [int(n) for n in item.numbers("ReferencedContentItemIdentifier")],
        }
        read = _VALUES.get(kind)
        if read:
            found.update(read(item))
        found["children"] = self.children(item, depth + 1)
        return {name: value for name, value in found.items() if value not in (None, "", [])}


def _number_value(item: Values) -> Attributes:
    measured = item.item("MeasuredValueSequence")
    unit = measured.item("MeasurementUnitsCodeSequence")
    code = unit.text("CodeValue")
    return {
        "value": " ".join(measured.texts("NumericValue")),
        "unit": "" if code in {"1", "{0:1}"} else code or unit.text("CodeMeaning"),
        "qualifier": item.meaning("NumericValueQualifierCodeSequence"),
    }


def _coordinates(item: Values) -> Attributes:
    return {
        "graphic": item.text("GraphicType"),
        "points": item.numbers("GraphicData")[:_MAX_POINTS],
    }


def _times(item: Values) -> Attributes:
    samples = [*item.numbers("ReferencedSamplePositions"), *item.numbers("ReferencedTimeOffsets")]
    moments = [_date_time(text) for text in item.texts("ReferencedDateTime")]
    return {
        "graphic": item.text("TemporalRangeType"),
        "points": samples[:_MAX_POINTS],
        "value": ", ".join(moments),
    }


def _referenced(item: Values) -> Attributes:
    return {"references": references(item, "ReferencedSOPSequence")}


# Value type of a content item -> what it says (PS3.3 C.17.3.2.1).
_VALUES: Final[dict[str, Callable[[Values], Attributes]]] = {
    "TEXT": lambda item: {"value": item.lines("TextValue")},
    "NUM": _number_value,
    "CODE": lambda item: {"value": item.meaning("ConceptCodeSequence")},
    "PNAME": lambda item: {"value": item.text("PersonName")},
    "DATE": lambda item: {"value": date_text(item.text("Date"))},
    "TIME": lambda item: {"value": time_text(item.text("Time"))},
    "DATETIME": lambda item: {"value": _date_time(item.text("DateTime"))},
    "UIDREF": lambda item: {"value": item.uid("UID")},
    "IMAGE": _referenced,
    "COMPOSITE": _referenced,
    "WAVEFORM": _referenced,
    "SCOORD": _coordinates,
    "SCOORD3D": _coordinates,
    "TCOORD": _times,
}

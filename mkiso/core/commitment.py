"""Storage commitment (PS3.4 Annex J): what is asked, and what the answer says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

#: The one SOP Instance of the Push Model class (PS3.6 Table A-1).
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
#: PS3.4 J.3.2.1.2, J.3.3.1.1.
REQUEST_ACTION = 1
ALL_COMMITTED, SOME_FAILED = 1, 2

#: Failure Reason (0008,1197), PS3.3 C.14.1.1.
FAILURE_REASONS = {
    0x0110: "processing failure",
    0x0112: "no such instance",
    0x0213: "resource limitation",
    0x0122: "SOP class not supported",
    0x0119: "class and instance do not fit",
    0x0131: "duplicate transaction UID",
}
NO_SUCH_INSTANCE, CLASS_CONFLICT = 0x0112, 0x0119

#: SOP class and SOP instance.
Reference = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Commitment:
    """An answer: what the archive is committed to keep, and what it is not, with the reason."""

    transaction_uid: str
    committed: tuple[str, ...]  # SOP Instance UIDs
    failed: Mapping[str, str] = field(default_factory=dict)


def commitment_request(transaction_uid: str, references: Iterable[Reference]) -> Dataset:
    """Return the action information of an N-ACTION (PS3.4 Table J.3-1)."""
    asked = Dataset()
    asked.TransactionUID = transaction_uid
    asked.ReferencedSOPSequence = Items(_reference(*pair) for pair in references)
    return asked


def commitment_report(
    transaction_uid: str,
    committed: Sequence[Reference],
    failed: Sequence[tuple[Reference, int]],
) -> tuple[int, Dataset]:
    """Return event type and event information of an N-EVENT-REPORT (PS3.4 Table J.3-2)."""
    report = Dataset()
    report.TransactionUID = transaction_uid
    if committed:
        report.ReferencedSOPSequence = Items(_reference(*pair) for pair in committed)
    if failed:
        items = []
        for pair, reason in failed:
            item = _reference(*pair)
            item.FailureReason = reason
            items.append(item)
        report.FailedSOPSequence = Items(items)
    return (SOME_FAILED if failed else ALL_COMMITTED), report


def references_of(asked: Dataset) -> tuple[Reference, ...]:
    """Return what a request refers to."""
    return tuple(
        (_uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID"))
        for item in asked.get("ReferencedSOPSequence") or ()
    )


def commitment_of(report: Dataset) -> Commitment:
    """Return what a report says."""
    return Commitment(
        _uid(report, "TransactionUID"),
        tuple(uid for _, uid in references_of(report)),
        {
            _uid(item, "ReferencedSOPInstanceUID"): _reason(item.get("FailureReason"))
            for item in report.get("FailedSOPSequence") or ()
        },
    )


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def _uid(data_set: Dataset, keyword: str) -> str:
    return str(data_set.get(keyword) or "").strip("\0 ")


def _reason(value: object) -> str:
    if not isinstance(value, int):
        return "no reason given"
    return FAILURE_REASONS.get(value, f"{value:04X}H")

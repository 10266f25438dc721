"""A patient's instances on one disc or several, and what each disc says that it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from mkiso.core import record_keys as keys
from mkiso.core.file_ids import place
from mkiso.core.media import MEDIA
from mkiso.core.model import FileSetInstance, ReceivedInstance
from mkiso.core.split import Sized, require_one, split

#: What a viewer takes for each byte of instances, until its real size is known. "auto" makes
#: previews where the room is short; "full" holds the decoded pixels, which were compressed.
_VIEWER_SHARES = {"none": 0.0, "full": 1.0, "preview": 0.1, "auto": 0.1}


@dataclass(frozen=True, slots=True)
class DiscLine:
    """One disc of a set, as the index of all discs shows it: `holds` is a line for each stretch."""

    number: int
    holds: tuple[str, ...]
    instances: int


@dataclass(frozen=True, slots=True)
class DiscPart:
    """What goes on disc `number` of `of`, with its File IDs; `index` is of all discs of the set."""

    number: int
    of: int
    placed: tuple[FileSetInstance, ...]
    index: tuple[DiscLine, ...] = ()  # () when there is one disc


def divide(
    instances: Iterable[ReceivedInstance],
    capacity_bytes: int | None,
    *,
    viewer: str = "none",
    may_split: bool = True,
    more_bytes: Mapping[str, int] | None = None,
) -> tuple[DiscPart, ...]:
    """Return the discs of one patient, every one a file-set of its own.

    `more_bytes` is what instances take beside their own files, by SOP Instance UID; `viewer` is
    the kind of a viewer whose size nobody knows yet. Raises LimitError when
    more than one is needed and may not be, or when an instance fits none; and what `place` raises.
    """
    whole = place(instances)
    more = more_bytes or {}
    sized = [
        Sized(
            *(i.sop_instance_uid, i.study_instance_uid, i.series_instance_uid),
            i.size_bytes + more.get(i.sop_instance_uid, 0),
        )
        for i in (item.instance for item in whole)
    ]
    shares = split(sized, capacity_bytes, _VIEWER_SHARES.get(viewer, 0.0))
    if not may_split:
        needed = max(share.size_bytes for share in shares) * len(shares)
        larger = (m.name for m in MEDIA if m.size_bytes >= needed)
        require_one(shares, capacity_bytes, larger)
    if len(shares) == 1:
        return (DiscPart(1, 1, whole),)
    by_uid = {item.instance.sop_instance_uid: item.instance for item in whole}
    parts = [tuple(by_uid[item.uid] for item in share.items) for share in shares]
    of_series = Counter(item.series_instance_uid for item in sized)
    index = tuple(
        DiscLine(number, _holdings(part, of_series), len(part))
        for number, part in enumerate(parts, 1)
    )
    return tuple(
        DiscPart(number, len(parts), place(part), index) for number, part in enumerate(parts, 1)
    )


def set_name(base: str, number: int, of: int) -> str:
    """Return the volume set identifier of a disc: `A1_DISC_2_OF_3`, in d-characters.

    Volume set size and sequence number stay 1: readers dislike volumes that claim to be one of
    several (ECMA-119 8.4.11).
    """
    return f"{base}_DISC_{number}_OF_{of}" if of > 1 else base


def _holdings(part: Sequence[ReceivedInstance], of_series: Counter[str]) -> tuple[str, ...]:
    """Return lines such as `CT series 5 to 9`, in the order of the disc."""
    series = [
        (uid, list(group)) for uid, group in groupby(part, key=lambda i: i.series_instance_uid)
    ]
    described = [(*_named(group[0]), group, of_series[uid]) for uid, group in series]
    lines: list[str] = []
    for (study, modality), group in groupby(described, key=lambda each: (each[0], each[1])):
        found = list(group)
        whole = [number for _, _, number, items, count in found if len(items) == count]
        what = f"{modality} series" if modality else "series"
        if whole:
            numbers = whole[0] if len(whole) == 1 else f"{whole[0]} to {whole[-1]}"
            lines.append(f"{what} {numbers}{study}")
        lines += [
            f"{what} {number}{study}: {len(items):,} of its {count:,} objects"
            for _, _, number, items, count in found
            if len(items) != count
        ]
    return tuple(lines)


def _named(instance: ReceivedInstance) -> tuple[str, str, str]:
    """Return the day of the study, modality and number of an instance's series, as text."""
    series, study = dict(instance.header.series), dict(instance.header.study)
    number = series.get(keys.SERIES_NUMBER, b"").strip().decode("ascii", "replace")
    modality = series.get(keys.MODALITY, b"").strip().decode("ascii", "replace")
    date = study.get(keys.STUDY_DATE, b"").decode("ascii", "replace").strip()
    day = f" of {date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 and date.isdigit() else ""
    return day, modality[:16], number[:12] or "without a number"

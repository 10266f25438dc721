"""The discs that a job would make, as far as anybody can know before the images are here.

C-FIND tells which series there are and, from most archives, how many instances. It never tells
how many bytes: sizes are guessed from the modality, and said to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mkiso.core.media import smallest_medium
from mkiso.core.model import FindResult, Series
from mkiso.core.selection import count_of
from mkiso.core.split import FIXED_BYTES, Sized, split
from mkiso.errors import LimitError

#: Bytes of one uncompressed instance as scanners of today make them: rows x columns x 2, or more.
# CT 512 x 512, MR 320 x 320, US a colour loop, XA a run of frames, CR, DX and MG detectors
TYPICAL_BYTES = {
    **dict.fromkeys(("CT", "PT"), 530_000),
    "MR": 250_000,
    "US": 8_000_000,
    **dict.fromkeys(("CR", "DX", "RG", "PX", "IO"), 12_000_000),
    "MG": 28_000_000,
    **dict.fromkeys(("XA", "RF"), 25_000_000),
    "NM": 1_000_000,
    "SM": 300_000_000,
    **dict.fromkeys(("OP", "XC", "ES", "GM", "SC", "OT"), 3_000_000),
    **dict.fromkeys(("SR", "PR", "KO", "REG", "AU", "DOC"), 50_000),
    "ECG": 200_000,
    "SEG": 5_000_000,
    **dict.fromkeys(("RTSTRUCT", "RTPLAN", "RTRECORD"), 2_000_000),
    "RTDOSE": 20_000_000,
}
_UNKNOWN_BYTES = 2_000_000
#: So many numbers of series are told by the first and the last of them.
_SPELLED = 6
#: What a viewer adds to uncompressed images that it deflates.
_VIEWER_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class PlannedDisc:
    """One disc of the plan; `holds` has a line for each modality of each study."""

    number: int
    of: int
    instances: int
    size_bytes: int  # estimated
    medium: str  # the smallest that holds it, "" when none does
    holds: tuple[str, ...]


def planned_discs(
    found: FindResult, capacity_bytes: int | None, viewer: str
) -> tuple[PlannedDisc, ...]:
    """Return the discs for what the archive lists. Raises LimitError as `split` does."""
    series_of = {each.series_instance_uid: each for study in found.studies for each in study.series}
    items = [item for each in series_of.values() for item in _instances(each)]
    if not items:
        return ()
    share = 0.0 if viewer == "none" else _VIEWER_SHARE if viewer == "full" else 0.1
    try:
        discs = split(items, capacity_bytes, share)
    except LimitError as error:  # the guess may be wrong: `make` knows the sizes
        raise LimitError(f"By estimate: {error.message}") from error
    factor = 1.0 if viewer == "none" else 1.0 + _VIEWER_SHARE
    planned = []
    for number, disc in enumerate(discs, 1):
        size = disc.size_bytes
        if capacity_bytes is None:  # the viewer shows everything where there is room
            size = FIXED_BYTES + int((disc.size_bytes - FIXED_BYTES) / (1.0 + share) * factor)
        medium = smallest_medium(size)
        holds = _holdings((series_of[item.series_instance_uid] for item in disc.items), found)
        planned.append(
            PlannedDisc(
                number, len(discs), len(disc.items), size, medium.name if medium else "", holds
            )
        )
    return tuple(planned)


def unknown_counts(found: FindResult) -> int:
    """Return of how many series the archive does not say how many instances they have."""
    return sum(1 for study in found.studies for each in study.series if count_of(each) is None)


def _instances(series: Series) -> list[Sized]:
    """Return a series' instances with guessed sizes; one when nobody knows how many there are."""
    size = TYPICAL_BYTES.get(series.modality.strip(), _UNKNOWN_BYTES)
    uids = [each.sop_instance_uid for each in series.instances]
    count = count_of(series)
    named = uids or [str(number) for number in range(1 if count is None else count)]
    return [
        Sized(uid, series.study_instance_uid, series.series_instance_uid, size) for uid in named
    ]


def _holdings(instances: Iterable[Series], found: FindResult) -> tuple[str, ...]:
    """Return lines such as `A1: CT, 3 series, 812 instances`."""
    accession = {study.study_instance_uid: study.accession_number for study in found.studies}
    counts: Counter[tuple[str, str]] = Counter()
    series: dict[tuple[str, str], dict[str, str]] = {}
    for each in instances:
        key = (accession.get(each.study_instance_uid, "").strip(), each.modality.strip() or "?")
        counts[key] += 1
        series.setdefault(key, {})[each.series_instance_uid] = each.series_number
    return tuple(
        f"{number or 'without accession number'}: {modality}, {_series(series[number, modality])}, "
        f"{count:,} instances"
        for (number, modality), count in counts.items()
    )


def _series(numbers: Mapping[str, str]) -> str:
    """Return how many series, and their numbers where the archive says all of them."""
    said = list(dict.fromkeys(numbers.values()))
    if not all(said):
        return f"{len(numbers)} series"
    some = ", ".join(said) if len(said) < _SPELLED else f"{said[0]} to {said[-1]}"
    return f"{len(numbers)} series ({some})"

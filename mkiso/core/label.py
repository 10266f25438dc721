"""What stands on the label of a disc (IHE RAD TF-3 4.47.4.1.2.4), and in a robot's job."""

from __future__ import annotations

import math
from dataclasses import dataclass
from unicodedata import east_asian_width

from mkiso.core.display_text import date_text, person_name, plain_text
from mkiso.core.model import FileSet
from mkiso.core.record_types import ROOT_TYPES
from mkiso.core.text import decode

_NAME, _ID, _BIRTH_DATE = 0x00100010, 0x00100020, 0x00100030
_STUDY_DATE, _MODALITY = 0x00080020, 0x00080060
_MOST_LETTERS = 50
#: Millimetres: the middle of a disc of 120 mm, and how far from it ink goes.
_MIDDLE, _REACH = 60.0, 56.5
#: Beside the hole: from the hub, which some printers leave out, to the edge.
SIDE_ROOM = 31.0


@dataclass(frozen=True, slots=True)
class Label:
    """The words of a label. It names a patient: it is for the disc, never for a log."""

    patient: str
    patient_id: str
    birth_date: str
    institution: str
    studies: str  # "2026-01-31 CT, 2026-02-01 MR"
    accession_numbers: str
    made_on: str
    volume_id: str
    kind: str  # "DICOM PLUS WEB" or "DICOM ONLY"
    number: int = 1
    of: int = 1

    @property
    def kind_lines(self) -> tuple[str, str]:
        """The kind on two lines."""
        first, _, rest = self.kind.partition(" ")
        return first, rest

    @property
    def disc_line(self) -> str:
        """Which one of several."""
        return f"Disc {self.number} of {self.of}"

    @property
    def lines_above(self) -> tuple[str, ...]:
        """What stands above the hole: institution, patient, ID and birth date."""
        who = "  ".join(text for text in (self.patient_id, self.birth_date) if text)
        return tuple(_short(line) for line in (self.institution, self.patient, who))

    @property
    def lines_below(self) -> tuple[str, ...]:
        """What stands below the hole."""
        lines = (self.studies, self.accession_numbers, f"made on {self.made_on}", self.volume_id)
        return tuple(_short(line) for line in lines if line)

    def size(self, line: str, size: float, room: float) -> float:
        """Return the letter size of a line, in millimetres: `size`, less when `room` is short.

        An estimate on the safe side: the fonts of whoever shows an SVG are not known.
        """
        ems = sum(1.0 if east_asian_width(letter) in "WF" else 0.65 for letter in line)
        return round(min(size, room / max(ems, 1.0)), 2)

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Names and values of what a robot puts into its own design, always in this order."""
        return (
            ("patient", self.patient),
            ("patient_id", self.patient_id),
            ("birth_date", self.birth_date),
            ("studies", self.studies),
            ("accession_numbers", self.accession_numbers),
            ("institution", self.institution),
            ("made_on", self.made_on),
            ("kind", self.kind),
            ("disc", self.disc_line),
        )


def room_at(y: float) -> float:
    """Return how wide a line at height `y` may be, in millimetres, on a disc of 120 mm."""
    return 2 * math.sqrt(max(0.0, _REACH**2 - (y - _MIDDLE) ** 2))


def label_of(file_set: FileSet, *, institution: str, made_on: str) -> Label:
    """Return the label of a planned disc."""
    name = patient_id = birth_date = ""
    studies: dict[str, None] = {}
    for item in file_set.instances:
        header = item.instance.header
        if header.record_type in ROOT_TYPES:
            continue
        values, series = dict(header.patient), dict(header.series)

        def text(
            tag: int,
            values: dict[int, bytes] = values,
            character_set: str = header.character_set,
            vr: bytes = b"LO",
        ) -> str:
            return decode(values.get(tag, b""), character_set, vr)

        name = name or _shown_name(text(_NAME, vr=b"PN"))
        patient_id = patient_id or plain_text(text(_ID))
        birth_date = birth_date or date_text(text(_BIRTH_DATE))
        day = date_text(dict(header.study).get(_STUDY_DATE, b"").decode("ascii", "replace"))
        modality = series.get(_MODALITY, b"").decode("ascii", "replace").strip()
        studies[f"{day} {plain_text(modality)}".strip()] = None
    return Label(
        patient=name,
        patient_id=patient_id,
        birth_date=birth_date,
        institution=plain_text(institution),
        studies=", ".join(studies),
        accession_numbers=", ".join(plain_text(n) for n in file_set.accession_numbers),
        made_on=made_on,
        volume_id=file_set.volume_id,
        kind="DICOM PLUS WEB" if file_set.viewer else "DICOM ONLY",
        number=file_set.set_number,
        of=file_set.set_of,
    )


def _shown_name(value: str) -> str:
    name = person_name(value)
    return " ".join(group for group in (name.alphabetic, name.ideographic) if group)


def _short(line: str) -> str:
    return line if len(line) <= _MOST_LETTERS else f"{line[: _MOST_LETTERS - 1]}…"

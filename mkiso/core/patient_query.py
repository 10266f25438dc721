"""Studies by patient and day: the C-FIND of a list that has no accession numbers, and its answers.

Never logged and never in a message: a PatientID is nobody's business there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mkiso.core.identifier import Attributes, decode_identifier
from mkiso.core.model import Study
from mkiso.core.query import (
    ACCESSION_NUMBER,
    INSTANCE_AVAILABILITY,
    ISSUER_OF_PATIENT_ID,
    PATIENT_ID,
    QUERY_RETRIEVE_LEVEL,
    RETURN_KEYS,
    SPECIFIC_CHARACTER_SET,
    STUDY_INSTANCE_UID,
    Identifier,
    matching_study,
)

STUDY_DATE = 0x00080020
_READ = frozenset(
    {
        SPECIFIC_CHARACTER_SET,
        STUDY_DATE,
        ACCESSION_NUMBER,
        QUERY_RETRIEVE_LEVEL,
        INSTANCE_AVAILABILITY,
        PATIENT_ID,
        ISSUER_OF_PATIENT_ID,
        STUDY_INSTANCE_UID,
    }
)


@dataclass(frozen=True, slots=True)
class PatientStudies:
    """Which studies are meant: those of a patient on a day, perhaps under accession numbers."""

    patient_id: str = field(default="", repr=False)
    study_date: str = ""  # YYYYMMDD
    accession_numbers: tuple[str, ...] = ()

    def identifiers(self) -> tuple[Identifier, ...]:
        """Return the STUDY level queries: one for each accession number, or one.

        Raises ValueError where a query would match more than one patient's studies of a day.
        """
        if not self.accession_numbers and not (self.patient_id and self.study_date):
            raise ValueError("a query without a key would match every patient")
        return tuple(self._identifier(number) for number in self.accession_numbers or ("",))

    def matching(self, attributes: Attributes, identifier: Identifier) -> Study | None:
        """Return the study of an answer, or None when anything asked for differs from it."""
        study = matching_study(attributes, identifier)
        if study is None or (self.patient_id and study.patient_id != self.patient_id):
            return None
        date = attributes.get(STUDY_DATE, b"").strip(b" \0").decode("ascii", "replace")
        if self.study_date and date.replace(".", "") != self.study_date:  # ACR-NEMA: 2026.01.31
            return None
        return study

    def _identifier(self, accession_number: str) -> Identifier:
        values = {
            QUERY_RETRIEVE_LEVEL: "STUDY",
            PATIENT_ID: self.patient_id,
            STUDY_DATE: self.study_date,
            ACCESSION_NUMBER: accession_number,
        }
        vrs = {**dict(RETURN_KEYS["STUDY"]), QUERY_RETRIEVE_LEVEL: "CS"}
        if not all(map(str.isascii, values.values())):
            values[SPECIFIC_CHARACTER_SET] = "ISO_IR 192"
            vrs[SPECIFIC_CHARACTER_SET] = "CS"
        return tuple((tag, vrs[tag], values.get(tag, "").encode()) for tag in sorted(vrs))


def decode_answer(data: bytes, transfer_syntax_uid: str) -> Attributes:
    """Return the raw values of an answer that matter here."""
    return decode_identifier(data, transfer_syntax_uid, _READ)


def study_uids(studies: Iterable[Study]) -> tuple[str, ...]:
    """Return the Study Instance UIDs, each once, in order."""
    return tuple(dict.fromkeys(study.study_instance_uid for study in studies))

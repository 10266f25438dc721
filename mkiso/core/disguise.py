"""A job that names nobody: what is asked for, found, told and logged, under its new identities."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mkiso.core.burned_in import RegionRule
from mkiso.core.deidentification_rules import Rules
from mkiso.core.deidentification_scope import LeftOut
from mkiso.core.job import Job
from mkiso.core.model import ExpectedInstance, FindResult, LeftOutSeries, RetrieveResult
from mkiso.core.pseudonyms import Pseudonyms
from mkiso.core.report import Report

#: Of a report, what may name a study or an accession number in its text.
_TEXTS = ("message", "details", "warnings", "accessions", "not_found", "missing", "left_out")


@dataclass(slots=True)
class Disguise:
    """How a job de-identifies: the rules, the new identities, and what it says instead."""

    rules: Rules
    pseudonyms: Pseudonyms
    burned_in: str = "refuse"
    regions: tuple[RegionRule, ...] = ()
    #: Accession numbers, old to new, as far as they are known.
    numbers: dict[str, str] = field(default_factory=dict)
    _new: set[str] = field(default_factory=set)  # UIDs of ours, which are not mapped again

    def uid(self, uid: str) -> str:
        """Return the UID that stands for one of the archive's."""
        made = self.pseudonyms.uid(uid)
        self._new.add(made)
        return made

    def number(self, number: str) -> str:
        """Return the accession number that stands for one, and remember the two."""
        made = self.pseudonyms.accession_number(number)
        if number.strip():
            self.numbers[number.strip()] = made
        return made

    def notice(self, number: str) -> None:
        """Learn an accession number that must not be told."""
        self.number(number)

    def text(self, text: str) -> str:
        """Return a sentence or log line of ours without old UIDs and accession numbers."""
        return self.pseudonyms.text(text, self.numbers, self._new)

    def job(self, job: Job) -> Job:
        """Return the job as it is told to others."""
        return dataclasses.replace(
            job,
            accession_numbers=tuple(map(self.number, job.accession_numbers)),
            study_instance_uids=tuple(map(self.uid, job.study_instance_uids)),
        )

    def found(self, found: FindResult, objects: Iterable[LeftOut] = ()) -> FindResult:
        """Return the archive's list under new identities, without the `objects` left out."""
        gone = {each.sop_instance_uid for each in objects}
        studies = tuple(
            dataclasses.replace(
                study,
                study_instance_uid=self.uid(study.study_instance_uid),
                accession_number=self.number(study.accession_number),
                patient_id="",
                issuer_of_patient_id="",
                series=tuple(
                    dataclasses.replace(
                        series,
                        series_instance_uid=self.uid(series.series_instance_uid),
                        study_instance_uid=self.uid(series.study_instance_uid),
                        instances=tuple(
                            self._expected(each)
                            for each in series.instances
                            if each.sop_instance_uid not in gone
                        ),
                        number_of_instances=None,
                    )
                    for series in study.series
                ),
                number_of_instances=None,
            )
            for study in found.studies
        )
        left_out = tuple(
            LeftOutSeries(
                self.uid(each.series_instance_uid), self.uid(each.study_instance_uid), each.modality
            )
            for each in (*found.left_out, *_series_of(objects))
        )
        return dataclasses.replace(
            found,
            studies=studies,
            left_out=left_out,
            not_found=tuple(map(self.number, found.not_found)),
            warnings=tuple(map(self.text, found.warnings)),
        )

    def retrieved(self, retrieved: RetrieveResult) -> RetrieveResult:
        """Return what is missing under new identities; the instances are others' business."""
        return dataclasses.replace(
            retrieved,
            missing=tuple(map(self._expected, retrieved.missing)),
            short_series=tuple(
                dataclasses.replace(
                    each,
                    series_instance_uid=self.uid(each.series_instance_uid),
                    study_instance_uid=self.uid(each.study_instance_uid),
                )
                for each in retrieved.short_series
            ),
        )

    def report(self, report: Report) -> Report:
        """Return a report that names nothing of before."""
        texts = {name: self._value(getattr(report, name)) for name in _TEXTS}
        studies = tuple(
            dataclasses.replace(
                study,
                study_instance_uid=self.text(study.study_instance_uid),
                accession_number=self.text(study.accession_number),
            )
            for study in report.studies
        )
        answer = self._value(dict(report.answer))
        return dataclasses.replace(report, **texts, studies=studies, answer=answer)

    def _expected(self, instance: ExpectedInstance) -> ExpectedInstance:
        return dataclasses.replace(
            instance,
            sop_instance_uid=self.uid(instance.sop_instance_uid),
            series_instance_uid=self.uid(instance.series_instance_uid),
            study_instance_uid=self.uid(instance.study_instance_uid),
        )

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (tuple, list)):
            return type(value)(map(self._value, value))
        if isinstance(value, dict):
            return {key: self._value(each) for key, each in value.items()}
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            return value
        fields = {f.name: self._value(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)


def _series_of(objects: Iterable[LeftOut]) -> tuple[LeftOutSeries, ...]:
    """Return the series that objects were left out of, each once."""
    return tuple(
        dict.fromkeys(
            LeftOutSeries(each.series_instance_uid, each.study_instance_uid, each.modality)
            for each in objects
        )
    )

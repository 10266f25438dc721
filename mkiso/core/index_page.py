"""What the page INDEX.HTM is told about a disc: text ready to be shown, nothing to be computed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mkiso.core.disc_set import DiscLine
from mkiso.core.display_text import PersonName, date_text, person_name, plain_text, time_text
from mkiso.core.header import InstanceHeader, Level
from mkiso.core.media_profiles import profiles_by_syntax
from mkiso.core.model import ExpectedInstance, FileSetInstance, Series, ShortSeries
from mkiso.core.record_types import ROOT_TYPES
from mkiso.core.text import decode
from mkiso.core.transfer_syntaxes import transfer_syntax_name

#: PS3.11 D.3.3, General Purpose CD-R Interchange: the one transfer syntax of STD-GEN-CD.
STD_GEN_CD_TRANSFER_SYNTAX = "1.2.840.10008.1.2.1"


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """One series in the table of a study."""

    number: str
    modality: str
    description: str
    body_part: str
    instances: int
    folder: str  # path on the disc with `/`
    series_instance_uid: str


@dataclass(frozen=True, slots=True)
class StudyPart:
    """One study with its series in the order of the directory."""

    date: str
    time: str
    description: str
    accession_number: str
    study_id: str
    study_instance_uid: str  # "": objects that belong to no patient (palettes, protocols)
    modalities: tuple[str, ...]
    series: tuple[SeriesLine, ...]
    patient_id: str = ""  # of the patient, who is one of several on few discs

    @property
    def instances(self) -> int:
        """How many objects of the study are on the disc."""
        return sum(series.instances for series in self.series)


@dataclass(frozen=True, slots=True)
class PatientPart:
    """The patient as the first object states it."""

    name: PersonName
    patient_id: str
    issuer_of_patient_id: str
    birth_date: str
    sex: str  # as it stands: M, F, O or ""


@dataclass(frozen=True, slots=True)
class MissingSeries:
    """What could not be retrieved of one series."""

    study_instance_uid: str
    series_instance_uid: str
    description: str  # "" when nothing of the series arrived
    sop_instance_uids: tuple[str, ...]
    number: str = ""  # as above
    modality: str = ""
    unnamed: int = 0  # that the archive counts and does not name

    @property
    def count(self) -> int:
        """How many instances of the series are missing."""
        return len(self.sop_instance_uids) + self.unnamed


@dataclass(frozen=True, slots=True)
class SyntaxCount:
    """How many objects are stored in one transfer syntax."""

    name: str
    uid: str
    instances: int


@dataclass(frozen=True, slots=True)
class DocumentLink:
    """A document or video that a browser can open as it is."""

    title: str
    path: str


@dataclass(frozen=True, slots=True)
class ViewerPart:
    """What the page is told of the viewer on its disc."""

    documents: tuple[DocumentLink, ...] = ()
    previews: bool = False  # some series are there as pictures of 8 bits only


@dataclass(frozen=True, slots=True)
class IndexPage:
    """All of it. `made_on` is the day the disc was made, YYYY-MM-DD."""

    patients: tuple[PatientPart, ...]  # one, but for a disc that was asked for otherwise
    studies: tuple[StudyPart, ...]
    volume_id: str
    made_on: str
    instances: int
    size_bytes: int
    transfer_syntaxes: tuple[SyntaxCount, ...]
    profile_met: bool  # STD-GEN-CD
    profile: str = ""  # the application profile that it meets, "" when none
    profile_problems: tuple[str, ...] = ()  # why not the one that was asked for
    conversions: tuple[str, ...] = ()  # what was converted for it, in sentences
    disc_set: tuple[DiscLine, ...] = ()  # all discs, when there are several
    number: int = 1
    of: int = 1
    missing: tuple[MissingSeries, ...] = ()
    complete: bool = True
    modalities: tuple[str, ...] = ()  # the filter; () is everything
    left_out: tuple[str, ...] = ()  # what the filter left out, in words
    other_files: tuple[str, ...] = field(default=())  # that no DICOM system imports
    viewer: ViewerPart | None = None


def describe_disc(
    instances: Sequence[FileSetInstance],
    *,
    volume_id: str,
    made_on: str,
    number: int = 1,
    of: int = 1,
    complete: bool = True,
    missing: Iterable[ExpectedInstance] = (),
    short_series: Iterable[ShortSeries] = (),
    listed: Iterable[Series] = (),
    modalities: Sequence[str] = (),
    left_out: Sequence[str] = (),
    other_files: Sequence[str] = ("INDEX.HTM", "README.TXT", "SHA256.TXT"),
    profile_problems: Sequence[str] = (),
    conversions: Sequence[str] = (),
    disc_set: Sequence[DiscLine] = (),
) -> IndexPage:
    """Give the page of a disc with these instances, which are in the order of the directory.

    What is missing is named by its series: as its objects on the disc say, where there are some,
    else with the modality that the archive `listed`.
    """
    syntaxes = Counter(i.instance.transfer_syntax_uid for i in instances)
    return IndexPage(
        patients=_patients(instances),
        studies=_studies(instances),
        volume_id=volume_id,
        made_on=made_on,
        instances=len(instances),
        size_bytes=sum(i.instance.size_bytes for i in instances),
        transfer_syntaxes=tuple(
            SyntaxCount(transfer_syntax_name(uid), uid, count)
            for uid, count in syntaxes.most_common()
        ),
        profile_met=set(syntaxes) <= {STD_GEN_CD_TRANSFER_SYNTAX},
        profile=next(iter(profiles_by_syntax(syntaxes)), ""),
        profile_problems=tuple(profile_problems),
        conversions=tuple(conversions),
        disc_set=tuple(disc_set),
        number=number,
        of=of,
        missing=_missing(missing, short_series, instances, listed),
        complete=complete,
        modalities=tuple(plain_text(code) for code in modalities),
        left_out=tuple(plain_text(words) for words in left_out),
        other_files=tuple(other_files),
    )


class _Text:
    """Reads the values of one level as text in its character set."""

    def __init__(self, level: Level, header: InstanceHeader) -> None:
        self._values = dict(level)
        self._character_set = header.character_set

    def raw(self, tag: int, vr: bytes = b"LO") -> str:
        return decode(self._values.get(tag, b""), self._character_set, vr)

    def __call__(self, tag: int, vr: bytes = b"LO") -> str:
        return plain_text(self.raw(tag, vr))


def _patients(instances: Sequence[FileSetInstance]) -> tuple[PatientPart, ...]:
    """Give the patients by ID; values that are empty in one object are taken from another."""
    found: dict[str, PatientPart] = {}
    seen: set[tuple[int, str]] = set()
    for item in instances:
        header = item.instance.header
        if header.record_type in ROOT_TYPES or (id(header.patient), header.character_set) in seen:
            continue
        seen.add((id(header.patient), header.character_set))
        text = _Text(header.patient, header)
        patient = PatientPart(
            name=person_name(text.raw(0x00100010, b"PN")),
            patient_id=text(0x00100020),
            issuer_of_patient_id=text(0x00100021),
            birth_date=date_text(text.raw(0x00100030, b"DA")),
            sex=text(0x00100040, b"CS").upper(),
        )
        known = found.get(patient.patient_id)
        found[patient.patient_id] = _filled(known, patient) if known else patient
    return tuple(found.values())


def _filled(known: PatientPart, other: PatientPart) -> PatientPart:
    return PatientPart(
        name=other.name if known.name.is_empty else known.name,
        patient_id=known.patient_id,
        issuer_of_patient_id=known.issuer_of_patient_id or other.issuer_of_patient_id,
        birth_date=known.birth_date or other.birth_date,
        sex=known.sex or other.sex,
    )


def _studies(instances: Sequence[FileSetInstance]) -> tuple[StudyPart, ...]:
    by_study: dict[str, dict[str, list[FileSetInstance]]] = {}
    for item in instances:
        series = by_study.setdefault(item.instance.study_instance_uid, {})
        series.setdefault(item.instance.series_instance_uid, []).append(item)
    return tuple(_study(uid, series) for uid, series in by_study.items())


def _study(study_instance_uid: str, by_series: dict[str, list[FileSetInstance]]) -> StudyPart:
    first = next(iter(by_series.values()))[0].instance.header
    text = _Text(first.study, first)
    series = tuple(_series(uid, items) for uid, items in by_series.items())
    return StudyPart(
        date=date_text(text.raw(0x00080020, b"DA")),
        time=time_text(text.raw(0x00080030, b"TM")),
        description=text(0x00081030),
        accession_number=text(0x00080050, b"SH"),
        study_id=text(0x00200010, b"SH"),
        study_instance_uid=study_instance_uid,
        modalities=tuple(dict.fromkeys(line.modality for line in series if line.modality)),
        series=series,
        patient_id=_Text(first.patient, first)(0x00100020),
    )


def _series(series_instance_uid: str, items: list[FileSetInstance]) -> SeriesLine:
    header = items[0].instance.header
    text = _Text(header.series, header)
    return SeriesLine(
        number=text(0x00200011, b"IS"),
        modality=text(0x00080060, b"CS"),
        description=text(0x0008103E),
        body_part=text(0x00180015, b"CS"),
        instances=len(items),
        folder="/".join(items[0].file_id[:-1]),
        series_instance_uid=series_instance_uid,
    )


def _missing(
    missing: Iterable[ExpectedInstance],
    short_series: Iterable[ShortSeries],
    instances: Sequence[FileSetInstance],
    listed: Iterable[Series],
) -> tuple[MissingSeries, ...]:
    """Give what is missing by series, in the archive's order."""
    gaps: dict[str, MissingSeries] = {}
    modality_of = {series.series_instance_uid: series.modality for series in listed}
    firsts: dict[str, FileSetInstance] = {}
    for item in instances:
        firsts.setdefault(item.instance.series_instance_uid, item)

    def gap(study: str, series: str) -> MissingSeries:
        known = gaps.get(series)
        if known is None:
            shown = _series(series, [firsts[series]]) if series in firsts else None
            known = MissingSeries(
                study,
                series,
                shown.description if shown else "",
                (),
                shown.number if shown else "",
                (shown.modality if shown else "") or plain_text(modality_of.get(series, "")),
            )
        return known

    named: dict[str, list[str]] = {}
    for instance in missing:
        uid = instance.series_instance_uid
        gaps[uid] = gap(instance.study_instance_uid, uid)
        named.setdefault(uid, []).append(instance.sop_instance_uid)
    for short in short_series:
        uid = short.series_instance_uid
        gaps[uid] = dataclasses.replace(gap(short.study_instance_uid, uid), unnamed=short.missing)
    return tuple(
        dataclasses.replace(each, sop_instance_uids=tuple(named.get(uid, ())))
        for uid, each in gaps.items()
    )

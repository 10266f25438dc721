"""Received instances in, plans of discs out: nothing is written before the plan is whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mkiso.core.checksums import checksum_file, file_in_memory
from mkiso.core.context import Context
from mkiso.core.file_ids import place
from mkiso.core.identity import PatientGroup, patients
from mkiso.core.index_page import describe_disc
from mkiso.core.media_names import d_characters
from mkiso.core.model import (
    DiscFile,
    ExpectedInstance,
    FileSet,
    FileSetInstance,
    FindResult,
    RetrieveResult,
)
from mkiso.disc.dicomdir import build_dicomdir
from mkiso.disc.pages import index_file, readme_file

#: PS3.11 Annex D, General Purpose CD-R Interchange.
STD_GEN_CD = "STD-GEN-CD"
#: PS3.3 F.3.2.1: a File-set ID has at most 16 characters.
_FILE_SET_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Acquired:
    """What the first half of a job brought: the archive's list and what arrived."""

    found: FindResult
    retrieved: RetrieveResult
    made_on: str  # the day, YYYY-MM-DD


def run(given: Acquired, context: Context) -> tuple[FileSet, ...]:
    """Return one plan a disc: the files in image order, DICOMDIR and pages included.

    Raises IdentityError and AmbiguousError when the objects are not of one patient. Without a
    single instance there is no disc.
    """
    accession_of_study = {s.study_instance_uid: s.accession_number for s in given.found.studies}
    groups = patients(
        given.retrieved.instances,
        accession_of_study,
        per_patient=context.job.per_patient,
        same_patient=context.job.same_patient,
    )
    for warning in dict.fromkeys(w for group in groups for w in group.warnings):
        context.warn(warning)
    missing = _missing_by_group(
        groups, given.retrieved.missing, one_patient=not context.job.per_patient
    )
    return tuple(
        _file_set(group, gap, (number, len(groups)), given, context)
        for number, (group, gap) in enumerate(zip(groups, missing, strict=True), 1)
    )


def _file_set(
    group: PatientGroup,
    missing: tuple[ExpectedInstance, ...],
    place_in_job: tuple[int, int],
    given: Acquired,
    context: Context,
) -> FileSet:
    """Return the plan of one disc."""
    context.require_running()
    job = context.job
    number, of = place_in_job
    placed = place(group.instances)
    accession_numbers = _accession_numbers(group, given)
    name = _name(accession_numbers, number if of > 1 else 0)
    complete = not given.retrieved.missing_count and given.found.count_verified
    directory = file_in_memory("DICOMDIR", build_dicomdir(name, placed, warn=context.warn))
    page = describe_disc(
        placed,
        volume_id=name,
        made_on=given.made_on,
        number=1,  # discs of several patients are no set: each is the only one of its patient
        of=1,
        complete=complete,
        missing=missing,
        modalities=job.modalities,
        left_out=_left_out(group, given),
    )
    heads = (
        directory,
        index_file(page, job.institution, job.templates_folder),
        readme_file(job.institution, job.templates_folder),
    )
    instances = tuple(_instance_file(item) for item in placed)
    checksums = checksum_file((*heads, *instances))
    return FileSet(
        file_set_id=name,
        volume_id=name,
        instances=placed,
        files=(*heads, checksums, *instances),
        number=number,
        of=of,
        complete=complete,
        missing=missing,
        overruled=group.overruled,
        accession_numbers=accession_numbers,
        profile=STD_GEN_CD if page.profile_met else "",
    )


def _accession_numbers(group: PatientGroup, given: Acquired) -> tuple[str, ...]:
    """Return the accession numbers of the patient's studies, in the archive's order."""
    uids = {instance.study_instance_uid for instance in group.instances}
    numbers = [
        s.accession_number.strip()
        for s in given.found.studies
        if s.study_instance_uid in uids and s.accession_number.strip()
    ]
    return tuple(dict.fromkeys(numbers))


def _left_out(group: PatientGroup, given: Acquired) -> tuple[str, ...]:
    """Return what the modality filter left out of the patient's studies: `PR (6 series)`."""
    uids = {instance.study_instance_uid for instance in group.instances}
    counts = Counter(
        each.modality or "?" for each in given.found.left_out if each.study_instance_uid in uids
    )
    return tuple(f"{modality} ({count} series)" for modality, count in sorted(counts.items()))


def _name(accession_numbers: Sequence[str], number: int) -> str:
    """Return the File-set ID: the accession number in d-characters, never anything of a patient."""
    suffix = f"_{number}" if number else ""
    base = d_characters(accession_numbers[0] if accession_numbers else "MKISO", 64)
    return base[: _FILE_SET_ID_LENGTH - len(suffix)] + suffix


def _instance_file(item: FileSetInstance) -> DiscFile:
    """Return the file of an instance; its hash is of the bytes that were received."""
    instance = item.instance
    return DiscFile(
        "/".join(item.file_id), instance.size_bytes, instance.sha256, source=instance.path
    )


def _missing_by_group(
    groups: Sequence[PatientGroup], missing: Sequence[ExpectedInstance], *, one_patient: bool
) -> list[tuple[ExpectedInstance, ...]]:
    """Return what each disc lacks.

    Where there may be several patients, no disc names what belongs to a study of which nothing
    arrived: it may be another one's. The report names it.
    """
    gaps: list[list[ExpectedInstance]] = [[] for _ in groups]
    owner = {
        instance.study_instance_uid: number
        for number, group in enumerate(groups)
        for instance in group.instances
    }
    for instance in missing:
        number = owner.get(instance.study_instance_uid, 0 if one_patient else None)
        if number is not None:
            gaps[number].append(instance)
    return [tuple(gap) for gap in gaps]

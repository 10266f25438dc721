"""Received instances in, plans of discs out: nothing is written before the plan is whole."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mkiso.core.checksums import checksum_file, file_in_memory
from mkiso.core.context import Context
from mkiso.core.conversion_plan import Conversion, conversion_sentences
from mkiso.core.disc_set import DiscPart, divide, set_name
from mkiso.core.display_text import counted
from mkiso.core.icon_rules import ICON_BYTES, Icon
from mkiso.core.identity import PatientGroup, patients
from mkiso.core.index_page import IndexPage, ViewerPart, describe_disc
from mkiso.core.job import Job
from mkiso.core.media_names import d_characters
from mkiso.core.media_profiles import (
    AS_RECEIVED,
    ISO_9660,
    foreign_syntaxes,
    is_too_large,
    profiles_by_syntax,
    require_profile,
)
from mkiso.core.model import (
    DiscFile,
    ExpectedInstance,
    FileSet,
    FileSetInstance,
    FindResult,
    RetrieveResult,
    ShortSeries,
    ViewerContent,
)
from mkiso.core.viewer_files import ViewerFiles
from mkiso.core.viewer_index import FOLDER, FORMAT
from mkiso.disc.dicomdir import build_dicomdir
from mkiso.disc.pages import index_file, readme_file
from mkiso.disc.viewer_program import program_files

#: PS3.3 F.3.2.1: a File-set ID has at most 16 characters.
_FILE_SET_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Acquired:
    """What the first half of a job brought: the archive's list and what arrived."""

    found: FindResult
    retrieved: RetrieveResult
    made_on: str  # the day, YYYY-MM-DD
    conversions: tuple[Conversion, ...] = ()  # of the instances, for the profile asked for
    icons: Mapping[str, Icon] = field(default_factory=dict)  # by SOP Instance UID
    viewer_bytes: Mapping[str, int] | None = None  # on a disc, by SOP Instance UID; None: unknown


#: The page of a disc, its instances and its number in; the viewer's files, or None, out.
MakeViewer: TypeAlias = Callable[
    [IndexPage, tuple[FileSetInstance, ...], int], "ViewerFiles | None"
]


def no_viewer(_page: IndexPage, _placed: tuple[FileSetInstance, ...], _number: int) -> None:
    """Make no viewer."""


def run(
    given: Acquired, context: Context, make_viewer: MakeViewer = no_viewer
) -> tuple[FileSet, ...]:
    """Return one plan a disc: the files in image order, DICOMDIR, pages and viewer included.

    Raises IdentityError and AmbiguousError when the objects are not of one patient. Without a
    single instance there is no disc.
    """
    groups = require_identity(given, context)
    gaps = _gaps(groups, given.retrieved, one_patient=not context.job.per_patient)
    job = context.job
    divided = [  # whole before the first disc is begun
        (group, gap, part)
        for group, gap in zip(groups, gaps, strict=True)
        for part in divide(
            group.instances,
            job.media_size_bytes,
            viewer=job.viewer if given.viewer_bytes is None else "none",
            may_split=job.split,
            more_bytes=_more_bytes(given),
        )
    ]
    return tuple(
        _file_set(
            (group, part), gap, (number, len(divided)), given, context, make_viewer=make_viewer
        )
        for number, (group, gap, part) in enumerate(divided, 1)
    )


def _more_bytes(given: Acquired) -> dict[str, int]:
    """Return what instances take beside their files, by SOP Instance UID, as far as is known."""
    more = Counter(given.viewer_bytes or {})
    more.update(dict.fromkeys(given.icons, ICON_BYTES))
    return more


def require_identity(given: Acquired, context: Context) -> Sequence[PatientGroup]:
    """Return the patients of what arrived. Raises IdentityError and AmbiguousError."""
    accession_of_study = {s.study_instance_uid: s.accession_number for s in given.found.studies}
    groups = patients(
        given.retrieved.instances,
        accession_of_study,
        per_patient=context.job.per_patient,
        same_patient=context.job.same_patient,
    )
    for warning in dict.fromkeys(w for group in groups for w in group.warnings):
        context.warn(warning)
    return groups


def _file_set(
    content: tuple[PatientGroup, DiscPart],
    gap: _Gap,
    place_in_job: tuple[int, int],
    given: Acquired,
    context: Context,
    *,
    make_viewer: MakeViewer,
) -> FileSet:
    """Return the plan of one disc."""
    context.require_running()
    job = context.job
    number, of = place_in_job
    group, part = content
    placed = part.placed
    conversions, problems = _conformance(part, given, job)
    accession_numbers = _accession_numbers(group, given)
    name = _name(accession_numbers, number if of > 1 else 0)
    complete = not given.retrieved.missing_count and given.found.count_verified
    directory = file_in_memory(
        "DICOMDIR", build_dicomdir(name, placed, warn=context.warn, icons=given.icons)
    )
    page = describe_disc(
        placed,
        volume_id=name,
        made_on=given.made_on,
        number=part.number,  # of its patient's: discs of several patients are no set
        of=part.of,
        disc_set=part.index,
        profile_problems=problems,
        conversions=conversion_sentences(conversions),
        complete=complete,
        missing=gap.missing,
        short_series=gap.short_series,
        listed=(series for study in given.found.studies for series in study.series),
        modalities=job.modalities,
        left_out=_left_out(group, given),
    )
    viewer = _with_program(make_viewer(page, placed, number), job.templates_folder)
    size = sum(file.size_bytes for file in (directory, *(viewer.files if viewer else ())))
    size += sum(item.instance.size_bytes for item in placed)
    problems += _too_large(job, size)
    page = dataclasses.replace(page, profile_problems=problems)
    heads = (
        directory,
        index_file(_with_viewer(page, viewer), job.institution, job.templates_folder),
        readme_file(job.institution, job.templates_folder),
    )
    others = (*(viewer.files if viewer else ()), *(_instance_file(item) for item in placed))
    checksums = checksum_file((*heads, *others))
    return FileSet(
        file_set_id=name,
        volume_id=name,
        instances=placed,
        files=(*heads, checksums, *others),
        number=number,
        of=of,
        complete=complete,
        missing=tuple(gap.missing),
        short_series=tuple(gap.short_series),
        overruled=group.overruled,
        accession_numbers=accession_numbers,
        profile=_profile_met(page, job, placed, size),
        profile_problems=problems,
        conversions=conversions,
        set_number=part.number,
        set_of=part.of,
        volume_set_id=set_name(_name(accession_numbers, 0), part.number, part.of),
        viewer=_content(viewer) if viewer else None,
    )


def _conformance(
    part: DiscPart, given: Acquired, job: Job
) -> tuple[tuple[Conversion, ...], tuple[str, ...]]:
    """Return what was converted of a disc's instances, and what keeps it from its profile."""
    uids = {item.instance.sop_instance_uid for item in part.placed}
    conversions = tuple(each for each in given.conversions if each.sop_instance_uid in uids)
    profile = require_profile(job.profile)
    if profile is None:
        return (), ()
    syntaxes = Counter(item.instance.transfer_syntax_uid for item in part.placed)
    problems = [
        f"{counted(syntaxes[uid], 'object is', 'objects are')} in transfer syntax {uid}"
        for uid in foreign_syntaxes(profile, syntaxes)
    ]
    if profile.file_system != ISO_9660 and job.deliver_as != "folder":
        form = "an image ISO 9660" if job.deliver_as == "iso" else "this is a ZIP archive"
        problems.append(f"its medium has the file system {profile.file_system}, {form}")
    return conversions, tuple(
        f"Not conformant to {profile.name}, because {problem}." for problem in problems
    )


def _too_large(job: Job, size_bytes: int) -> tuple[str, ...]:
    """Return what keeps a disc of this size from the profile asked for: its medium."""
    profile = require_profile(job.profile)
    if profile is None or not is_too_large(profile, size_bytes):
        return ()
    taken = f"{size_bytes / 1e6:,.0f} MB"
    return (f"Not conformant to {profile.name}, because no {profile.medium} holds its {taken}.",)


def _profile_met(
    page: IndexPage, job: Job, placed: Sequence[FileSetInstance], size_bytes: int
) -> str:
    """Return the profile that the disc meets: the one asked for, else the first that fits."""
    if job.profile in {AS_RECEIVED, ""}:
        syntaxes = {item.instance.transfer_syntax_uid for item in placed}
        return next(iter(profiles_by_syntax(syntaxes, size_bytes=size_bytes)), "")
    return "" if page.profile_problems else job.profile


def _with_program(made: ViewerFiles | None, site_templates: Path | None) -> ViewerFiles | None:
    """Return the viewer's files with its program before the pixels."""
    if made is None:
        return None
    return dataclasses.replace(made, files=(*program_files(site_templates), *made.files))


def _with_viewer(page: IndexPage, viewer: ViewerFiles | None) -> IndexPage:
    """Return the page with what it says of the viewer."""
    if viewer is None:
        return page
    part = ViewerPart(viewer.documents, previews=bool(viewer.preview_series))
    return dataclasses.replace(page, viewer=part, other_files=(*page.other_files, f"{FOLDER}/"))


def _content(viewer: ViewerFiles) -> ViewerContent:
    return ViewerContent(FORMAT, viewer.size_bytes, viewer.preview_series, viewer.tiles)


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


@dataclass(slots=True)
class _Gap:
    """What one disc lacks."""

    missing: list[ExpectedInstance] = field(default_factory=list)
    short_series: list[ShortSeries] = field(default_factory=list)


def _gaps(
    groups: Sequence[PatientGroup], retrieved: RetrieveResult, *, one_patient: bool
) -> list[_Gap]:
    """Return what each disc lacks.

    Where there may be several patients, no disc names what belongs to a study of which nothing
    arrived: it may be another one's. The report names it.
    """
    gaps = [_Gap() for _ in groups]
    owner = {
        instance.study_instance_uid: number
        for number, group in enumerate(groups)
        for instance in group.instances
    }

    def of_study(study_instance_uid: str) -> _Gap:
        number = owner.get(study_instance_uid, 0 if one_patient else None)
        return _Gap() if number is None else gaps[number]

    for instance in retrieved.missing:
        of_study(instance.study_instance_uid).missing.append(instance)
    for series in retrieved.short_series:
        of_study(series.study_instance_uid).short_series.append(series)
    return gaps

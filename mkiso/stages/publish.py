"""publish: a verified image gets its name; from then on the disc exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mkiso.core.context import Context
from mkiso.core.disc_content import Disc, VerifiedImage
from mkiso.core.job import Job
from mkiso.core.media_names import delivery_ending, disc_name, file_safe_name, require_disc_name
from mkiso.core.model import FileSet, FindResult
from mkiso.core.sidecar import (
    content_options,
    encode_sidecar,
    may_be_same_disc,
    same_disc,
    sidecar,
)
from mkiso.disc.publication import (
    described_disc,
    existing_disc,
    give_name,
    output_lock,
    sidecar_path,
    withdraw,
)
from mkiso.errors import CantCreateError


def run(
    image: VerifiedImage,
    file_set: FileSet,
    context: Context,
    *,
    name: str = "",
) -> Disc:
    """Give the image and its sidecar their names in the job's output folder.

    `name` is the base name, by default the job's, then the first accession number (of several
    patients' discs each its own), then the first Study Instance UID. The same disc there already:
    that one is the result and the new image goes.

    Raises CantCreateError when another disc has the name, DiskError when the disk fails.
    """
    job = context.job
    path = job.output_folder / f"{_full_name(name, job, file_set)}{_ending(job)}"
    content = _content(job, file_set, image)
    with output_lock(job.output_folder, context.require_time):
        if not job.replace and path.exists():
            return _existing(path, content, image, file_set, context)
        give_name(
            image.part, path, encode_sidecar(content), mode=job.image_mode, replace=job.replace
        )
    context.log(f"published {path.name}: {image.size_bytes} bytes, sha256 {image.sha256}")
    return _disc(path, file_set, image.size_bytes, image.sha256, existed=False)


def planned(image: VerifiedImage, file_set: FileSet, context: Context) -> Disc:
    """Return the disc that `run` is going to make of an image."""
    job = context.job
    path = job.output_folder / f"{_full_name('', job, file_set)}{_ending(job)}"
    return _disc(path, file_set, image.size_bytes, image.sha256, existed=False)


def run_all(
    images: Sequence[VerifiedImage], file_sets: Sequence[FileSet], context: Context
) -> tuple[Disc, ...]:
    """Publish every disc of a job, or none: one of several by itself would look like all.

    When one cannot be named, those named before it lose their names again; what `--replace` has
    overwritten stays overwritten. Raises what `run` raises.
    """
    made: list[tuple[VerifiedImage, Disc]] = []
    try:
        for image, file_set in zip(images, file_sets, strict=True):
            made.append((image, run(image, file_set, context)))
    except BaseException:
        for image, disc in made:
            if not (disc.existed or context.job.replace):
                withdraw(disc.path, image.part)
                context.log(f"withdrawn {disc.path.name}: another disc of the job has no name")
        raise
    return tuple(disc for _, disc in made)


def require_names(file_sets: Sequence[FileSet], context: Context) -> None:
    """Test all names of a job before the first disc gets its own: all of them, or none.

    Raises CantCreateError when another disc has one of the names.
    """
    job = context.job
    for file_set in file_sets:
        path = job.output_folder / f"{_full_name('', job, file_set)}{_ending(job)}"
        if job.replace or not path.exists():
            continue
        there = described_disc(path)
        if there is None or not same_disc(there, _content(job, file_set, None)):
            raise _taken(path)
        if len(file_sets) > 1 and existing_disc(path) is None:  # of one disc `run` sees it
            raise _taken(path)


def require_possible_name(found: FindResult, context: Context) -> None:
    """Test the name as far as the archive's list goes: before minutes of transfer.

    Nothing is known before the transfer of an incomplete disc (it has another name), of discs of
    several patients without `--name`, and of instances that the archive only counts. A disc with
    the same instances may still turn out another one by their bytes: `require_names` sees it.
    Raises CantCreateError.
    """
    job = context.job
    base = job.name.removesuffix(".iso")
    if not base and job.accession_numbers and not job.per_patient:
        base = file_safe_name(job.accession_numbers[0])
    path = job.output_folder / f"{base}{_ending(job)}"
    if job.replace or job.allow_incomplete or not base or not path.exists():
        return
    there = described_disc(path)
    if there is None:
        raise _taken(path)
    listed = all(series.instances for study in found.studies for series in study.series)
    uids = {instance.sop_instance_uid for instance in found.expected}
    if job.per_patient or not listed or not found.count_verified:
        return
    if not may_be_same_disc(there, uids, content_options(job)):
        raise _taken(path)


def _existing(
    path: Path,
    content: Mapping[str, Any],
    image: VerifiedImage,
    file_set: FileSet,
    context: Context,
) -> Disc:
    """Give the disc that is there already, when it is this one."""
    there = existing_disc(path)
    if there is None or not same_disc(there, content):
        raise _taken(path)
    if not image.part.is_dir():  # a folder goes with the work folder
        image.part.unlink(missing_ok=True)
    context.log(f"the same disc exists already: {path.name}")
    return _disc(path, file_set, there["size_bytes"], there["sha256"], existed=True)


def _first_of(accession_numbers: Sequence[str], file_set: FileSet) -> str:
    if accession_numbers:
        return accession_numbers[0]
    return file_set.instances[0].instance.study_instance_uid if file_set.instances else "disc"


def _ending(job: Job) -> str:
    return delivery_ending(job.deliver_as, encrypted=bool(job.encrypt))


def _full_name(name: str, job: Job, file_set: FileSet) -> str:
    """Give the name of the image without its ending."""
    number = file_set.number
    base = (name or job.name).removesuffix(".iso")
    if not base:
        numbers = _accession_numbers(job, file_set)
        base = file_safe_name(_first_of(numbers, file_set))
        if job.per_patient and numbers:
            number = file_set.set_number  # another patient's disc has its own accession number
    return disc_name(require_disc_name(base), number, complete=file_set.complete)


def _accession_numbers(job: Job, file_set: FileSet) -> tuple[str, ...]:
    """Give the accession numbers of a disc: the job's, but of several patients only its own."""
    if not job.per_patient:
        return job.accession_numbers
    own = file_set.accession_numbers
    asked = (number for number in job.accession_numbers if number in own)
    return tuple(dict.fromkeys((*asked, *own)))


def _content(job: Job, file_set: FileSet, image: VerifiedImage | None) -> dict[str, Any]:
    """Give the sidecar; without an image its hash and size are empty."""
    return sidecar(
        file_set,
        sha256=image.sha256 if image else "",
        size_bytes=image.size_bytes if image else 0,
        accession_numbers=_accession_numbers(job, file_set),
        options=content_options(job),
    )


def _taken(path: Path) -> CantCreateError:
    return CantCreateError(
        f"Another disc is already at {path}; move it away, choose another name with "
        "--name, or overwrite it with --replace."
    )


def _disc(path: Path, file_set: FileSet, size_bytes: int, sha256: str, *, existed: bool) -> Disc:
    return Disc(
        path=path,
        sidecar=sidecar_path(path),
        size_bytes=size_bytes,
        sha256=sha256,
        volume_id=file_set.volume_id,
        instances=len(file_set.instances),
        number=file_set.number,
        of=file_set.of,
        complete=file_set.complete,
        existed=existed,
        profile=file_set.profile,
        profile_problems=file_set.profile_problems,
        conversions=file_set.conversions,
        viewer=file_set.viewer,
    )

"""publish: a verified image gets its name; from then on the disc exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mkiso.core.context import Context
from mkiso.core.disc_content import Disc, VerifiedImage
from mkiso.core.job import Job
from mkiso.core.media_names import disc_name, file_safe_name, require_disc_name
from mkiso.core.model import FileSet
from mkiso.core.sidecar import content_options, encode_sidecar, same_disc, sidecar
from mkiso.disc.publication import existing_disc, give_name, output_lock, sidecar_path
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
    path = job.output_folder / f"{_full_name(name, job, file_set)}.iso"
    content = sidecar(
        file_set,
        sha256=image.sha256,
        size_bytes=image.size_bytes,
        accession_numbers=_accession_numbers(job, file_set),
        options=content_options(job),
    )
    with output_lock(job.output_folder, context.require_time):
        if not job.replace and path.exists():
            return _existing(path, content, image, file_set, context)
        give_name(
            image.part, path, encode_sidecar(content), mode=job.image_mode, replace=job.replace
        )
    context.log(f"published {path.name}: {image.size_bytes} bytes, sha256 {image.sha256}")
    return _disc(path, file_set, image.size_bytes, image.sha256, existed=False)


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
        raise CantCreateError(
            f"Another disc is already at {path}; move it away, choose another name with "
            "--name, or overwrite it with --replace."
        )
    image.part.unlink(missing_ok=True)
    context.log(f"the same disc exists already: {path.name}")
    return _disc(path, file_set, there["size_bytes"], there["sha256"], existed=True)


def _first_of(accession_numbers: Sequence[str], file_set: FileSet) -> str:
    if accession_numbers:
        return accession_numbers[0]
    return file_set.instances[0].instance.study_instance_uid if file_set.instances else "disc"


def _full_name(name: str, job: Job, file_set: FileSet) -> str:
    """Give the name of the image without its ending."""
    number = file_set.number
    base = (name or job.name).removesuffix(".iso")
    if not base:
        numbers = _accession_numbers(job, file_set)
        base = file_safe_name(_first_of(numbers, file_set))
        if file_set.of > 1 and numbers:
            number = 1  # a disc of another patient has its own accession number
    return disc_name(require_disc_name(base), number, complete=file_set.complete)


def _accession_numbers(job: Job, file_set: FileSet) -> tuple[str, ...]:
    """Give the accession numbers of a disc: the job's, but of several patients only its own."""
    return file_set.accession_numbers if file_set.of > 1 else job.accession_numbers


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
    )

"""label: what a published disc is printed and burned with, beside its image."""

from __future__ import annotations

from collections.abc import Sequence

from mkiso.core.context import Context
from mkiso.core.disc_content import Disc
from mkiso.core.job import Job
from mkiso.core.label import label_of
from mkiso.core.model import FileSet
from mkiso.disc.label_files import (
    RobotSide,
    check_label_templates,
    write_label,
    write_robot_job,
)
from mkiso.errors import DiskError, UsageError


def require_templates(job: Job) -> None:
    """Test the templates before the archive is asked.

    Raises ConfigError naming a broken one, UsageError for what no robot burns.
    """
    if job.robot and (job.deliver_as != "iso" or job.encrypt):
        raise UsageError("A robot burns images: leave --as and --encrypt out, or --robot.")
    check_label_templates(job.label, job.robot, job.templates_folder)


def run(discs: Sequence[Disc], plans: Sequence[FileSet], context: Context, *, made_on: str) -> None:
    """Write the label and the robot's job of every disc that the job asks for.

    They name the patient: they have the image's permissions. Raises DiskError and ConfigError;
    a name that PDF has no letters for gets an SVG, and a warning.
    """
    job = context.job
    if not (job.label or job.robot):
        return
    for disc, plan in zip(discs, plans, strict=True):
        label = label_of(plan, institution=job.institution.name, made_on=made_on)
        try:
            if job.label:
                try:
                    write_label(
                        label,
                        disc.path,
                        job.label,
                        mode=job.image_mode,
                        site_templates=job.templates_folder,
                    )
                except UnicodeEncodeError:
                    context.warn("The label is an SVG file: its letters are not in PDF's fonts.")
                    write_label(
                        label,
                        disc.path,
                        "svg",
                        mode=job.image_mode,
                        site_templates=job.templates_folder,
                    )
            if job.robot:
                write_robot_job(
                    label,
                    disc.path,
                    job.robot,
                    there=RobotSide(job.robot_folder, job.robot_label),
                    copies=job.copies,
                    mode=job.image_mode,
                    site_templates=job.templates_folder,
                )
        except OSError as error:
            raise DiskError(
                f"The disc {disc.path.name} is there; its label or robot job could not be written "
                f"({error.strerror})."
            ) from error
    context.log(f"labels and jobs of {len(discs)} discs written")

"""The files beside an image for whoever prints and burns: label, and the job of a robot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from mkiso.core.label import Label
from mkiso.core.media import MEDIA, smallest_medium
from mkiso.disc.label_pdf import label_pdf
from mkiso.disc.pages import render


class Robot(NamedTuple):
    """A family of robots: its template, the ending of its jobs, and how it calls the media."""

    template: str
    ending: str
    disc_types: tuple[str, ...]  # of CD, CD, DVD, DVD DL, BD, BD DL


#: As the manufacturers' programs name things; not tried on the machines themselves.
ROBOTS = {
    "primera": Robot(
        "robot/PRIMERA.JRQ", ".JRQ", ("CDR", "CDR", "DVDR", "DVDR-DL", "BDR", "BDR-DL")
    ),
    "epson": Robot("robot/EPSON.JDF", ".JDF", ("CD", "CD", "DVD", "DVD-DL", "BD", "BD-DL")),
}
LABEL_FORMATS = ("svg", "pdf")


def label_svg(label: Label, site_templates: Path | None = None) -> bytes:
    """Return the label as SVG, 120 mm across. Raises ConfigError for a broken template."""
    return render("label/LABEL.SVG", site_templates, escape=True, label=label).encode("utf-8")


def write_label(
    label: Label, image: Path, kind: str, *, mode: int, site_templates: Path | None = None
) -> Path:
    """Write the label beside its image and return its path.

    Raises ConfigError, OSError, and UnicodeEncodeError when the fonts of PDF do not have a letter.
    """
    content = label_pdf(label) if kind == "pdf" else label_svg(label, site_templates)
    return _write(image.with_suffix(f".label.{kind}"), content, mode)


def write_robot_job(
    label: Label,
    image: Path,
    robot: str,
    *,
    label_file: Path | None,
    copies: int,
    mode: int,
    site_templates: Path | None = None,
) -> Path:
    """Write a robot's job beside its image and return its path: the job last, when all is there.

    Raises ConfigError and OSError.
    """
    family = ROBOTS[robot]
    fields = "".join(f"{line}\r\n" for line in label.fields)
    fields_file = _write(image.with_suffix(".fields.txt"), fields.encode("utf-8-sig"), mode)
    medium = smallest_medium(image.stat().st_size)
    number = MEDIA.index(medium) if medium else len(family.disc_types) - 1
    text = render(
        family.template,
        site_templates,
        escape=False,
        label=label,
        image=image.resolve(),
        label_file=label_file.resolve() if label_file else "",
        fields_file=fields_file.resolve(),
        copies=copies,
        job_id=image.stem,
        disc_type=family.disc_types[number],
    )
    lines = "".join(f"{line}\r\n" for line in text.splitlines() if line.strip())
    return _write(image.with_suffix(family.ending), lines.encode("utf-8"), mode)


def check_label_templates(kind: str, robot: str, site_templates: Path | None = None) -> None:
    """Render what a job will need with a sample. Raises ConfigError naming a broken template."""
    label = Label("Doe, Jane", "4711", "1970-01-01", "Hospital", "CT", "A1", "", "A1", "DICOM ONLY")
    if kind:
        label_svg(label, site_templates)
    if robot:
        sample = {"image": "", "label_file": "", "fields_file": "", "job_id": "", "disc_type": ""}
        render(
            ROBOTS[robot].template, site_templates, escape=False, label=label, copies=1, **sample
        )


def _write(path: Path, content: bytes, mode: int) -> Path:
    """Write a file whole: whoever watches the folder sees it under its name when it is."""
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path

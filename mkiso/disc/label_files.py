"""The files beside an image for whoever prints and burns: label, and the job of a robot."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mkiso.core.label import SIDE_ROOM, Label, room_at
from mkiso.core.media import MEDIA, smallest_medium
from mkiso.disc.label_pdf import label_pdf
from mkiso.disc.pages import render


class Robot(NamedTuple):
    """A family of robots: its template, the ending of its jobs, how long their names may be."""

    template: str
    ending: str
    most_letters: int  # of a job's name, which are letters, digits, - and _


class RobotSide(NamedTuple):
    """How things are called on the computer of the robot."""

    folder: str = ""  # the output folder; "": by the same path as here
    design: str = ""  # the design of the label, a file there; "": nothing is printed


#: As the manufacturers' manuals name things (PTBurn SDK 3; TD Bridge Technical Reference Guide).
ROBOTS = {
    "primera": Robot("robot/PRIMERA.JRQ", ".JRQ", 32),
    "epson": Robot("robot/EPSON.JDF", ".JDF", 40),
}
#: Of the media of the table in core.media, in their order; TD Bridge's words.
_DISC_TYPES = ("CD", "CD", "DVD", "DVD-DL", "BD", "BD-DL")


def label_svg(label: Label, site_templates: Path | None = None) -> bytes:
    """Return the label as SVG, 120 mm across. Raises ConfigError for a broken template."""
    return render(
        "label/LABEL.SVG",
        site_templates,
        escape=True,
        label=label,
        room_at=room_at,
        side_room=SIDE_ROOM,
    ).encode("utf-8")


def write_label(
    label: Label, image: Path, kind: str, *, mode: int, site_templates: Path | None = None
) -> Path:
    """Write the label beside its image and return its path.

    Raises ConfigError, OSError, and UnicodeEncodeError when the fonts of PDF do not have a letter.
    """
    content = label_pdf(label) if kind == "pdf" else label_svg(label, site_templates)
    return _write(_beside(image, f".label.{kind}"), content, mode)


def write_robot_job(
    label: Label,
    image: Path,
    robot: str,
    *,
    there: RobotSide,
    copies: int,
    mode: int,
    site_templates: Path | None = None,
) -> Path:
    """Write a robot's job beside its image and return its path: the job last, when all is there.

    Raises ConfigError and OSError.
    """
    family = ROBOTS[robot]
    fields = "".join(f"{name}={value}\r\n" for name, value in label.fields)
    fields_file = _write(_beside(image, ".fields.txt"), _windows(fields), mode)
    medium = smallest_medium(image.stat().st_size)
    number = MEDIA.index(medium) if medium else len(_DISC_TYPES) - 1
    text = render(
        family.template,
        site_templates,
        escape=False,
        label=label,
        image=_path_there(image, there),
        label_design=there.design,
        fields_file=_path_there(fields_file, there),
        copies=copies,
        job_id=_job_id(image.stem, family.most_letters),
        disc_type=_DISC_TYPES[number],
    )
    lines = "".join(f"{line}\r\n" for line in text.splitlines() if line.strip())
    return _write(_beside(image, family.ending), _windows(lines), mode)


def check_label_templates(kind: str, robot: str, site_templates: Path | None = None) -> None:
    """Render what a job will need with a sample. Raises ConfigError naming a broken template."""
    label = Label("Doe, Jane", "4711", "1970-01-01", "Hospital", "CT", "A1", "", "A1", "DICOM ONLY")
    if kind:
        label_svg(label, site_templates)
    if robot:
        sample = {"image": "", "fields_file": "", "job_id": "", "disc_type": ""}
        sample["label_design"] = "label.std"
        render(
            ROBOTS[robot].template, site_templates, escape=False, label=label, copies=1, **sample
        )


def _beside(image: Path, ending: str) -> Path:
    """Return the path of a file that goes with a disc, which may be a folder with a dot."""
    if image.suffix in {".iso", ".zip"}:
        return image.with_suffix(ending)
    return image.with_name(f"{image.name}{ending}")


def _path_there(path: Path, there: RobotSide) -> str:
    """Return a path as the robot's computer knows it."""
    if not there.folder:
        return str(path.resolve())
    between = "\\" if "\\" in there.folder else "/"
    return f"{there.folder.rstrip(between)}{between}{path.name}"


def _job_id(name: str, most: int) -> str:
    """Return a job's name that the robot takes, and that no other disc's name becomes."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if safe == name and len(name) <= most:
        return name
    return f"{safe[: most - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _windows(text: str) -> bytes:
    """Return text as these programs of Windows read it: ANSI, else Unicode with its mark."""
    try:
        return text.encode("cp1252")
    except UnicodeEncodeError:
        return text.encode("utf-16")


def _write(path: Path, content: bytes, mode: int) -> Path:
    """Write a file whole: whoever watches the folder sees it under its name when it is."""
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with suppress(OSError):  # a share that knows no permissions
                os.fchmod(descriptor, mode)  # whatever the umask is, as for the image
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path

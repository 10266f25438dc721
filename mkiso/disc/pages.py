"""README.TXT and INDEX.HTM from their templates."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound

from mkiso import __version__
from mkiso.core.checksums import file_in_memory
from mkiso.core.display_text import PersonName, plain_text, size_text
from mkiso.core.index_page import (
    DocumentLink,
    IndexPage,
    PatientPart,
    SeriesLine,
    StudyPart,
    SyntaxCount,
    ViewerPart,
)
from mkiso.core.job import Institution
from mkiso.core.model import DiscFile
from mkiso.disc.logo import logo_uri
from mkiso.disc.templates_folder import template_folders
from mkiso.disc.viewer_program import program_files
from mkiso.errors import ConfigError, MkisoError

INDEX = "INDEX.HTM"
README = "README.TXT"


def index_file(
    page: IndexPage, institution: Institution, site_templates: Path | None = None
) -> DiscFile:
    """Give INDEX.HTM: complete without any script (IHE PDI, RAD TF-3 4.47.4.1.2.3.3).

    Raises ConfigError naming the template when it cannot be rendered.
    """
    text = render(
        f"disc/{INDEX}",
        site_templates,
        page=page,
        institution=_shown(institution),
        logo=logo_uri(institution.logo),
        escape=True,
    )
    return file_in_memory(INDEX, text.encode("utf-8"))


def readme_file(institution: Institution, site_templates: Path | None = None) -> DiscFile:
    """Give README.TXT, the same on every disc of a site (IHE PDI, RAD TF-3 4.47.4.1.2.3.2).

    Lines end in CR LF for the simplest of editors; ASCII, or UTF-8 with a mark that says so.
    """
    text = render(f"disc/{README}", site_templates, institution=_shown(institution), escape=False)
    lines = "\r\n".join(line.rstrip() for line in text.splitlines()) + "\r\n"
    return file_in_memory(README, lines.encode("ascii" if lines.isascii() else "utf-8-sig"))


def check_templates(site_templates: Path | None = None, logo: str = "") -> tuple[str, ...]:
    """Render all pages with a sample; give a sentence for each one that fails."""
    given = Institution(logo=logo)
    sample = Institution("Sample Hospital", "Radiology, phone 123", "Private.", "Road 1", logo)
    trials: tuple[Callable[[], object], ...] = (
        lambda: index_file(_sample_page(), given, site_templates),
        lambda: index_file(_sample_page(viewer=True), sample, site_templates),
        lambda: readme_file(sample, site_templates),
        lambda: program_files(site_templates),
    )
    problems: list[str] = []
    for trial in trials:
        try:
            trial()
        except MkisoError as error:  # noqa: PERF203 - four rounds
            problems.append(error.message)
    return tuple(dict.fromkeys(problems))


def render(name: str, site_templates: Path | None, *, escape: bool, **values: Any) -> str:
    """Return the text of a template; the site's own wins. Raises ConfigError naming it."""
    environment = _environment(template_folders(site_templates), escape=escape)
    try:
        return environment.get_template(name).render(version=__version__, **values)
    except TemplateNotFound as error:
        raise ConfigError(
            f"The template {error.name} is missing; install mkiso again, "
            "or correct the folder of your own templates."
        ) from error
    except Exception as error:  # whatever a site's own template raises
        line = getattr(error, "lineno", None)
        where = f"{name}, line {line}" if line else name
        raise ConfigError(
            f"The template {where} cannot be used ({type(error).__name__}: {_reason(error)}); "
            "correct it, or remove it to get the one that came with mkiso."
        ) from error


@functools.lru_cache(maxsize=8)  # compiling takes 0.1 s of CPU time, and each job renders thrice
def _environment(folders: tuple[Path, ...], *, escape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([os.fspath(folder) for folder in folders]),
        autoescape=escape,  # noqa: S701 - off for README.TXT alone, which is no markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["size"] = size_text
    return environment


def _reason(error: Exception) -> str:
    """Give what the template engine says: names of variables, never values."""
    return plain_text(error.message or "") if isinstance(error, TemplateError) else "in its values"


def _shown(institution: Institution) -> Institution:
    """Give the institution's words without control characters, line by line."""
    return Institution(
        plain_text(institution.name),
        _lines(institution.contact),
        plain_text(institution.privacy_notice),
        _lines(institution.address),
    )


def _lines(text: str) -> str:
    return "\n".join(plain_text(line) for line in text.splitlines()).strip()


def _sample_page(*, viewer: bool = False) -> IndexPage:
    series = SeriesLine("1", "CT", "Thorax", "CHEST", 2, "DICOM/PT000000/ST000000/SE000000", "1.2")
    study = StudyPart("2024-01-31", "08:30", "CT Thorax", "A1", "1", "1.2.3", ("CT",), (series,))
    return IndexPage(
        patients=(PatientPart(PersonName("Doe, Jane"), "4711", "", "1970-01-01", "F"),),
        studies=(study,),
        volume_id="MKISO_A1",
        made_on="2024-01-31",
        instances=2,
        size_bytes=1_000_000,
        transfer_syntaxes=(SyntaxCount("Explicit VR Little Endian", "1.2.840.10008.1.2.1", 2),),
        profile_met=True,
        other_files=("INDEX.HTM", "README.TXT", "SHA256.TXT"),
        viewer=ViewerPart((DocumentLink("Letter", "VIEWER/DOCS/D0001.PDF"),)) if viewer else None,
    )

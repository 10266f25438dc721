"""README.TXT and INDEX.HTM from their templates."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound

from mkiso import __version__
from mkiso.core.checksums import file_in_memory
from mkiso.core.display_text import PersonName, plain_text, size_text
from mkiso.core.index_page import IndexPage, PatientPart, SeriesLine, StudyPart, SyntaxCount
from mkiso.core.job import Institution
from mkiso.core.model import DiscFile
from mkiso.disc.templates_folder import template_folders
from mkiso.errors import ConfigError, MkisoError

INDEX = "INDEX.HTM"
README = "README.TXT"


def index_file(
    page: IndexPage, institution: Institution, site_templates: Path | None = None
) -> DiscFile:
    """Give INDEX.HTM: complete without any script (IHE PDI, RAD TF-3 4.47.4.1.2.3.3).

    Raises ConfigError naming the template when it cannot be rendered.
    """
    text = _render(
        f"disc/{INDEX}", site_templates, page=page, institution=_shown(institution), escape=True
    )
    return file_in_memory(INDEX, text.encode("utf-8"))


def readme_file(institution: Institution, site_templates: Path | None = None) -> DiscFile:
    """Give README.TXT, the same on every disc of a site (IHE PDI, RAD TF-3 4.47.4.1.2.3.2).

    Lines end in CR LF for the simplest of editors; ASCII, or UTF-8 with a mark that says so.
    """
    text = _render(f"disc/{README}", site_templates, institution=_shown(institution), escape=False)
    lines = "\r\n".join(line.rstrip() for line in text.splitlines()) + "\r\n"
    return file_in_memory(README, lines.encode("ascii" if lines.isascii() else "utf-8-sig"))


def check_templates(site_templates: Path | None = None) -> tuple[str, ...]:
    """Render all pages with a sample; give a sentence for each one that fails."""
    institution = Institution("Sample Hospital", "Radiology, phone 123", "Private.")
    trials: tuple[Callable[[], DiscFile], ...] = (
        lambda: index_file(_sample_page(), institution, site_templates),
        lambda: readme_file(institution, site_templates),
    )
    problems: list[str] = []
    for trial in trials:
        try:
            trial()
        except MkisoError as error:  # noqa: PERF203 - two rounds
            problems.append(error.message)
    return tuple(problems)


def _render(name: str, site_templates: Path | None, *, escape: bool, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader([os.fspath(f) for f in template_folders(site_templates)]),
        autoescape=escape,  # noqa: S701 - off for README.TXT alone, which is no markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["size"] = size_text
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


def _reason(error: Exception) -> str:
    """Give what the template engine says: names of variables, never values."""
    return plain_text(error.message or "") if isinstance(error, TemplateError) else "in its values"


def _shown(institution: Institution) -> Institution:
    """Give the institution's words without control characters, line by line."""
    contact = "\n".join(plain_text(line) for line in institution.contact.splitlines())
    return Institution(
        plain_text(institution.name), contact.strip(), plain_text(institution.privacy_notice)
    )


def _sample_page() -> IndexPage:
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
    )

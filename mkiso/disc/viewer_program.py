"""The program of the viewer, VIEWER/APP.JS and VIEWER/APP.CSS, put together from its templates."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from mkiso.core.checksums import file_in_memory
from mkiso.core.model import DiscFile
from mkiso.core.viewer_index import FOLDER
from mkiso.core.viewer_script import to_json
from mkiso.disc.templates_folder import template_folders
from mkiso.errors import ConfigError

#: Lines of `file on the disc, pattern of templates`; the order is that of the program.
_ASSEMBLY: Final = "assembly.txt"


def program_files(site_templates: Path | None = None) -> tuple[DiscFile, ...]:
    """Give the files of the program. A file of the site's folder wins over the one of its name.

    Raises ConfigError naming the template that is missing or no text.
    """
    templates = _templates(site_templates)
    parts: dict[str, list[str]] = {}
    for target, pattern in _steps(templates):
        names = sorted(name for name in templates if fnmatchcase(name, pattern))
        if not names:
            raise ConfigError(f"The template viewer/{pattern} is missing; install mkiso again.")
        texts = parts.setdefault(target, [])
        texts += [_part(name, templates[name]) for name in names]
    return tuple(
        file_in_memory(f"{FOLDER}/{target}", "".join(texts).encode("utf-8"))
        for target, texts in sorted(parts.items())
    )


def _templates(site_templates: Path | None) -> dict[str, Path]:
    """Give all templates of the viewer by their name below viewer/."""
    found: dict[str, Path] = {}
    for folder in reversed(template_folders(site_templates)):
        viewer = folder / "viewer"
        for path in viewer.rglob("*"):
            if path.is_file():
                found[path.relative_to(viewer).as_posix()] = path
    return found


def _steps(templates: dict[str, Path]) -> list[list[str]]:
    """Give target and pattern of each step of the assembly."""
    path = templates.get(_ASSEMBLY)
    lines = _text(_ASSEMBLY, path).splitlines() if path else []
    steps = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if not steps or any(len(step) != 2 for step in steps):
        raise ConfigError(
            f"The template viewer/{_ASSEMBLY} is missing or none; install mkiso again, or correct "
            "the folder of your own templates."
        )
    return steps


def _part(name: str, path: Path) -> str:
    """Give what a template adds to the program; texts in a language become a call."""
    text = _text(name, path)
    if path.suffix != ".json":
        return text if text.endswith("\n") else f"{text}\n"
    try:
        return f"MKISO.locale({to_json(path.stem)},{to_json(json.loads(text))});\n"
    except ValueError as error:
        raise ConfigError(f"The template viewer/{name} is no JSON: {error}.") from error


def _text(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The template viewer/{name} cannot be read ({type(error).__name__}); it must be a "
            "file in UTF-8."
        ) from error

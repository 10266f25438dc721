"""Where the templates are: the site's own folder first, then what came with the program."""

from __future__ import annotations

from pathlib import Path

from mkiso.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent.parent


def template_folders(site_folder: Path | None = None) -> tuple[Path, ...]:
    """Give the folders in which a template is looked for, in this order.

    In a wheel the templates are inside the package (`force-include` in pyproject.toml); in a
    checkout and an editable install they stand beside it.
    """
    own = next(
        (
            f
            for f in (_PACKAGE / "templates", _PACKAGE.parent / "templates")
            if (f / "disc").is_dir()
        ),
        _PACKAGE / "templates",
    )
    if site_folder is None:
        return (own,)
    if not site_folder.is_dir():
        raise ConfigError(
            f"The folder of your own templates, {site_folder}, is not there; correct [templates] "
            "folder, or take it out."
        )
    return (site_folder, own)

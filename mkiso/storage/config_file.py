"""The configuration file: where it is looked for, and what is wrong in it by file and line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkiso.core.config import Config
from mkiso.core.config_layer import SettingError
from mkiso.core.setting_sources import file_layer
from mkiso.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Paths in the file that are relative to the file itself, since cron starts programs anywhere.
_FOLDERS = (
    ("job", "output"),
    ("templates", "folder"),
    ("state", "folder"),
    ("audit", "file"),
    ("institution", "logo"),
)
_TLS_FILES = ("tls_ca_file", "tls_certificate", "tls_key")


def candidates(environ: Mapping[str, str]) -> list[Path]:
    """Return the files that are looked for when none is named, the first existing one wins."""
    files = [Path("mkiso.toml")]
    if configuration := environ.get("XDG_CONFIG_HOME"):
        files.append(Path(configuration, "mkiso", "mkiso.toml"))
    elif home := environ.get("HOME"):
        files.append(Path(home, ".config", "mkiso", "mkiso.toml"))
    return [*files, Path("/etc/mkiso.toml")]


def find_config_file(named: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that `--config` or $MKISO_CONFIG names, else the first there is, else None.

    Raises ConfigError when the named file is not there.
    """
    for source, name in (("--config", named), ("MKISO_CONFIG", environ.get("MKISO_CONFIG"))):
        if name:
            _require_file(Path(name), source)
            return Path(name)
    return next((path for path in candidates(environ) if path.is_file()), None)


def _require_file(path: Path, source: str) -> None:
    if path.is_dir():
        raise ConfigError(f"{path} ({source}) is a folder; give the configuration file in it.")
    if not path.exists():
        raise ConfigError(
            f"The configuration file {path} ({source}) does not exist; check the path."
        )


def read_config_file(path: Path) -> Config:
    """Return the layer of configuration in a TOML file; relative folders are relative to the file.

    Raises ConfigError naming file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the configuration must be UTF-8 text.") from error
    except OSError as error:
        raise ConfigError(
            f"The configuration file {path} cannot be read: {error.strerror}."
        ) from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_fault(path, str(error))) from error
    try:
        return file_layer(_with_folders(raw, path.absolute().parent))
    except SettingError as error:
        line = line_of(text, error.path)
        where = f"{path}:{line}" if line else str(path)
        raise ConfigError(f"{where}: {error.message}") from error


def line_of(text: str, path: str) -> int | None:
    """Return the line where the key with this dotted path stands, or its table, or None."""
    keys = path.split(".")
    best, depth, table = None, 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            table = header[1].replace('"', "").replace(" ", "")
            here = table
        elif key := re.match(r"\s*([A-Za-z0-9_.\"-]+)\s*=", line):
            here = f"{table}.{key[1]}".lstrip(".").replace('"', "")
        else:
            continue
        parts = here.split(".")
        if keys[: len(parts)] == parts and len(parts) > depth:
            best, depth = number, len(parts)
    return best


def _syntax_fault(path: Path, fault: str) -> str:
    """Return the fault of the TOML reader with its line in front: `file:3: ...`."""
    match = re.search(r" \(at line (\d+), column \d+\)$", fault)
    if match is None:
        return f"{path}: {fault}."
    return f"{path}:{match[1]}: {fault[: match.start()]}."


def _with_folders(raw: dict[str, Any], base: Path) -> dict[str, Any]:
    nodes = raw.get("nodes")
    for table, key in _FOLDERS:
        _make_absolute(raw.get(table), key, base)
    for key in _TLS_FILES:
        for owner in ("receiver", "archive", "audit"):
            _make_absolute(raw.get(owner), key, base)
        for node in nodes.values() if isinstance(nodes, dict) else ():
            _make_absolute(node, key, base)
    return raw


def _make_absolute(table: Any, key: str, base: Path) -> None:
    if isinstance(table, dict) and isinstance(table.get(key), str) and table[key]:
        table[key] = str(base / Path(table[key]).expanduser())

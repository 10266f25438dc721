"""Where settings come from besides the file: environment, options, `--set`, a JSON object."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mkiso.core.config import Config, NodeTable, overlay
from mkiso.core.config_layer import SettingError, parse_layer, unknown_key
from mkiso.core.settings import SETTINGS, nested
from mkiso.errors import ConfigError, DataError, MkisoError, UsageError

_PREFIX = "MKISO_"
_NODE_VARIABLE = re.compile(
    rf"{_PREFIX}NODES_(?P<name>.+?)_(?P<key>{'|'.join(NodeTable.__struct_fields__)})", re.IGNORECASE
)
#: Variables that are read elsewhere: the file's path.
_OTHER_VARIABLES = ("MKISO_CONFIG",)
_BY_ENVIRONMENT = {setting.environment: setting.key for setting in SETTINGS}
_BY_WORD = {setting.word: setting for setting in SETTINGS if setting.word}


def file_layer(raw: Mapping[str, Any]) -> Config:
    """Return the layer of a file. Raises SettingError, also for what never stands in a file."""
    if "run" in raw:
        raise SettingError("run", unknown_key("run", ("job",)))
    return parse_layer(raw)


def environment_layer(environ: Mapping[str, str]) -> tuple[Config, tuple[str, ...]]:
    """Return the layer of the MKISO_ variables, and a sentence for each that looks misspelt.

    A node's keys are `MKISO_NODES_NAME_KEY`, the name in lower case. Empty variables count as not
    set. Raises ConfigError naming the variable.
    """
    layer, warnings = Config(), []
    for name, value in sorted(environ.items()):
        if not name.startswith(_PREFIX) or name in _OTHER_VARIABLES or not value:
            continue
        key = _BY_ENVIRONMENT.get(name) or _node_key(name)
        if key is None:
            warnings.extend(_misspelt(name))
            continue
        layer = overlay(layer, _environment_value(name, key, value))
    return layer, tuple(warnings)


def option_layer(words: Mapping[str, Any]) -> Config:
    """Return the layer of options by their words (`stall_timeout`), None being not given.

    Raises UsageError naming the option.
    """
    given = {s.key: words[w] for w, s in _BY_WORD.items() if words.get(w) is not None}

    def fault(error: SettingError) -> MkisoError:
        option = next((s.option for s in SETTINGS if s.key == error.path), error.path)
        return UsageError(f"{option}: {error.reason}")

    return _layer(nested(given), fault)


def set_layer(assignments: Iterable[str]) -> Config:
    """Return the layer of `--set KEY=VALUE` texts. Raises UsageError naming the key."""
    values = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: write KEY=VALUE, such as job.quiet_period=5.")
        values[key.strip()] = value.strip()
    return _layer(
        nested(values),
        lambda error: UsageError(f"--set {error.path}: {error.reason}"),
        written_as_text=True,
    )


def json_layer(words: Mapping[str, Any]) -> Config:
    """Return the layer of a JSON object whose keys are options as words: `stall_timeout`.

    Raises DataError naming the key.
    """
    for word in words:
        if word not in _BY_WORD:
            raise DataError(f"The JSON key {word}: {unknown_key(word, tuple(_BY_WORD))}")
    given = {_BY_WORD[word].key: value for word, value in words.items() if value is not None}

    def fault(error: SettingError) -> MkisoError:
        word = next((s.word for s in SETTINGS if s.key == error.path), error.path)
        return DataError(f"The JSON key {word}: {error.reason}")

    return _layer(nested(given), fault)


def _layer(
    tables: Mapping[str, Any],
    fault: Callable[[SettingError], MkisoError],
    *,
    written_as_text: bool = False,
) -> Config:
    try:
        return parse_layer(tables, written_as_text=written_as_text)
    except SettingError as error:
        raise fault(error) from error


def _environment_value(name: str, key: str, value: str) -> Config:
    return _layer(
        nested({key: value}),
        lambda error: ConfigError(f"The environment variable {name}: {error.reason}"),
        written_as_text=True,
    )


def _node_key(name: str) -> str | None:
    match = _NODE_VARIABLE.fullmatch(name)
    return f"nodes.{match['name'].lower()}.{match['key'].lower()}" if match else None


def _misspelt(name: str) -> list[str]:
    """Say so when a variable is nearly one of ours; others (MKISO_HOME, MKISO_VERSION) are not."""
    near = difflib.get_close_matches(name, _BY_ENVIRONMENT, n=1, cutoff=0.85)
    return [f"The environment variable {name} means nothing; is {near[0]} meant?"] if near else []

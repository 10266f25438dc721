"""One layer of configuration, checked key by key: plain tables in, a typed Config out."""

from __future__ import annotations

import contextlib
import difflib
import functools
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct

from mkiso.core.accessions import printable
from mkiso.core.addresses import (
    is_address,
    parse_node,
    parse_receiver,
    require_ae_title,
    require_host,
)
from mkiso.core.collector import parse_collector
from mkiso.core.config import TABLES, Config, NodeTable, ReceiverTable, RunTable, Words
from mkiso.core.media_names import require_disc_name
from mkiso.errors import ConfigError, UsageError

_NODE_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class SettingError(ConfigError):
    """A key that does not exist, or a value that does not fit: `path` and `reason`."""

    def __init__(self, path: str, reason: str) -> None:
        """Make the sentence of `path` and `reason`."""
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def parse_layer(raw: Mapping[str, Any], *, written_as_text: bool = False) -> Config:
    """Return the configuration in `raw`, tables within a table as TOML gives them.

    `written_as_text`: numbers and flags may be text, as the environment has them. Raises
    SettingError naming the key with its path, and the nearest known key when there is no such one.
    """
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key == "nodes":
            values[key] = _parse_nodes(value, written_as_text)
        elif key == "archive" and isinstance(value, str):
            values[key] = _checked(key, value, _node_reference)
        elif key == "receiver" and isinstance(value, str):
            values[key] = _receiver_table(value)
        elif key in TABLES:
            values[key] = _parse_table(key, value, TABLES[key], written_as_text)
        else:
            raise SettingError(key, unknown_key(key, (*Config.__struct_fields__[:3], *TABLES)))
    return Config(**values)


def unknown_key(key: str, known: tuple[str, ...], kind: str = "key") -> str:
    """Return the words for a key that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"there is no such {kind}; did you mean {near[0]}?"
    return f"there is no such {kind}; known are {', '.join(sorted(set(known) - {'run'}))}."


def _parse_nodes(raw: Any, written_as_text: bool) -> dict[str, NodeTable]:
    if not isinstance(raw, Mapping):
        raise SettingError("nodes", "write one table a node: [nodes.NAME].")
    for name in raw:
        if not _NODE_NAME.fullmatch(name):
            raise SettingError(
                f"nodes.{name}", "a node's name has letters, digits, '-', '_' and '.' only."
            )
    return {
        name: _parse_table(f"nodes.{name}", table, NodeTable, written_as_text)
        for name, table in raw.items()
    }


_Table = TypeVar("_Table", bound=Struct)


def _parse_table(path: str, raw: Any, table: type[_Table], written_as_text: bool) -> _Table:
    if not isinstance(raw, Mapping):
        raise SettingError(path, f"a table is expected: [{path}].")
    types = _field_types(table)
    values = {}
    for key, value in raw.items():
        if key not in types:
            raise SettingError(f"{path}.{key}", _no_such_key(path, key, tuple(types)))
        given = _split(value) if written_as_text and _is_list(types[key]) else value
        try:
            value_of_key = msgspec.convert(given, types[key], strict=not written_as_text)
        except msgspec.ValidationError as error:
            raise SettingError(f"{path}.{key}", in_words(str(error), types[key])) from error
        check = _CHECKS.get(f"{path}.{key}") or _CHECKS.get(key)
        values[key] = _checked(f"{path}.{key}", value_of_key, check)
    return table(**values)


def _checked(path: str, value: Any, check: Callable[[str], Any] | None) -> Any:
    """Return `value`, each text of it passed through `check`."""
    if check is None or value is None:
        return value
    try:
        return tuple(check(v) for v in value) if isinstance(value, tuple) else check(value)
    except ConfigError as error:
        raise SettingError(path, error.message) from error


def _ae_title(text: str) -> str:
    return require_ae_title(text, ConfigError)


def _host(text: str) -> str:
    return require_host(f"[{text}]" if ":" in text else text, text, ConfigError)


def _sender(text: str) -> str:
    """Let a network (10.1.0.0/16) pass besides addresses and host names."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_network(text, strict=False)) if "/" in text else _host(text)
    raise ConfigError(f"{printable(text)} is not a network; write one such as 10.1.0.0/16.")


def _node_reference(text: str) -> str:
    return parse_node(text, ConfigError).name if is_address(text) else text.strip()


def _octal_mode(text: str) -> str:
    if not re.fullmatch(r"0?o?[0-7]{3}", text):
        raise ConfigError('write the permissions of a file in octal digits, such as "0640".')
    return text


def _modality(text: str) -> str:
    """Give a modality in upper case: it is a CS (PS3.5 6.2), which knows no other."""
    code = text.strip(" ").upper()
    if set(code) & set(",;\\"):
        raise ConfigError(
            f"{printable(text)}: give each modality for itself, --modality CT "
            "--modality MR, or a list of texts."
        )
    if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", code):
        raise ConfigError(f"{printable(text)} is not a modality; write a code such as CT.")
    return code


def _disc_name(text: str) -> str:
    try:
        return require_disc_name(text.removesuffix(".iso"))
    except UsageError as error:
        raise ConfigError(error.message) from error


def _output(text: str) -> str:
    if not text.strip():
        raise ConfigError("an empty text names no folder; leave it out for the current one.")
    return text


def _collector(text: str) -> str:
    parse_collector(text)
    return text


def _receiver_table(text: str) -> ReceiverTable:
    try:
        address = parse_receiver(text, ConfigError)
    except ConfigError as error:
        raise SettingError("receiver", error.message) from error
    return ReceiverTable(ae_title=address.ae_title, port=address.port, bind=address.bind)


#: What a text of this key, or of this key of one table, must pass besides being text.
_CHECKS: Mapping[str, Callable[[str], Any]] = {
    "ae_title": _ae_title,
    "calling_ae_title": _ae_title,
    "send_as": _ae_title,
    "host": _host,
    "bind": lambda text: _host(text) if text else text,
    "send_from": _sender,
    "forward": _node_reference,
    "image_mode": _octal_mode,
    "modality": _modality,
    "output": _output,
    "run.name": _disc_name,
    "syslog": _collector,
}


def _no_such_key(path: str, key: str, known: tuple[str, ...]) -> str:
    if path == "job" and key in RunTable.__struct_fields__:
        return f"this is decided for one disc at a time: use --{key.replace('_', '-')}."
    return unknown_key(key, known)


#: Words of msgspec for types, and words of people.
_TYPE_WORDS = {
    "`int | null`": "a whole number",
    "`int`": "a whole number",
    "`float | null`": "a number",
    "`float`": "a number",
    "`str | null`": "text",
    "`str`": "text",
    "`bool | null`": "true or false",
    "`bool`": "true or false",
    "`array | null`": "a list",
    "`array`": "a list",
    "`object`": "a table",
    "`null`": "nothing",
}


#: Comparisons of msgspec, and words of people.
_BOUND_WORDS = {" >= ": " of at least ", " <= ": " of at most ", " > ": " above "}


def in_words(fault: str, annotation: Any = None) -> str:
    """Return a fault as msgspec words it in the words of people, as the end of a sentence."""
    text = re.sub(r" - at `[^`]*`", "", fault)
    for technical, plain in {**_TYPE_WORDS, **_BOUND_WORDS}.items():
        text = text.replace(technical, plain)
    if text.startswith("Invalid enum value "):
        known = [word for choice in get_args(annotation) for word in get_args(choice)]
        text = f"{text.removeprefix('Invalid enum value ')} is not one of {', '.join(known)}"
    return f"{text[:1].lower()}{text[1:]}."


@functools.cache
def _field_types(table: type[Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(table)}


def _is_list(annotation: Any) -> bool:
    return bool(annotation == Words | None)


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [word for word in (part.strip() for part in value.split(",")) if word]

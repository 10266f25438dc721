"""Remote nodes by name: the configured ones, the built-in one, and addresses given by hand."""

from __future__ import annotations

from mkiso.core.accessions import printable
from mkiso.core.addresses import is_address, parse_node
from mkiso.core.config import Config, NodeTable
from mkiso.core.config_layer import unknown_key
from mkiso.core.job import Node
from mkiso.core.tls_settings import tls_keys, tls_of
from mkiso.errors import ConfigError, MkisoError

#: What holds without any file: the archive of the site whose scripts mkiso replaces.
BUILT_IN = Config(
    archive="abpacs",
    nodes={"abpacs": NodeTable(ae_title="ABPACS", host="localhost", port=11112)},
)

#: Key of a node's table -> field of Node, where the two differ (units).
_NODE_FIELDS = {
    "connect_timeout": "connect_timeout_seconds",
    "find_timeout": "find_timeout_seconds",
    "stall_timeout": "stall_timeout_seconds",
    "deadline": "deadline_seconds",
}


#: What a node cannot do without, and how it is written.
_NEEDED = {"ae_title": 'ae_title = "PACS"', "host": 'host = "pacs.example"', "port": "port = 104"}


def choose_node(
    chosen: str | NodeTable, config: Config, error: type[MkisoError] = ConfigError
) -> Node:
    """Return the node that `chosen` is: `AET@HOST:PORT`, a configured name, or `[archive]` itself.

    Raises `error` for a name that is not configured, ConfigError for a node without its address.
    """
    if isinstance(chosen, NodeTable):
        return node_of("archive", chosen, "archive")
    if is_address(chosen):
        return parse_node(chosen, error)
    if chosen not in config.nodes:
        fault = unknown_key(chosen, tuple(config.nodes), "node")
        raise error(f"The node {printable(chosen)}: {fault}")
    return node_of(chosen, config.nodes[chosen], f"nodes.{chosen}")


def node_of(name: str, table: NodeTable, path: str) -> Node:
    """Return the node that a table describes. Raises ConfigError when its address has gaps."""
    names = [name for name in table.__struct_fields__ if name not in tls_keys(table)]
    given = {name: getattr(table, name) for name in names if getattr(table, name) is not None}
    for key, example in _NEEDED.items():
        if key not in given:
            raise ConfigError(
                f"[{path}] in the configuration has no {key}; add a line such as {example}"
                ": a node needs ae_title, host and port."
            )
    fields = {_NODE_FIELDS.get(key, key): value for key, value in given.items()}
    return Node(name=name, tls=tls_of(table, path), **fields)

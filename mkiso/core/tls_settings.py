"""DICOM TLS as it is configured: the keys that begin with `tls` in a table, joined to one value."""

from __future__ import annotations

from msgspec import Struct

from mkiso.core.job import Tls
from mkiso.errors import ConfigError

_PREFIX = "tls_"
#: The key that switches TLS on; without it the others would protect nobody.
SWITCH = "tls"


def tls_keys(table: Struct) -> tuple[str, ...]:
    """Return the names of the keys of a table that are about TLS."""
    return tuple(k for k in table.__struct_fields__ if k == SWITCH or k.startswith(_PREFIX))


def tls_of(table: Struct, path: str, *, needs_certificate: bool = False) -> Tls | None:
    """Return the TLS of a node or of the receiver, None when its line is not encrypted.

    Raises ConfigError for keys without the switch (who wrote them expects encryption), for a key
    without a certificate, and for no certificate where one is needed.
    """
    given = {k: getattr(table, k) for k in tls_keys(table) if getattr(table, k) is not None}
    switch = given.pop(SWITCH, None)
    if switch is None and given:
        raise ConfigError(
            f"{path}: {min(given)} is there, but TLS is not switched on; write tls = true, or "
            "tls = false to keep the line unencrypted."
        )
    if not switch:
        return None
    tls = Tls(**{key.removeprefix(_PREFIX): value for key, value in given.items()})
    if needs_certificate and not tls.certificate:
        raise ConfigError(f"{path}: TLS needs a certificate of ours; add tls_certificate.")
    if tls.names and not tls.ca_file:
        raise ConfigError(f"{path}: tls_names needs tls_ca_file; nobody else shows a certificate.")
    if tls.key and not tls.certificate:
        raise ConfigError(f"{path}: tls_key is there without tls_certificate; add it.")
    return tls
